import ArgumentParser
import SharedMemoryHTTP

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck", abstract: "Ask a server whether it is alive.",
        discussion: "Exits with status 0 if the server answers with a 2xx status within 2 seconds, and 1 if not.")

    @Argument(
        help: """
            http://HOST:PORT/PATH or unix:PATH. (default: /livez at the first address of SHAREDMEM_LISTEN, or \
            \(Healthcheck.defaultURL))
            """)
    var url: String?

    func run() throws {
        let address = try ServerOption.listen.values([ListenAddress]()).first
        try Healthcheck.check(url ?? address.map(Healthcheck.url) ?? Healthcheck.defaultURL)
    }
}
