public import ArgumentParser
import LinuxSystem
import Logging
import SharedMemory
public import SharedMemoryHTTP

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve segments over HTTP.",
        discussion: """
            The first segment is served at /shared, and every segment at /shared/NAME. /openapi.yaml describes the \
            interface.

            In the environment, commas separate the values of an option that may be repeated, and 1 or 0 sets a flag.

            With --keep, the texts survive a reboot: 'sharedmem history' lists what is kept.

            When the token file or a file of a --tls option changes, and on SIGHUP, the server reads it again.
            SIGTERM or SIGINT stops the server once requests under way have finished; a second signal stops it at once.

            With --print-config, it checks its options as a start would, and prints them instead of serving.
            """)

    @Argument(
        help:
            "The segments to serve, created if they do not exist. (default: shared, env: SHAREDMEM_NAME for one name)",
        completion: .segments)
    var names: [String] = []

    @Option(.listen) var listen: [ListenAddress] = []
    @Flag(.dynamic) var isDynamic = false
    @Option(.maxSegments) var maxSegments: Int?
    @Option(.namePattern) var namePattern: String?
    @Option(.tlsCert, completion: .file()) var tlsCert: String?
    @Option(.tlsKey, completion: .file()) var tlsKey: String?
    @Option(.tlsClientCA, completion: .file()) var tlsClientCA: String?
    @Option(.tlsClientRoles, completion: .file()) var tlsClientRoles: String?
    @Option(.tokenFile, completion: .file()) var tokenFile: String?
    @Flag(.allowAnonymous) var allowsAnonymous = false
    @Flag(.readOnly) var isReadOnly = false
    @Option(.allowUser) var allowedUsers: [String] = []
    @Option(.allowGroup) var allowedGroups: [String] = []
    @Option(.socketMode) var socketMode: FileMode?
    @Option(.allowHost) var allowedHosts: [String] = []
    @Option(.trustedProxy) var trustedProxies: [String] = []
    @Option(.corsOrigin) var crossOrigins: [String] = []
    @Option(.logLevel) var logLevel: LogLevel?
    @Option(.logFormat) var logFormat: LogFormat?
    @Flag(.accessLog) var logsAccess = false
    @OptionGroup var location: SegmentLocation
    @OptionGroup var creation: CreationOptions
    @Option(.keep, completion: .directory) var keep: String?
    @Flag(.keepSync) var keepsBeforeAnswering = false
    @Option(.keepInterval) var keepInterval: Int?
    @Option(.keepVersions) var keepVersions: Int?
    @OptionGroup var source: SourceOptions
    @Option(.maxStaleness) var maxStaleness: Int?
    @Option(.grace) var grace: Int?
    @Option(.connections) var connections: Int?
    @Option(.connectionsPerClient) var connectionsPerClient: Int?
    @Option(.watchers) var watchers: Int?
    @Option(.maxWait) var maxWait: Int?
    @Option(.heartbeat) var heartbeat: Int?
    @Option(.headerTimeout) var headerTimeout: Int?
    @Option(.bodyTimeout) var bodyTimeout: Int?
    @Option(.sendTimeout) var sendTimeout: Int?
    @Option(.idleTimeout) var idleTimeout: Int?
    @Option(.bytesInFlight) var bytesInFlight: ByteCount?
    @Option(.threads) var threads: Int?

    @Flag(help: "Print each option, its value and where the value comes from, and exit; attaches to nothing.")
    var printConfig = false

    @Flag(help: "With --print-config, print a JSON array.")
    var json = false

    func validate() throws {
        if json, !printConfig { throw ValidationError("--json is for --print-config: give both, or neither.") }
    }

    private var numbers: [(option: ServerOption, given: Int?)] {
        [
            (.maxSegments, maxSegments), (.keepInterval, keepInterval), (.keepVersions, keepVersions),
            (.maxStaleness, maxStaleness), (.grace, grace), (.connections, connections),
            (.connectionsPerClient, connectionsPerClient), (.watchers, watchers), (.maxWait, maxWait),
            (.heartbeat, heartbeat), (.headerTimeout, headerTimeout),
            (.bodyTimeout, bodyTimeout), (.sendTimeout, sendTimeout), (.idleTimeout, idleTimeout),
            (.bytesInFlight, bytesInFlight?.number), (.threads, threads),
        ]
    }

    func run() throws {
        if printConfig { return try ByteStream.standardOutput.write(try effectiveConfiguration()) }
        Host.raiseDescriptorLimit()
        // Before any thread starts, because threads inherit it.
        TerminationSignals.block()
        let (tokenFile, tlsFiles) = (try tokenFiles, try tlsFiles)
        let writer = try LogWriter()
        defer { writer.flush() }
        let configuration = try configuration(tokenFile, tlsFiles, ServiceManager.takeSockets(), writer)
        let server = try Result { () throws(ServerError) in try Server(configuration) }.mapError(\.forCommandLine).get()
        for address in server.addresses {
            // A closed or full standard output keeps no server from serving.
            try? ByteStream.standardOutput.write("listening on \(address.url)\n")
            for name in configuration.segments where configuration.segments.count > 1 {
                try? ByteStream.standardOutput.write("  \(name): \(address.url)/\(name)\n")
            }
        }
        let logger = configuration.logger
        let files: [any Reloadable] = [tokenFile as (any Reloadable)?, tlsFiles].compactMap(\.self)
        let observers = files.map { $0.observe(for: server, logger) }
        let addresses = server.addresses.map { "\($0)" }.joined(separator: ", ")
        ServiceManager.notify(
            "READY=1\nSTATUS=Serving \(configuration.segments.joined(separator: ", ")) at \(addresses)")
        let watchdog = try ServiceManager.watch(server)
        while !TerminationSignals.wait() {
            ServiceManager.notify("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonicNanoseconds / 1000)")
            for file in files { file.reload(into: server, isRequested: true, logger) }
            if files.isEmpty { logger.notice("SIGHUP: there is no file to read again") }
            ServiceManager.notify("READY=1")
        }
        ServiceManager.notify("STOPPING=1")
        for observer in observers { observer?.stop() }
        // Still watched: a shutdown may take as long as --grace.
        server.stop()
        watchdog?.stop()
    }

    /// Every option with its value, after the checks of a start.
    private func effectiveConfiguration() throws -> String {
        let configuration = try configuration(tokenFiles, tlsFiles, ServiceManager.takeSockets(), LogWriter())
        let limit = try Result { () throws(ServerError) in try configuration.rehearse() }.mapError(\.forCommandLine)
            .get()
        let settings = try EffectiveConfiguration(
            configuration, bytesInFlight: limit, namesAreGiven: !names.isEmpty
        ).settings
        return json ? try encoded(settings) : EffectiveConfiguration.table(settings)
    }

    /// Nil without a token file.
    private var tokenFiles: ReloadedFiles<[AccessToken]>? {
        get throws { try ServerOption.tokenFile.value(tokenFile).map { ReloadedFiles(tokens: $0) } }
    }

    /// Nil without a certificate.
    private var tlsFiles: ReloadedFiles<TLSConfiguration>? {
        get throws {
            let certificate = try ServerOption.tlsCert.value(tlsCert)
            let key = try ServerOption.tlsKey.value(tlsKey)
            let authorities = try ServerOption.tlsClientCA.value(tlsClientCA)
            let roles = try ServerOption.tlsClientRoles.value(tlsClientRoles)
            guard let certificate, let key else {
                let given: [(ServerOption, String?)] = [
                    (.tlsCert, certificate), (.tlsKey, key), (.tlsClientCA, authorities), (.tlsClientRoles, roles),
                ]
                guard let option = given.first(where: { $0.1 != nil })?.0 else { return nil }
                let missing =
                    certificate != nil
                    ? "the certificate's key: give --tls-key FILE"
                    : key != nil
                        ? "the key's certificate: give --tls-cert FILE"
                        : "a certificate and its key: give --tls-cert FILE and --tls-key FILE"
                throw ValidationError("\(option.source) needs \(missing), too.")
            }
            if roles != nil, authorities == nil {
                throw ValidationError(
                    "\(ServerOption.tlsClientRoles.source) needs the authorities of the clients: give --tls-client-ca FILE, "
                        + "too.")
            }
            return ReloadedFiles(certificate: certificate, key: key, authorities: authorities, roles: roles)
        }
    }

    private func configuration(
        _ tokenFile: ReloadedFiles<[AccessToken]>?, _ tlsFiles: ReloadedFiles<TLSConfiguration>?, _ sockets: [Int32],
        _ writer: LogWriter
    ) throws -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.segments = try names.isEmpty ? [SegmentName.inEnvironment().description] : names
        let addresses = try ServerOption.listen.values(listen)
        configuration.listeningSockets = sockets
        if !addresses.isEmpty || !sockets.isEmpty { configuration.listen = addresses }
        configuration.tokens = try tokenFile?.read() ?? []
        configuration.isDynamic = try ServerOption.dynamic.isSet(isDynamic)
        configuration.namePattern = try ServerOption.namePattern.value(namePattern)
        configuration.tls = try tlsFiles?.read()
        configuration.allowsAnonymous = try ServerOption.allowAnonymous.isSet(allowsAnonymous)
        configuration.isReadOnly = try ServerOption.readOnly.isSet(isReadOnly)
        configuration.allowedUsers = try Set(ServerOption.allowUser.values(allowedUsers).map(Self.user))
        configuration.allowedGroups = try Set(
            ServerOption.allowGroup.values(allowedGroups).map { try AttachmentOptions.groupID($0) })
        configuration.socketMode = try ServerOption.socketMode.value(socketMode)?.bits
        configuration.allowedHosts = try ServerOption.allowHost.values(allowedHosts)
        configuration.directory = location.directory
        configuration.trustedOwners = try location.trusted
        configuration.capacity = creation.capacity
        configuration.mode = creation.mode
        configuration.group = try creation.group
        configuration.keepDirectory = try ServerOption.keep.value(keep)
        configuration.keepsBeforeAnswering = try ServerOption.keepSync.isSet(keepsBeforeAnswering)
        try source.configure(&configuration)
        for (option, given) in numbers {
            if let value = try option.number(given) { option.set(value, in: &configuration) }
        }
        configuration.trustedProxies = try ServerOption.trustedProxy.values(trustedProxies)
        configuration.crossOrigins = try ServerOption.corsOrigin.values(crossOrigins)
        configuration.logsAccess = try ServerOption.accessLog.isSet(logsAccess)
        let format = try ServerOption.logFormat.value(logFormat) ?? .default
        let level = try ServerOption.logLevel.value(logLevel)?.level ?? .info
        configuration.logger = Logger(label: "sharedmem") { _ in LineLogHandler(format, level, writer) }
        for warning in UnknownVariables.warnings { configuration.logger.warning("\(warning)") }
        return configuration
    }

    private static func user(_ text: String) throws -> UInt32 {
        if case .user(let user)? = try? TrustedOwner(text) { return user }
        throw ValidationError(
            "This host has no user '\(text)': for --allow-user, give a name or a number; for a group, use --allow-group."
        )
    }
}

extension ListenAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    /// What clients use.
    fileprivate var url: String {
        switch self {
        case .tcp: "http://\(self)/shared"
        case .https: "\(self)/shared"
        case .unix: description
        }
    }
}
