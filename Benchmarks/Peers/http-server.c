// The floor: what libmicrohttpd itself costs. One text, from one epoll thread: GET, If-None-Match, PUT, and nothing else.
// With 16 KiB for each connection, as sharedmem serve: the library clears it at each request, and the default is twice that.
//
//   http-server PORT BYTES

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *text, *nothing;
static char *received;
static size_t size;

static enum MHD_Result answer(
    void *object, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_byte_count, void **context) {
    (void)object, (void)url, (void)version;
    size_t *length = *context;
    if (!length) return (*context = calloc(1, sizeof *length)) ? MHD_YES : MHD_NO;
    if (*upload_byte_count) {
        if (*length + *upload_byte_count > size) return MHD_NO;
        memcpy(received + *length, upload, *upload_byte_count);
        *length += *upload_byte_count;
        *upload_byte_count = 0;
        return MHD_YES;
    }
    if (strcmp(method, "PUT") == 0) return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, nothing);
    const char *match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match");
    if (match && strcmp(match, "\"1\"") == 0) return MHD_queue_response(connection, MHD_HTTP_NOT_MODIFIED, nothing);
    return MHD_queue_response(connection, MHD_HTTP_OK, text);
}

static void completed(
    void *object, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code) {
    (void)object, (void)connection, (void)code;
    free(*context);
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("http-server PORT BYTES\n", stderr), 64;
    size = atol(argv[2]);
    char *bytes = memset(malloc(size), 'x', size);
    received = malloc(size);
    text = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_PERSISTENT);
    nothing = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(text, "ETag", "\"1\"");
    if (!MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL, answer, NULL,
            MHD_OPTION_CONNECTION_LIMIT, 3000u,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 << 10,
            MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END))
        return 1;
    pause();
}
