import ArgumentParser
import SharedMemoryHTTP

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck", abstract: "Ask a server whether it lives: exit status 0 or 1.")

    @Argument(help: "http://HOST:PORT/PATH or unix:PATH (default: /livez where serve listens)")
    var url: String?

    func run() throws {
        do {
            try Healthcheck.check(url ?? Self.urlOfServer() ?? Healthcheck.defaultURL)
        } catch {
            throw Failure(description: "\(error)")
        }
    }

    /// Where a server listens that has this environment.
    private static func urlOfServer() throws -> String? {
        switch try ListenAddress.inEnvironment()?.first {
        case nil: nil
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port): "http://\(reachable(host)):\(port)/livez"
        }
    }

    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "[::1]"
        default: host.contains(":") ? "[\(host)]" : host
        }
    }
}
