import Foundation
import TestSupport
import Testing

/// What the tests of the command share: a directory for its segments.
protocol CommandTests {
    var directory: TemporaryDirectory { get }
}

extension CommandTests {
    @discardableResult
    func sharedmem(_ arguments: String..., input: String = "") async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments, input: Data(input.utf8),
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
    }

    /// What a command prints that must succeed without a word on standard error.
    func output(_ arguments: String..., input: String = "") async throws -> String {
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments, input: Data(input.utf8),
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        #expect(result.status == 0 && !result.wasKilled, "\(arguments)")
        #expect(result.errors == "", "\(arguments)")
        return result.text
    }

    /// Starts a server, and waits until it listens.
    ///
    /// - Returns: the server, and the URL of its first address.
    func serve(
        _ arguments: String..., environment: [String: String] = [:]
    ) async throws -> (process: ChildProcess, url: String) {
        try await serve(arguments, environment: environment)
    }

    func serve(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> (process: ChildProcess, url: String) {
        let server = try ChildProcess(
            ChildProcess.product("sharedmem"), ["serve", "--directory", directory.path] + arguments,
            environment: environment)
        return (server, try await server.line(beginning: "listening on "))
    }

    /// Stops a server as a service manager does.
    func stop(_ server: ChildProcess) async throws -> ChildProcess.Finished {
        server.send(SIGTERM)
        let end = try await server.finish()
        #expect(end.status == 0 && !end.wasKilled, "\(end.errors)")
        return end
    }

    /// The status that curl gets.
    func status(_ url: String, _ arguments: String...) async throws -> String {
        try await ChildProcess.run("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", url] + arguments).text
    }
}
