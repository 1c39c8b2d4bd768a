#ifndef CMICROHTTPD_SHIM_H
#define CMICROHTTPD_SHIM_H

#include <microhttpd.h>

/// What a daemon is started with; zero is MHD's default.
struct cmicrohttpd_options {
    /// Bound and listening; stays the caller's if the daemon is quiesced before it is stopped.
    MHD_socket listen_socket;
    /// Threads with an event loop each. One is MHD's own thread: it warns of a pool of one and ignores it.
    unsigned int thread_count;
    /// Over all threads: MHD divides it among them.
    unsigned int connection_limit;
    unsigned int connection_limit_per_address;
    /// Without anything received or sent.
    unsigned int timeout_seconds;
    /// Of each connection: buffers, head and header fields.
    size_t memory_byte_count;
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback complete;
    size_t (*unescape)(void *object, struct MHD_Connection *connection, char *text);
    /// The first argument of the three.
    void *object;
};

/// MHD_start_daemon is variadic, and so invisible to Swift. Its options go by many types, each
/// fetched with va_arg: here the compiler checks them.
static inline struct MHD_Daemon *cmicrohttpd_start(unsigned int flags, struct cmicrohttpd_options options) {
    return MHD_start_daemon(
        flags, 0, NULL, NULL, options.handle, options.object,
        MHD_OPTION_LISTEN_SOCKET, options.listen_socket,
        MHD_OPTION_THREAD_POOL_SIZE, options.thread_count > 1 ? options.thread_count : 0,
        MHD_OPTION_CONNECTION_LIMIT, options.connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options.connection_limit_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, options.timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options.memory_byte_count,
        MHD_OPTION_NOTIFY_COMPLETED, options.complete, options.object,
        MHD_OPTION_UNESCAPE_CALLBACK, options.unescape, options.object,
        MHD_OPTION_END);
}

#endif
