public import SharedMemory

/// Why a server does not start.
public enum ServerError: Error, Hashable, Sendable {
    /// Other hosts could set the text: there is neither a token nor the word that none is wanted.
    case needsToken(ListenAddress)
    /// A token must be visible ASCII, at least one character.
    case invalidToken
    /// Nothing to serve, nowhere to listen, or a number that makes no sense.
    case invalidConfiguration(String)
    /// The system refuses the address.
    case cannotListen(ListenAddress, reason: String)
    /// The system has no thread or descriptor left to give.
    case noResources(reason: String)
    /// A segment can not be attached.
    case segment(name: String, SegmentError)
}

extension ServerError: CustomStringConvertible {
    /// What is wrong and what to do next.
    public var description: String {
        switch self {
        case .needsToken(let address):
            "\(address) can be reached from other hosts, and anyone there could set the text: give a token "
                + "(--token-file), or say that none is wanted (--allow-anonymous)."
        case .invalidToken:
            "The token is empty or has characters that a header field can not carry: use letters and digits."
        case .invalidConfiguration(let reason):
            reason
        case .cannotListen(let address, let reason):
            "Listening on \(address) is not possible: \(reason)."
        case .noResources(let reason):
            "The server needs a thread and a few descriptors, and the system refuses them: \(reason)."
        case .segment(let name, let error):
            "Segment '\(name)' can not be served. \(error)"
        }
    }
}
