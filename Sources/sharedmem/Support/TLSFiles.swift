import LinuxSystem
import SharedMemoryHTTP
import Synchronization

/// The files of a server's certificate, read again whenever one of them changes.
final class TLSFiles: Sendable {
    private let certificate: InputFile
    private let key: InputFile
    private let authorities: InputFile?
    private let roles: InputFile?
    private let state = Mutex(State())

    private struct State {
        var content: [[UInt8]] = []
        /// What was last reported to be wrong.
        var fault: String?
    }

    init(certificate: String, key: String, authorities: String?, roles: String?) {
        self.certificate = InputFile(path: certificate, kind: "TLS certificate", isSecret: false)
        self.key = InputFile(path: key, kind: "TLS key", isSecret: true)
        self.authorities = authorities.map { InputFile(path: $0, kind: "file of client authorities", isSecret: false) }
        self.roles = roles.map { InputFile(path: $0, kind: "file of client roles", isSecret: false) }
    }

    private var files: [InputFile] { [certificate, key, authorities, roles].compactMap(\.self) }

    var paths: [String] { files.map(\.path) }

    func read() throws(Failure) -> TLSConfiguration {
        let content = try content()
        let configuration = try configuration(of: content)
        state.withLock { $0.content = content }
        return configuration
    }

    /// Gives the server what is in the files now; if they have a fault, the server keeps what it has.
    ///
    /// - Parameter isRequested: whether to report the outcome even if nothing has changed.
    func reload(into server: Server, isRequested: Bool, report: (String) -> Void) {
        // One at a time, so that the newest files count.
        state.withLock { state in
            do throws(Failure) {
                let content = try content()
                guard isRequested || content != state.content || state.fault != nil else { return }
                let configuration = try configuration(of: content)
                do throws(ServerError) { try server.replaceTLS(configuration) } catch {
                    throw Failure(description: "\(certificate.path) and \(key.path): \(error)")
                }
                (state.content, state.fault) = (content, nil)
                report("\(certificate.path) was read again: new connections get its certificate")
            } catch {
                guard isRequested || error.description != state.fault else { return }
                state.fault = error.description
                report("\(error) The certificate read before stays in force.")
            }
        }
    }

    /// What the files contain, in their order.
    private func content() throws(Failure) -> [[UInt8]] {
        try files.map { file throws(Failure) in try file.read().bytes }
    }

    private func configuration(of content: [[UInt8]]) throws(Failure) -> TLSConfiguration {
        var configuration = TLSConfiguration(certificate: content[0], key: content[1])
        if authorities != nil { configuration.clientAuthorities = content[2] }
        if let roles, let last = content.last { configuration.clientRoles = try parse(last, of: roles) }
        return configuration
    }

    private func parse(_ content: [UInt8], of file: InputFile) throws(Failure) -> [ClientRole] {
        do throws(TokenFileError) {
            return try ClientRole.parse(file: String(decoding: content, as: UTF8.self))
        } catch {
            let place = error.line.map { "line \($0)" } ?? "the file"
            throw Failure(description: "The \(file.kind) \(file.path) cannot be used. In \(place), \(error.problem)")
        }
    }
}

extension ReadBytes {
    fileprivate var bytes: [UInt8] {
        withSpan { span in
            [UInt8](capacity: span.count) { output in for index in span.indices { output.append(span[index]) } }
        }
    }
}
