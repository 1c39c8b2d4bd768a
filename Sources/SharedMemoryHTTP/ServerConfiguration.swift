/// What a server serves, where, and to whom.
public struct ServerConfiguration: Sendable {
    /// The first is `/shared`, each is `/shared/NAME`.
    public var segments: [String] = ["shared"]
    public var listen: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8080)]

    /// What a request must show to read or set the text, as `Authorization: Bearer TOKEN`; nil for nothing.
    public var token: String?
    /// Whether to listen without a token where other hosts can connect.
    public var allowsAnonymous = false

    /// Hosts that a request may name beside `localhost`, the names below it and loopback addresses; one that
    /// begins with a dot is all names below it.
    ///
    /// Asked for on a loopback address without a token, where a page of any site could have its name lead; elsewhere,
    /// when there are some here.
    public var allowedHosts: [String] = []

    /// A directory on a tmpfs.
    ///
    /// Nil is `SHAREDMEM_DIRECTORY`, or `/dev/shm`.
    public var directory: String?
    /// The maximum size of the text, in bytes.
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
    /// Clients at a time that wait for a change, over all addresses; then the answer to one more is 503.
    ///
    /// Nil is half of ``connectionLimit``, so that there is room for others.
    public var watcherLimit: Int?
    /// After so long without an event, an event stream carries a comment that says that it is alive.
    public var heartbeatSeconds = 15
    /// From connecting until the head of a request is there; then the connection is closed.
    public var headSeconds = 10
    /// For a body to come, and a second more for each 64 KiB of it; then the answer is 408.
    public var bodySeconds = 30
    /// For an answer to be read, and a second more for each 64 KiB of it; then the connection is closed.
    public var sendSeconds = 30
    /// From an answer until the head of the next request is there; then the connection is closed.
    public var idleSeconds = 60
    /// The most bytes of memory that texts may take while they are received and sent, over all connections; then the
    /// answer is 503.
    ///
    /// Event streams take no more than half of it, so that there is room for others. Where that is too little, a segment's
    /// newest event, and the one before it while that is still sent, come beside it: each as long as its text, and six
    /// bytes more for each line.
    ///
    /// At least twice the capacity of each segment. Nil is 256 MiB, or four times the largest capacity if that is more.
    public var bytesInFlightLimit: Int?
    /// Threads for each address to listen on; the connections are divided among them.
    public var threadCount = 1

    /// Is told what happens that no client is told, a line each; from any thread.
    public var report: @Sendable (String) -> Void = { _ in }

    public init() {}
}
