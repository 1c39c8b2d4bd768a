import HTTPMessages
import MicroHTTPD
import SharedMemory

extension EntityTag {
    init(_ version: Version) {
        var digits = Digits()
        version.write(to: &digits)
        self = digits.withSpan { EntityTag(opaque: $0) }
    }
}

extension SegmentError {
    /// What a client is told about the error.
    var problem: Problem {
        switch self {
        case .tooLong(_, let capacity): .tooLong(capacity: capacity)
        case .notUTF8(let offset):
            .notText("The byte at offset \(offset) is not valid UTF-8. Encode the text as UTF-8.", offset: offset)
        case .containsNUL(let offset):
            .notText(
                "The text contains U+0000 at offset \(offset), where C programs would see the text end. Remove it.",
                offset: offset)
        case .versionMismatch(let current): .preconditionFailed(current: EntityTag(current))
        case .replicated(let name, _, let url):
            Problem(
                .replicated,
                "Nothing was changed, because another server on this host replicates '\(name)'. Set the text through that server"
                    + (url.map { " (on this host, \($0))" } ?? "")
                    + ". If no server will replicate it again, ask an operator to run 'sharedmem release \(name)'.")
        case .noSpace:
            Problem(
                .noSpace,
                "The server's tmpfs is full, and nothing was set. Free memory there, then send the text again.")
        case .busy: .unavailable("The segment is busy. Try again.")
        default:
            Problem(
                .internalError,
                "The server cannot use the segment, which may be damaged. Inspect it on the server's host.")
        }
    }
}

extension Problem {
    /// Why bytes cannot be text; nil if they can.
    static func checking(_ text: [UInt8]) -> Problem? {
        do throws(SegmentError) {
            try Segment.check(utf8: text.span)
            return nil
        } catch {
            return error.problem
        }
    }

    /// Why a body was not kept.
    static func bodyNotKept(_ fault: RequestBody.Fault) -> Problem {
        switch fault {
        case .tooLong(0): .uselessBody
        case .tooLong(let capacity): .tooLong(capacity: capacity)
        case .noMemory: .tooMuchInFlight
        }
    }

    static func malformedEntityTag(in header: HeaderName) -> Problem {
        let name = header.rawValue
        return .malformed(
            "\(name) contains a malformed entity tag. Send the version in quotes, as in the ETag of a response: "
                + "\(name): \"bf51aad6d45c6afb-1\".")
    }
    static var malformedWait: Problem { .malformed("Prefer: wait takes whole seconds, such as wait=25.") }
    static var noLength: Problem {
        .malformed("A PUT over HTTP/1.0 needs a Content-Length: without one, it would set the empty text.")
    }
    static var notReady: Problem {
        .unavailable("A segment is not attached, or its text is not known to be current. Try again.")
    }
    static var unattached: Problem { .unavailable("The server is not attached to the segment. Try again.") }
    static var tooMuchInFlight: Problem { .unavailable("The server has no memory left for text in flight. Try again.") }
    static var draining: Problem { .unavailable("The server is shutting down. Try again later.") }
}
