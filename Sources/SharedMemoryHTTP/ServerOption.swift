import SharedMemory

/// One setting that an operator can make, defined here and nowhere else.
///
/// The command line takes its options and their help from here, the environment its variables, and ``Server`` its checks.
/// The defaults are those of ``ServerConfiguration``.
package struct ServerOption: Sendable {
    /// `header-timeout` is `--header-timeout` on the command line, and `SHAREDMEM_HEADER_TIMEOUT` in the environment.
    package let name: String
    package let help: String
    /// What stands for the value in the help; nil for a flag.
    package let valueName: String?
    /// The default, as the help words it; nil if there is none.
    package let defaultText: String?
    /// Which numbers are possible; nil if the value is not a number.
    package let range: ClosedRange<Int>?
    let path: (WritableKeyPath<ServerConfiguration, Int?> & Sendable)?

    package var variable: String { "SHAREDMEM_" + name.uppercased().replacing("-", with: "_") }

    private init(_ name: String, value: String? = nil, default defaultText: String? = nil, help: String) {
        (self.name, self.help, valueName, self.defaultText) = (name, help, value, defaultText)
        (range, path) = (nil, nil)
    }

    /// A number, which goes to `path` of the configuration.
    private init(
        _ name: String, _ path: WritableKeyPath<ServerConfiguration, Int?> & Sendable,
        in range: ClosedRange<Int> = 1...1_000_000, unit: String, default defaultText: String? = nil, help: String
    ) {
        (self.name, self.help, self.range, self.path) = (name, help, range, path)
        valueName = unit
        self.defaultText = defaultText ?? ServerConfiguration()[keyPath: path].map(String.init)
    }

    /// Makes `value` the configuration's; only for an option that is a number.
    package func set(_ value: Int, in configuration: inout ServerConfiguration) {
        if let path { configuration[keyPath: path] = value }
    }

    /// - Throws: ``ServerError/invalidOption(name:problem:)`` if the configuration's number is out of range.
    func check(_ configuration: ServerConfiguration) throws(ServerError) {
        guard let path, let range, let value = configuration[keyPath: path], !range.contains(value) else { return }
        throw .invalidOption(name: name, problem: "is \(value): use \(range.lowerBound) to \(range.upperBound).")
    }

    package static let all = [
        listen, tlsCert, tlsKey, tlsClientCA, tlsClientRoles, dynamic, maxSegments, namePattern, tokenFile,
        allowAnonymous, readOnly, allowUser, allowGroup, socketMode, allowHost, trustedProxy, corsOrigin, logLevel,
        logFormat, accessLog, directory, trustOwner, capacity, mode, group, keep, keepSync, keepInterval, keepVersions,
        follow, followTokenFile, followCA, followCert, followKey, etcd, etcdPrefix, etcdUserFile, etcdCA, etcdCert,
        etcdKey,
        maxStaleness, grace, connections, connectionsPerClient, watchers, maxWait, heartbeat, headerTimeout,
        bodyTimeout, sendTimeout,
        idleTimeout, bytesInFlight, threads,
    ]

    package static let listen = ServerOption(
        "listen", value: "address", default: ServerConfiguration().listen.map(\.description).joined(separator: ","),
        help: """
            Where to listen: HOST:PORT, :PORT (all addresses), [IPV6]:PORT, unix:PATH, or https://HOST:PORT for TLS; may be \
            repeated.
            """)
    package static let tlsCert = ServerOption(
        "tls-cert", value: "file",
        help:
            "The PEM certificate of https addresses, then its intermediate certificates; read again when it changes."
    )
    package static let tlsKey = ServerOption(
        "tls-key", value: "file", help: "The PEM key of the certificate; read again when it changes.")
    package static let tlsClientCA = ServerOption(
        "tls-client-ca", value: "file",
        help: """
            The PEM certificates of authorities: at https addresses, only clients with a certificate signed by one of them \
            can connect.
            """)
    package static let tlsClientRoles = ServerOption(
        "tls-client-roles", value: "file",
        help: """
            What such clients may do, a line each: NAME [role=read|write|admin] [name=NAME] [segments=PATTERN,...] \
            [expires=DATE], where NAME is in the certificate, or * for all others.
            """)
    package static let tokenFile = ServerOption(
        "token-file", value: "file",
        help: """
            The tokens, a line each, of which clients must send one: TOKEN [role=read|write|admin] [name=NAME] \
            [segments=PATTERN,…] [expires=DATE].
            """)
    package static let dynamic = ServerOption(
        "dynamic",
        help: "Serve all segments in the directory, and let clients create and delete segments.")
    package static let maxSegments = ServerOption(
        "max-segments", \.segmentLimit.optional, unit: "count", help: "The most segments that --dynamic serves.")
    package static let namePattern = ServerOption(
        "name-pattern", value: "pattern",
        help: "The names that --dynamic serves, with * for any characters and ? for one, such as 'app-*'.")
    package static let allowAnonymous = ServerOption(
        "allow-anonymous", help: "Accept clients from other hosts without a token.")
    package static let readOnly = ServerOption(
        "read-only", help: "Accept no PUT; other processes can still set the text.")
    package static let allowUser = ServerOption(
        "allow-user", value: "user",
        help: """
            Let this user, a name or a number, use Unix sockets without a token; all others then need one; may be repeated.
            """)
    package static let allowGroup = ServerOption(
        "allow-group", value: "group",
        help: "Let the members of this group use Unix sockets without a token, as with --allow-user; may be repeated.")
    package static let socketMode = ServerOption(
        "socket-mode", value: "mode", default: "that of --mode",
        help: "The permissions of Unix sockets; to connect, a process needs write permission: 600, 660, 666, …")
    package static let allowHost = ServerOption(
        "allow-host", value: "name",
        help: "A host name that requests may use besides localhost; .NAME for all names below it; may be repeated.")

    package static let trustedProxy = ServerOption(
        "trusted-proxy", value: "proxy",
        help: """
            A proxy whose X-Forwarded-For and Forwarded name the client in the log: an address, a range such as \
            10.0.0.0/8, or unix; may be repeated.
            """)
    package static let corsOrigin = ServerOption(
        "cors-origin", value: "origin",
        help: "A site, such as https://example.org, whose pages may use the server, or * for all; may be repeated.")

    package static let logLevel = ServerOption(
        "log-level", value: "level", default: "info",
        help: "What to log on standard error: debug, info (changes, too), notice, warning, error or critical.")
    package static let logFormat = ServerOption(
        "log-format", value: "format", default: "text on a terminal, else json",
        help: "How to log: text, or json with one object a line.")
    package static let accessLog = ServerOption("access-log", help: "Log each request.")

    package static let directory = ServerOption(
        "directory", value: "directory", default: "/dev/shm", help: "The directory of the segments, on a tmpfs.")
    package static let trustOwner = ServerOption(
        "trust-owner", value: "owner",
        help: """
            Trust segments of this user, or with @GROUP of this group's members, in addition to your own and root's; a \
            name or a number; may be repeated. Owners in the environment are trusted too.
            """)
    package static let capacity = ServerOption(
        "capacity", \.capacity, in: 1...Segment.maximumCapacity, unit: "bytes",
        default: "\(AttachmentOptions.defaultCapacity)",
        help: "The most bytes that the text can have, such as 64M; fixed when a segment is created.")
    package static let mode = ServerOption(
        "mode", value: "mode", default: String(AttachmentOptions.defaultMode, radix: 8),
        help: """
            The permissions of segments and sockets: 600, 640, 660, 644, 666, … If you give it, an existing segment's \
            are changed.
            """)
    package static let group = ServerOption(
        "group", value: "group",
        help: "The group of segments, a name or a number, for a mode such as 660; an existing segment's is changed.")

    package static let keep = ServerOption(
        "keep", value: "directory",
        help: "A directory on a disk for the newest text of each segment, which is restored from there after a reboot.")
    package static let keepSync = ServerOption(
        "keep-sync",
        help: "Answer a PUT only once its text is on disk, and a DELETE once it is gone from there; needs --keep.")
    package static let keepInterval = ServerOption(
        "keep-interval", \.keepIntervalMilliseconds.optional, in: 0...1_000_000, unit: "milliseconds",
        help: "The shortest time from one write of a segment to disk to the next, unless a PUT waits for it.")
    package static let keepVersions = ServerOption(
        "keep-versions", \.keptVersionCount.optional, in: 1...1000, unit: "count",
        help: "How many versions of each segment to keep on disk, for 'sharedmem history' and 'revert'.")

    package static let follow = ServerOption(
        "follow", value: "url",
        help: """
            Replicate the text of this server, and pass on each PUT to it: http://HOST:PORT, https://HOST:PORT or \
            unix:PATH; may be repeated: if one cannot be followed, the next one is.
            """)
    package static let followTokenFile = ServerOption(
        "follow-token-file", value: "file", help: "The token to send to --follow servers, alone in a file.")
    package static let followCA = authorities(atURLsOf: "follow")
    package static let followCert = certificate(presentedTo: "--follow servers", "follow")
    package static let followKey = certificateKey("follow")
    package static let etcd = ServerOption(
        "etcd", value: "url",
        help: """
            Replicate the text that etcd has, and set each PUT there: http://HOST:PORT or https://HOST:PORT of a member; may be \
            repeated, for each of them.
            """)
    package static let etcdPrefix = ServerOption(
        "etcd-prefix", value: "prefix", default: EtcdConfiguration([]).prefix,
        help: "What the keys in etcd begin with, before /NAME/text and /NAME/write.")
    package static let etcdUserFile = ServerOption(
        "etcd-user-file", value: "file", help: "The user of etcd, as USER:PASSWORD, alone in a file.")
    package static let etcdCA = authorities(atURLsOf: "etcd")
    package static let etcdCert = certificate(presentedTo: "etcd", "etcd")
    package static let etcdKey = certificateKey("etcd")
    package static let maxStaleness = ServerOption(
        "max-staleness", \.maximumStalenessSeconds, unit: "seconds",
        help: "With --follow or --etcd, be unready once the text has not been confirmed for so long.")

    private static func authorities(atURLsOf option: String) -> ServerOption {
        ServerOption(
            "\(option)-ca", value: "file",
            help:
                "The PEM certificates of the authorities to trust at https URLs of --\(option), instead of the system's."
        )
    }

    private static func certificate(presentedTo whom: String, _ option: String) -> ServerOption {
        ServerOption("\(option)-cert", value: "file", help: "A PEM certificate to present to \(whom).")
    }

    private static func certificateKey(_ option: String) -> ServerOption {
        ServerOption(
            "\(option)-key", value: "file", help: "The PEM key of that certificate, if it is not in the same file.")
    }

    package static let grace = ServerOption(
        "grace", \.graceSeconds.optional, in: 0...1_000_000, unit: "seconds",
        help: "How long a shutdown waits for requests that are under way.")
    package static let connections = ServerOption(
        "connections", \.connectionLimit.optional, unit: "count",
        help: "The most connections at a time, for each --listen address.")
    package static let connectionsPerClient = ServerOption(
        "connections-per-client", \.connectionLimitPerAddress.optional, in: 0...1_000_000, unit: "count",
        help: "The most connections at a time from one IP address; 0 for no limit.")
    package static let watchers = ServerOption(
        "watchers", \.watcherLimit, in: 0...1_000_000, unit: "count", default: "half of the connections",
        help: "The most long polls and event streams at a time.")

    package static let maxWait = ServerOption(
        "max-wait", \.maximumWaitSeconds.optional, unit: "seconds",
        help: "The longest that a long poll is held; make it shorter than the time limit of a proxy in between.")
    package static let heartbeat = ServerOption(
        "heartbeat", \.heartbeatSeconds.optional, unit: "seconds",
        help: "How long an event stream is silent before the server sends a comment.")
    package static let headerTimeout = ServerOption(
        "header-timeout", \.headSeconds.optional, unit: "seconds",
        help: "How long a client may take from connecting to the end of its first request's head.")
    package static let bodyTimeout = ServerOption(
        "body-timeout", \.bodySeconds.optional, unit: "seconds",
        help: "How long a client may take to send a body; one second more for each 64 KiB.")
    package static let sendTimeout = ServerOption(
        "send-timeout", \.sendSeconds.optional, unit: "seconds",
        help: "How long a client may take to read a response; one second more for each 64 KiB.")
    package static let idleTimeout = ServerOption(
        "idle-timeout", \.idleSeconds.optional, unit: "seconds",
        help: "How long a client may take from a response to the end of its next request's head.")

    package static let bytesInFlight = ServerOption(
        "bytes-in-flight", \.bytesInFlightLimit, in: 1...(.max), unit: "bytes",
        default: "\(ServerConfiguration.defaultBytesInFlight), or four times the capacity if that is more",
        help: "The most memory for text being received and sent; at least twice the capacity.")
    package static let threads = ServerOption(
        "threads", \.threadCount.optional, unit: "count", help: "The number of threads for each --listen address.")
}

extension Int {
    /// Itself, for a path that leads to an optional number elsewhere.
    fileprivate var optional: Int? {
        get { self }
        set { if let newValue { self = newValue } }
    }
}
