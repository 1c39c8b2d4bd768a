internal import CMicroHTTPD
package import HTTPMessages
import LinuxSystem

/// What a handler makes of a request; ``Daemon`` carries it out, in one place.
package enum Reply {
    /// A response; its body is left out for `HEAD` and for the statuses 204 and 304.
    case response(Status, Response, endsConnection: Bool = false)
    /// No response yet: libmicrohttpd leaves the connection alone until it is resumed, then the handler is asked again.
    case hold((HeldConnection) -> Void)
    /// A whole message, which is the last one: the client may still be sending, and what it sends is read for a while.
    case last(Status, [UInt8])
    /// Close the connection without a response.
    case close

    package static func problem(_ problem: Problem) -> Reply { .response(problem.type.status, Response(problem)) }

    /// A problem for a client that may still be sending its request.
    package static func last(_ problem: Problem, to method: Method? = nil) -> Reply {
        .last(problem.type.status, problem.message(omitsContent: method == .head))
    }

    /// The status of a response; nil if there is none yet, or none any more.
    package var status: Status? {
        switch self {
        case .response(let status, _, _), .last(let status, _): status
        case .hold, .close: nil
        }
    }

    /// The length of the response's body, or of the whole message.
    package var byteCount: Int {
        switch self {
        case .response(let status, let response, _): status == .notModified ? 0 : response.byteCount
        case .last(_, let message): message.count
        case .hold, .close: 0
        }
    }

    /// The same response, after which the connection ends.
    package var endingConnection: Reply {
        guard case .response(let status, let response, _) = self else { return self }
        return .response(status, response, endsConnection: true)
    }
}

/// The code that replies to requests.
///
/// For each request libmicrohttpd leads to `begin` and, when the body has arrived, to `finish`, both from the same thread.
package protocol RequestHandler: AnyObject, Sendable {
    /// Handles a request whose head has arrived, but not its body.
    ///
    /// - Parameters:
    ///   - target: without its query, and decoded.
    ///   - isIntact: false if libmicrohttpd's view of the head is not the head as it was sent.
    func begin(_ request: Request, target: Span<UInt8>, isIntact: Bool) -> Beginning

    /// Replies to a request that has arrived in full.
    ///
    /// After a hold, called again when the connection is resumed.
    func finish(_ request: Request, _ context: RequestContext, _ body: RequestBody) -> Reply

    /// Replies to a client that goes on sending a body which is not kept; the reply must be ``Reply/last(_:_:)``.
    func refuse(_ fault: RequestBody.Fault, _ request: Request, _ context: RequestContext) -> Reply
}

/// What becomes of a request after its head.
package enum Beginning {
    /// Read the body, keep it if it has at most so many bytes, and finish with this context; nil if there is no body.
    case proceed(RequestContext, bodyLimit: Int?)
    /// Reply without reading the body; the connection ends with this.
    ///
    /// If the client may be sending a body, the reply must be ``Reply/last(_:)``.
    case refuse(Reply)
}

extension Problem {
    /// A whole response, for a client that is still sending its request.
    ///
    /// - Parameter omitsContent: as in a response to `HEAD`.
    func message(omitsContent: Bool = false) -> [UInt8] {
        let reason = unsafe String(cString: MHD_get_reason_phrase_for(type.status.rawValue))
        let message = head(reason: reason, date: Clock.realtimeSeconds) + (omitsContent ? "" : json)
        return Array(message.utf8)
    }
}
