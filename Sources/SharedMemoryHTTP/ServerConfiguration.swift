public import Logging
public import SharedMemory

/// The segments that a server serves, its addresses, and its limits.
public struct ServerConfiguration: Sendable {
    /// The names of the segments: the first is at `/shared`, and each is at `/shared/NAME`.
    public var segments: [String] = ["shared"]
    public var listen: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8080)]

    /// Descriptors of sockets that already listen, such as those that a service manager passes; the server owns them.
    ///
    /// When the server stops, connections that it has not accepted wait for the next process that has the socket.
    public var listeningSockets: [Int32] = []

    /// The certificate of the `https` addresses; nil if there are none.
    public var tls: TLSConfiguration?

    /// The tokens of which a request must present one, as `Authorization: Bearer TOKEN`; empty if it needs none.
    public var tokens: [AccessToken] = []
    /// The ids of users whose processes can read and set the text through a Unix socket without a token.
    ///
    /// If this or ``allowedGroups`` is not empty, other users need a token. If there are no ``tokens``, they have no access.
    public var allowedUsers: Set<UInt32> = []
    /// The ids of groups whose members' processes can do so, too.
    public var allowedGroups: Set<UInt32> = []
    /// Whether clients cannot set the text; other processes on the host still can.
    public var isReadOnly = false
    /// Whether to listen without a token where other hosts can connect.
    public var allowsAnonymous = false

    /// Whether to serve all segments in the directory, and to let clients create and delete them.
    ///
    /// The ``segments`` are created at the start, and served and deleted like all others. A client needs the role
    /// ``AccessToken/Role/admin`` to create or delete one, if it needs a token.
    public var isDynamic = false
    /// The most segments that a dynamic server serves.
    public var segmentLimit = 10_000
    /// Which names a dynamic server serves, with `*` for any characters and `?` for one; nil for all.
    public var namePattern: String?

    /// Host names that requests may use besides `localhost`, the names below it, and loopback addresses; `.NAME` allows
    /// all names below it.
    ///
    /// The server checks the host name on loopback addresses without a token, because any web page could have its own name
    /// resolve to them. On other addresses it checks the name only if this is not empty.
    public var allowedHosts: [String] = []

    /// The directory of the segments, on a tmpfs; nil for `SHAREDMEM_DIRECTORY` or `/dev/shm`.
    public var directory: String?
    /// The most bytes that the text can have.
    ///
    /// Nil accepts an existing segment with any capacity, and creates one with the default capacity.
    public var capacity: Int?
    /// The permissions of Unix sockets; nil for those in ``mode``.
    public var socketMode: UInt32?
    /// The permissions of segments and, without ``socketMode``, of Unix sockets; nil leaves those of an existing segment, and else stands for 0600.
    ///
    /// If an existing segment has others, the server changes them, or does not start.
    public var mode: UInt32?
    /// The id of the group of segments; nil leaves that of an existing segment, and else leaves it to the system.
    public var group: UInt32?
    /// Whose segments are trusted, besides those of the server's own user, of root, and of the users that
    /// `SHAREDMEM_TRUST_OWNER` names.
    public var trustedOwners: Set<TrustedOwner> = []

    /// The directory, on a disk, in which the newest text of each segment is kept; nil for none.
    ///
    /// It is created if it is missing. When the server starts, segments that do not exist or were never set get the kept
    /// text.
    public var keepDirectory: String?
    /// Whether a `PUT` is answered only once its version, or a later one, is on disk.
    public var keepsBeforeAnswering = false
    /// The shortest time from one write of a segment's text to disk to the next, in milliseconds.
    ///
    /// A `PUT` that waits for the disk does not wait for this.
    public var keepIntervalMilliseconds = 250
    /// How many versions of each segment are kept on disk.
    public var keptVersionCount = 1

    /// The servers to follow; nil to follow none.
    public var follow: FollowConfiguration?
    /// The etcd cluster that has the text; nil for none, and if the server follows others.
    public var etcd: EtcdConfiguration?
    /// The longest time since the text was last confirmed with which a server that follows others, or etcd, is ready; nil for
    /// no limit.
    public var maximumStalenessSeconds: Int?

    /// How long ``Server/stop()`` waits for requests that are under way.
    public var graceSeconds = 10
    /// The most connections at a time, for each address; further connections wait to be accepted.
    public var connectionLimit = 2000
    /// The most connections at a time from one IP address; 0 for no limit.
    public var connectionLimitPerAddress = 0
    /// The most long polls and event streams at a time, over all addresses; one more is answered with 503.
    ///
    /// Nil is half of ``connectionLimit``, which leaves room for other requests.
    public var watcherLimit: Int?
    /// The longest that a long poll is held, whatever its client asks for.
    public var maximumWaitSeconds = 300
    /// How long an event stream is silent before the server sends a comment, which shows that it is alive.
    public var heartbeatSeconds = 15
    /// From connecting to the end of the first request's head; beyond it, the connection is closed.
    public var headSeconds = 10
    /// For a body to arrive, and a second more for each 64 KiB of it; beyond it, the answer is 408.
    public var bodySeconds = 30
    /// For a client to read a response, and a second more for each 64 KiB of it; beyond it, the connection is closed.
    ///
    /// Also how long a client that waits for a change may be silent, without acknowledging what its system is sent.
    public var sendSeconds = 30
    /// From a response to the end of the next request's head; beyond it, the connection is closed.
    public var idleSeconds = 60
    /// The most bytes of memory for text being received and sent, over all connections; beyond it, the answer is 503.
    ///
    /// At least twice the capacity of each segment. Nil is 256 MiB, or four times the largest capacity if that is more.
    ///
    /// Event streams use at most half of it, which leaves room for other requests. If that is too little for a segment's
    /// newest event, and for the one before while it is still being sent, these come on top of it: each takes the length of
    /// its text and six bytes for each line.
    public var bytesInFlightLimit: Int?
    /// The number of threads for each address; they share its connections.
    public var threadCount = 1

    /// The proxies, by address, range such as `10.0.0.0/8`, or `unix`, whose `X-Forwarded-For` and `Forwarded` name the
    /// client.
    public var trustedProxies: [String] = []
    /// The sites whose pages may use the server from another origin, such as `https://example.org`; `*` for all.
    public var crossOrigins: [String] = []

    /// Where the server writes what happens.
    ///
    /// Changes have the level `info`, and problems that no client is told about `warning`. The handler must not block.
    public var logger = Logger(label: "sharedmem") { _ in SwiftLogNoOpLogHandler() }
    /// Whether each request is logged, whatever the logger's level.
    public var logsAccess = false

    public init() {}

    /// Writes about a problem that no client is told about.
    package var report: @Sendable (String) -> Void { { [logger] in logger.warning("\($0)") } }
}
