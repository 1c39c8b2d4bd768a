#ifndef CMICROHTTPD_SHIM_H
#define CMICROHTTPD_SHIM_H

#include <microhttpd.h>

/// What a daemon is started with; zero is MHD's default.
struct cmicrohttpd_options {
    /// Bound and listening; stays the caller's if the daemon is quiesced before it is stopped.
    MHD_socket listen_socket;
    unsigned int connection_limit;
    unsigned int connection_limit_per_address;
    /// Of each connection: buffers, head and header fields.
    size_t memory_byte_count;
    /// A connection has come, or goes: its descriptor is still open then.
    MHD_NotifyConnectionCallback notify;
    /// Sees a target as it came; what it returns, `handle` finds as the context of the request.
    void *(*begin)(void *object, const char *target, struct MHD_Connection *connection);
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback complete;
    size_t (*unescape)(void *object, struct MHD_Connection *connection, char *text);
    /// The protocols and ciphers of TLS, as GnuTLS writes them; NULL for no TLS.
    const char *tls_priorities;
    /// The first argument of the five.
    void *object;
};

/// MHD insists on a certificate of its own. `notify` gives each session another one, and this one is none.
static inline int cmicrohttpd_no_certificate(void) { return -1; }

/// MHD_start_daemon is variadic, and so invisible to Swift. Its options go by many types, each
/// fetched with va_arg: here the compiler checks them.
static inline struct MHD_Daemon *cmicrohttpd_start(unsigned int flags, struct cmicrohttpd_options options) {
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)cmicrohttpd_no_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)options.tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags | (options.tls_priorities ? MHD_USE_TLS : 0), 0, NULL, NULL, options.handle, options.object,
        MHD_OPTION_LISTEN_SOCKET, options.listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, options.connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options.connection_limit_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options.memory_byte_count,
        MHD_OPTION_NOTIFY_CONNECTION, options.notify, options.object,
        MHD_OPTION_URI_LOG_CALLBACK, options.begin, options.object,
        MHD_OPTION_NOTIFY_COMPLETED, options.complete, options.object,
        MHD_OPTION_UNESCAPE_CALLBACK, options.unescape, options.object,
        MHD_OPTION_ARRAY, options.tls_priorities ? tls : none,
        MHD_OPTION_END);
}

/// MHD_get_daemon_info is variadic.
static inline int cmicrohttpd_epoll_descriptor(struct MHD_Daemon *daemon) {
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/// MHD_get_connection_info is variadic too, for these four.
static inline MHD_socket cmicrohttpd_socket(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/// What `notify` has made it.
static inline void *cmicrohttpd_context(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/// The gnutls_session_t of a connection with TLS.
static inline void *cmicrohttpd_tls_session(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
}

/// From the method to the empty line; 0 before that has come.
static inline size_t cmicrohttpd_head_byte_count(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

/// Has the connection end with the answer that is queued next, as if the request had asked for it: MHD looks at what it
/// holds for the request's fields, and keeps the strings by reference.
static inline enum MHD_Result cmicrohttpd_end(struct MHD_Connection *connection) {
    return MHD_set_connection_value(connection, MHD_HEADER_KIND, "Connection", "close");
}

#endif
