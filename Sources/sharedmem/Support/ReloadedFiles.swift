import LinuxSystem
import Logging
import SharedMemoryHTTP
import Synchronization

/// Files that a server reads when it starts, and again whenever one of them changes or it is asked to.
final class ReloadedFiles<Value: Sendable>: Sendable, Reloadable {
    private let files: [InputFile]
    /// Makes a value of what the files contain, in their order.
    private let parse: @Sendable ([[UInt8]]) throws(Failure) -> Value
    /// Gives the value to the server, and says for the log what is new.
    private let replace: @Sendable (Value, Server) throws(ServerError) -> String
    private let state = Mutex(State())

    private struct State {
        var content: [[UInt8]] = []
        /// What was last reported to be wrong.
        var fault: String?
    }

    init(
        _ files: [InputFile], parse: @escaping @Sendable ([[UInt8]]) throws(Failure) -> Value,
        replace: @escaping @Sendable (Value, Server) throws(ServerError) -> String
    ) {
        (self.files, self.parse, self.replace) = (files, parse, replace)
    }

    var paths: [String] { files.map(\.path) }

    func read() throws(Failure) -> Value {
        let content = try content()
        let value = try parse(content)
        state.withLock { $0.content = content }
        return value
    }

    func reload(into server: Server, isRequested: Bool, _ logger: Logger) {
        // One at a time, so that the newest files count.
        state.withLock { state in
            do throws(Failure) {
                let content = try content()
                guard isRequested || content != state.content || state.fault != nil else { return }
                let news = try give(try parse(content), to: server)
                (state.content, state.fault) = (content, nil)
                logger.notice("\(files[0].path) was read again: \(news)")
            } catch {
                guard isRequested || error.description != state.fault else { return }
                state.fault = error.description
                logger.warning("\(error) The server goes on with what it read before.")
            }
        }
    }

    private func give(_ value: Value, to server: Server) throws(Failure) -> String {
        do throws(ServerError) {
            return try replace(value, server)
        } catch {
            throw Failure(description: "\(paths.joined(separator: " and ")): \(error)")
        }
    }

    private func content() throws(Failure) -> [[UInt8]] {
        try files.map { file throws(Failure) in try file.read().bytes }
    }
}

/// Files that a server can read again.
protocol Reloadable: Sendable {
    var paths: [String] { get }

    /// Gives the server what is in the files now; if they have a fault, the server keeps what it has.
    ///
    /// - Parameter isRequested: whether to report the outcome even if nothing has changed.
    func reload(into server: Server, isRequested: Bool, _ logger: Logger)
}

extension Reloadable {
    /// Reads the files again whenever one of them changes.
    ///
    /// - Returns: nil if the system cannot watch them.
    func observe(for server: Server, _ logger: Logger) -> BackgroundLoop? {
        do throws(SystemError) {
            return try BackgroundLoop(named: "sharedmem files", watching: paths) {
                reload(into: server, isRequested: false, logger)
            }
        } catch {
            let names = paths.joined(separator: ", ")
            logger.warning("\(names): not watched: \(error.reason). Send SIGHUP after a change.")
            return nil
        }
    }
}

extension ReadBytes {
    var bytes: [UInt8] {
        withSpan { span in
            [UInt8](capacity: span.count) { output in for index in span.indices { output.append(span[index]) } }
        }
    }
}
