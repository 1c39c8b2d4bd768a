// The lower bound: what libmicrohttpd itself costs. Serves one text from one epoll thread, with GET, If-None-Match and PUT
// and nothing else.
//
// Two settings are those of sharedmem serve. Each connection has 16 KiB, which the library clears at each request; the
// default is twice as much. And the program runs the library's loop itself: if exactly 128 clients wait at once, the
// library's own threads wait for one more.
//
//   http-server PORT BYTES

#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text;
static size_t size;
static unsigned long version = 1;
static char tag[32];

/// Makes a response with the text's current tag.
static struct MHD_Response *tagged(size_t length, enum MHD_ResponseMemoryMode mode) {
    struct MHD_Response *response = MHD_create_response_from_buffer(length, text, mode);
    MHD_add_response_header(response, "ETag", tag);
    return response;
}

/// The response to GET, made at the first GET after each PUT.
static struct MHD_Response *current(void) {
    static struct MHD_Response *response;
    static unsigned long version_of_response;
    if (version_of_response == version) return response;
    if (response) MHD_destroy_response(response);
    response = tagged(size, MHD_RESPMEM_MUST_COPY);
    version_of_response = version;
    return response;
}

struct upload {
    size_t length;
    char bytes[];
};

static enum MHD_Result set(struct MHD_Connection *connection, const struct upload *upload) {
    memcpy(text, upload->bytes, upload->length);
    snprintf(tag, sizeof tag, "\"%lu\"", ++version);
    struct MHD_Response *response = tagged(0, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(
    void *object, struct MHD_Connection *connection, const char *url, const char *method, const char *http,
    const char *bytes, size_t *byte_count, void **context) {
    (void)object, (void)url, (void)http;
    int is_put = strcmp(method, "PUT") == 0;
    struct upload *upload = *context;
    if (!upload) return (*context = calloc(1, sizeof *upload + (is_put ? size : 0))) ? MHD_YES : MHD_NO;
    if (*byte_count) {
        if (!is_put || upload->length + *byte_count > size) return MHD_NO;
        memcpy(upload->bytes + upload->length, bytes, *byte_count);
        upload->length += *byte_count;
        *byte_count = 0;
        return MHD_YES;
    }
    if (is_put) return set(connection, upload);
    const char *match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match");
    int is_unchanged = match && strcmp(match, tag) == 0;
    return MHD_queue_response(connection, is_unchanged ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, current());
}

static void completed(
    void *object, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code) {
    (void)object, (void)connection, (void)code;
    free(*context);
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("http-server PORT BYTES\n", stderr), 64;
    size = atol(argv[2]);
    text = memset(malloc(size), 'x', size);
    snprintf(tag, sizeof tag, "\"%lu\"", version);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, (uint16_t)atoi(argv[1]), NULL, NULL, answer, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 3000u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 << 10,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (!daemon) return 1;
    struct pollfd events = {MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, POLLIN, 0};
    while (1) {
        unsigned long long milliseconds;
        if (MHD_get_timeout(daemon, &milliseconds) != MHD_YES) poll(&events, 1, -1);
        MHD_run(daemon);
    }
}
