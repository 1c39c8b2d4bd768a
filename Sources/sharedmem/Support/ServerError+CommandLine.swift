import ArgumentParser
import SharedMemory
import SharedMemoryHTTP

extension ServerError {
    /// The error in terms of the command line.
    var forCommandLine: any Error {
        switch self {
        case .invalidConfiguration: ValidationError("\(self)")
        case .invalidOption(let name, let problem):
            ValidationError(
                "\(Self.source(ofOption: name)) "
                    + (Self.missing(beside: name, problem).map { "\(problem.dropLast()) (\($0))." } ?? problem))
        case .needsToken: Failure(description: "\(self) Use --token-file or --allow-anonymous.")
        case .invalidCertificate:
            Failure(
                description: "\(self) Check the files that \(ServerOption.tlsCert.source) and "
                    + "\(ServerOption.tlsKey.source) name.")
        case .cannotListen: Failure(description: "\(self) --listen names the address.")
        // What is wrong with the name, or with a value for all segments, is wrong usage in each command.
        case .segment(_, let error) where error.isWrongUsage: error
        default: Failure(description: "\(self)")
        }
    }

    private static func source(ofOption name: String) -> String {
        ServerOption.all.first { $0.name == name }?.source ?? "--\(name)"
    }

    /// What is missing beside an option, as the end of the sentence.
    private static func missing(beside name: String, _ problem: String) -> String? {
        switch name {
        case ServerOption.keepSync.name where problem.hasPrefix("needs"): "--keep DIRECTORY"
        case ServerOption.namePattern.name where problem.hasPrefix("is for"): "--dynamic"
        case ServerOption.allowUser.name, ServerOption.allowGroup.name, ServerOption.socketMode.name:
            "--listen unix:PATH"
        case ServerOption.listen.name: "--tls-cert FILE, --tls-key FILE"
        case ServerOption.tlsCert.name: "--listen https://HOST:PORT"
        case ServerOption.tlsClientRoles.name: "--tls-client-ca FILE"
        default: nil
        }
    }
}
