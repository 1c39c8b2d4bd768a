/// What a server serves, where, and to whom.
public struct ServerConfiguration: Sendable {
    /// The first is `/shared`, each is `/shared/NAME`.
    public var segments: [String] = ["shared"]
    public var listen: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8080)]

    /// What a request must show to read or set a text, as `Authorization: Bearer TOKEN`; nil for nothing.
    public var token: String?
    /// Whether to listen without a token where other hosts can connect.
    public var allowsAnonymous = false

    /// A directory on a tmpfs.
    ///
    /// Nil is `SHAREDMEM_DIRECTORY`, or `/dev/shm`.
    public var directory: String?
    /// The most bytes a text can have.
    ///
    /// Nil takes a segment as it is, or creates one of the default.
    public var capacity: Int?
    /// The permissions of what is created: segments, and sockets in the file system.
    public var mode: UInt32 = 0o600
    /// Users whose segments are trusted, beside the server's own and root's.
    public var trustedOwners: Set<UInt32> = []

    /// How long ``Server/stop()`` lets requests take to finish.
    public var graceSeconds = 10
    /// Connections at a time, for each address to listen on; more wait to be accepted.
    public var connectionLimit = 2000
    /// Connections at a time from one IP address; 0 for no limit of its own.
    public var connectionLimitPerAddress = 0
    /// After so long without anything received or sent a connection is closed.
    public var idleSeconds = 60
    /// Threads for each address to listen on; the connections are divided among them.
    public var threadCount = 1

    /// Is told what happens that no client is told, a line each; from any thread.
    public var report: @Sendable (String) -> Void = { _ in }

    public init() {}
}
