public import SharedMemory

/// Why a server does not start.
public enum ServerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Other hosts could set the text: there is no token, and anonymous clients were not allowed explicitly.
    case needsToken(ListenAddress)
    /// A token must be visible ASCII, 16 to 512 characters.
    case invalidToken
    /// The certificate, its key, or the authorities of clients cannot be used.
    case invalidCertificate(reason: String)
    /// There is nothing to serve or nowhere to listen, or something is named twice.
    case invalidConfiguration(String)
    /// An option has a value that is not possible, or not possible beside the others; `name` is the option's, such as
    /// `header-timeout`, and `problem` ends the sentence.
    case invalidOption(name: String, problem: String)
    /// The operating system refuses the address.
    case cannotListen(ListenAddress, reason: String)
    /// The operating system has no thread or descriptor to spare.
    case noResources(reason: String)
    /// A segment cannot be attached.
    case segment(name: String, SegmentError)
    /// Text cannot be kept on disk, or kept text cannot be restored.
    case cannotKeep(reason: String)

    /// What is wrong and what to do next.
    public var description: String {
        switch self {
        case .needsToken(let address):
            "\(address) can be reached from other hosts, and anyone there could set the text: give the server a token, "
                + "or allow anonymous clients."
        case .invalidToken:
            "A token has 16 to 512 visible ASCII characters: use the output of 'openssl rand -hex 32'."
        case .invalidCertificate(let reason): "The TLS certificate and key cannot be used: \(reason)."
        case .invalidConfiguration(let reason): reason
        case .invalidOption(let name, let problem): "\(name) \(problem)"
        case .cannotListen(let address, let reason): "The server cannot listen on \(address): \(reason)."
        case .noResources(let reason):
            "The server needs a thread and a few descriptors, and the operating system refuses them: \(reason)."
        case .cannotKeep(let reason): reason
        case .segment(let name, let error): "The segment '\(name)' cannot be served. \(error)"
        }
    }
}
