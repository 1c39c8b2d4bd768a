public import ArgumentParser
internal import Glibc
import SharedMemory
public import SharedMemoryHTTP

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve segments over HTTP.",
        discussion: """
            The first segment is at /shared, each is at /shared/NAME. /openapi.yaml is the contract.
            SIGTERM and SIGINT stop it once what is under way has finished; a second one, at once.
            """)

    @Argument(help: "The segments' names; created if they are not there.")
    var names: [String] = []

    @Option(
        help: ArgumentHelp(
            "HOST:PORT, [IPV6]:PORT or unix:PATH; may be repeated. (default: 127.0.0.1:8080)", valueName: "address"))
    var listen: [ListenAddress] = []

    @Option(
        name: .customLong("token-file"), help: "A file with the token that requests must show.", completion: .file())
    var tokenFile: String?

    @Flag(name: .customLong("allow-anonymous"), help: "Let other hosts connect without a token.")
    var allowsAnonymous = false

    @Option(
        name: .customLong("allow-host"),
        help: ArgumentHelp(
            "A name that requests may use for this server, beside localhost; .NAME for all below it; may be repeated.",
            valueName: "name"))
    var allowedHosts: [String] = []

    @OptionGroup var place: Place
    @OptionGroup var creation: CreationOptions

    @Option(help: ArgumentHelp("How long a stop lets requests take to finish.", valueName: "seconds"))
    var grace = ServerConfiguration().graceSeconds

    @Option(help: ArgumentHelp("Connections at a time, for each address.", valueName: "count"))
    var connections = ServerConfiguration().connectionLimit

    @Option(
        name: .customLong("connections-per-client"),
        help: ArgumentHelp("Connections at a time from one IP address; 0 for no limit.", valueName: "count"))
    var connectionsPerClient = ServerConfiguration().connectionLimitPerAddress

    @Option(
        help: ArgumentHelp(
            "Clients at a time that wait for a change. (default: half of --connections)", valueName: "count"))
    var watchers: Int?

    @Option(
        help: ArgumentHelp("How long an event stream is silent before it says that it is alive.", valueName: "seconds"))
    var heartbeat = ServerConfiguration().heartbeatSeconds

    @Option(
        name: .customLong("header-timeout"),
        help: ArgumentHelp("From connecting to the end of the first request's head.", valueName: "seconds"))
    var headerTimeout = ServerConfiguration().headSeconds

    @Option(
        name: .customLong("body-timeout"),
        help: ArgumentHelp("For a body to come; a second more for each 64 KiB.", valueName: "seconds"))
    var bodyTimeout = ServerConfiguration().bodySeconds

    @Option(
        name: .customLong("send-timeout"),
        help: ArgumentHelp("For an answer to be read; a second more for each 64 KiB.", valueName: "seconds"))
    var sendTimeout = ServerConfiguration().sendSeconds

    @Option(
        name: .customLong("idle-timeout"),
        help: ArgumentHelp("From an answer to the end of the next request's head.", valueName: "seconds"))
    var idleTimeout = ServerConfiguration().idleSeconds

    @Option(
        name: .customLong("bytes-in-flight"),
        help: ArgumentHelp(
            "Memory for texts that are being received and sent; at least twice the capacity. (default: 268435456, or four times the capacity)",
            valueName: "bytes"))
    var bytesInFlight: Int?

    @Option(help: ArgumentHelp("Threads for each address.", valueName: "count"))
    var threads = ServerConfiguration().threadCount

    func run() throws {
        DescriptorLimit.raise()
        // Blocked before any thread is there, so that all inherit it and the signals wait for us.
        var stopSignals = StopSignals()
        let server: Server
        let configuration = try configuration()
        do {
            server = try Server(configuration)
        } catch .invalidConfiguration(let reason) {
            throw ValidationError(reason)
        } catch {
            throw Failure(description: "\(error)")
        }
        for address in server.addresses {
            try StandardStream.output.write("listening on \(address.url)\n")
            for name in configuration.segments where configuration.segments.count > 1 {
                try StandardStream.output.write("  \(name): \(address.url)/\(name)\n")
            }
        }
        stopSignals.wait()
        server.stop()
    }

    private func configuration() throws -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.segments = try names.isEmpty ? [SegmentName.inEnvironment().description] : names
        configuration.listen = try listen.isEmpty ? ListenAddress.inEnvironment() ?? configuration.listen : listen
        configuration.token = try token()
        configuration.allowsAnonymous = allowsAnonymous
        configuration.allowedHosts = allowedHosts
        configuration.directory = place.directory
        configuration.capacity = creation.capacity
        configuration.mode = creation.mode
        configuration.trustedOwners = place.trusted
        configuration.graceSeconds = grace
        configuration.connectionLimit = connections
        configuration.connectionLimitPerAddress = connectionsPerClient
        configuration.watcherLimit = watchers
        configuration.heartbeatSeconds = heartbeat
        configuration.headSeconds = headerTimeout
        configuration.bodySeconds = bodyTimeout
        configuration.sendSeconds = sendTimeout
        configuration.idleSeconds = idleTimeout
        configuration.bytesInFlightLimit = bytesInFlight
        configuration.threadCount = threads
        configuration.report = { try? StandardStream.error.write("sharedmem: \($0)\n") }
        return configuration
    }

    private func token() throws -> String? {
        guard let path = tokenFile ?? Environment["SHAREDMEM_TOKEN_FILE"] else { return nil }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(description: "\(path): \(StandardStream.reason(errno))") }
        defer { close(descriptor) }
        let bytes: [UInt8]
        do {
            bytes = try StandardStream(descriptor: descriptor).readToEnd(limit: 4096)
        } catch {
            throw Failure(description: "\(path): \(error)")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard bytes.count <= 4096, lines.count == 1 else {
            throw Failure(description: "\(path) is not a token: it must be one line.")
        }
        return String(lines[0])
    }
}

extension ListenAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    /// Those of the environment, separated by commas; nil where it says nothing.
    static func inEnvironment() throws -> [ListenAddress]? {
        try Environment["SHAREDMEM_LISTEN"]?.split(separator: ",").map { text in
            guard let address = ListenAddress(String(text)) else {
                throw ValidationError("SHAREDMEM_LISTEN: '\(text)' is not HOST:PORT, [IPV6]:PORT or unix:PATH.")
            }
            return address
        }
    }

    /// What a client is given.
    var url: String {
        if case .tcp = self { "http://\(self)/shared" } else { description }
    }
}

/// How many descriptors the process may have.
private enum DescriptorLimit {
    /// To what the system's administrator permits: what programs are given at first is for select(2), not for servers.
    static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(resource, &limit)
    }
}

/// SIGTERM and SIGINT, held back until asked for.
private struct StopSignals {
    private var signals = sigset_t()

    init() {
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe sigaddset(&signals, SIGINT)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for the first; the next one ends the process.
    mutating func wait() {
        var signal: CInt = 0
        unsafe sigwait(&signals, &signal)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}
