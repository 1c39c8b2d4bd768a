import ArgumentParser
import LinuxSystem
import SharedMemoryHTTP

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck", abstract: "Ask a server whether it is alive.",
        discussion: "Exits with status 0 if the server answers with a 2xx status within 2 seconds, and 1 if not.")

    @Argument(
        help: """
            http://HOST:PORT/PATH, https://HOST:PORT/PATH, HOST:PORT or unix:PATH. (default: /livez at the first address of SHAREDMEM_LISTEN, or \
            \(Healthcheck.defaultURL))
            """)
    var url: String?

    @Option(
        help: """
            The PEM certificates of the authorities to trust at an https URL. (default: the system's, env: \
            SHAREDMEM_HEALTHCHECK_CA)
            """, completion: .file())
    var ca: String?

    @Option(
        help: """
            The name that the server's certificate must have. (default: the host in the URL, env: \
            SHAREDMEM_HEALTHCHECK_SERVER_NAME)
            """)
    var serverName: String?

    @Option(
        help: "A PEM certificate to present, if the server requires one. (env: SHAREDMEM_HEALTHCHECK_CERT)",
        completion: .file())
    var cert: String?

    @Option(
        help: "The PEM key of that certificate. (default: in the same file, env: SHAREDMEM_HEALTHCHECK_KEY)",
        completion: .file())
    var key: String?

    func run() throws {
        let address = try ServerOption.listen.values([ListenAddress]()).first
        // An address without a scheme is that of a server, as --listen takes it.
        let given = url.map { ListenAddress($0).map(Healthcheck.url) ?? $0 }
        var identities = Healthcheck.Identities()
        identities.authorities = ca ?? Environment["SHAREDMEM_HEALTHCHECK_CA"]
        identities.serverName = serverName ?? Environment["SHAREDMEM_HEALTHCHECK_SERVER_NAME"]
        identities.certificate = cert ?? Environment["SHAREDMEM_HEALTHCHECK_CERT"]
        identities.key = key ?? Environment["SHAREDMEM_HEALTHCHECK_KEY"]
        try Healthcheck.check(given ?? address.map(Healthcheck.url) ?? Healthcheck.defaultURL, identities)
    }
}
