/// Why a request has no response.
package enum HTTPFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no connection: the server has received nothing.
    case unreachable(reason: String)
    /// The time was up; the server may have received the request, and may still carry it out.
    case timedOut
    /// The connection ended before the response did.
    case ended(reason: String)
    /// What arrived is not a response in HTTP/1.
    case malformed(reason: String)
    /// Another thread wants the connection to end.
    case interrupted

    package var description: String {
        switch self {
        case .unreachable(let reason): reason
        case .timedOut: "the time was up"
        case .ended(let reason): "the connection ended: \(reason)"
        case .malformed(let reason): "the response is not HTTP: \(reason)"
        case .interrupted: "interrupted"
        }
    }

    /// Whether the server cannot have received the request.
    package var isUnsent: Bool { if case .unreachable = self { true } else { false } }
}
