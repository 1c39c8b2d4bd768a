import LinuxSystem
import SharedMemoryHTTP
import Synchronization

/// The file of a server's tokens, read again whenever it changes.
final class TokenFile: Sendable {
    let path: String
    private let state = Mutex(State())

    private struct State {
        var content: String?
        /// What was last reported to be wrong with it.
        var fault: String?
    }

    init(_ path: String) { self.path = path }

    func read() throws(Failure) -> [AccessToken] {
        let content = try content()
        let tokens = try parse(content)
        state.withLock { $0.content = content }
        return tokens
    }

    /// Gives the server the tokens that are in the file now; if it has a fault, the server keeps the old ones.
    ///
    /// - Parameter isRequested: whether to report the outcome even if nothing has changed.
    func reload(into server: Server, isRequested: Bool, report: (String) -> Void) {
        // One at a time, so that the newest file counts.
        state.withLock { state in
            do throws(Failure) {
                let content = try content()
                guard isRequested || content != state.content || state.fault != nil else { return }
                let tokens = try parse(content)
                do throws(ServerError) { try server.replaceTokens(tokens) } catch {
                    throw Failure(description: "\(error)")
                }
                (state.content, state.fault) = (content, nil)
                report("\(path) was read again: \(tokens.count) \(tokens.count == 1 ? "token" : "tokens")")
            } catch {
                guard isRequested || error.description != state.fault else { return }
                state.fault = error.description
                report("\(error) The tokens read before stay in force.")
            }
        }
    }

    private func content() throws(Failure) -> String {
        try InputFile(path: path, kind: "token file", isSecret: true).read().text
    }

    private func parse(_ content: String) throws(Failure) -> [AccessToken] {
        do throws(TokenFileError) {
            return try AccessToken.parse(file: content)
        } catch {
            let place = error.line.map { "line \($0)" } ?? "the file"
            throw Failure(description: "The token file \(path) cannot be used. In \(place), \(error.problem)")
        }
    }
}
