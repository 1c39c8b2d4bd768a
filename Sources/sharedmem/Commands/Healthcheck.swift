import ArgumentParser
import SharedMemoryHTTP

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck", abstract: "Ask a server whether it is alive.",
        discussion: "Exits with status 0 if the server answers with a 2xx status within 2 seconds, and 1 if not.")

    @Argument(
        help: """
            http://HOST:PORT/PATH, HOST:PORT or unix:PATH. (default: /livez at the first address of SHAREDMEM_LISTEN, or \
            \(Healthcheck.defaultURL))
            """)
    var url: String?

    func run() throws {
        let address = try ServerOption.listen.values([ListenAddress]()).first
        // An address without a scheme is that of a server, as --listen takes it.
        let given = url.map { ListenAddress($0).map(Healthcheck.url) ?? $0 }
        try Healthcheck.check(given ?? address.map(Healthcheck.url) ?? Healthcheck.defaultURL)
    }
}
