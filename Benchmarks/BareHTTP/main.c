// The floor: what libmicrohttpd itself costs. 64 bytes to whoever asks, from one epoll thread.
//
//   cc -O2 main.c -lmicrohttpd -o bare && ./bare 8081

#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

static struct MHD_Response *response;

static enum MHD_Result answer(
    void *object, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_byte_count, void **context) {
    static int seen;
    (void)object, (void)url, (void)method, (void)version, (void)upload, (void)upload_byte_count;
    if (*context == NULL) {
        *context = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int count, char **arguments) {
    static char text[64] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    response = MHD_create_response_from_buffer(sizeof text, text, MHD_RESPMEM_PERSISTENT);
    if (count != 2 || !MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(arguments[1]), NULL, NULL, answer, NULL, MHD_OPTION_END))
        return 1;
    pause();
}
