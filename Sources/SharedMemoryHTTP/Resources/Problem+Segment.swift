import SharedMemory

extension Problem {
    /// What a segment's refusal is to a client.
    init(_ error: SegmentError) {
        switch error {
        case .tooLong(_, let capacity): self = .tooLong(capacity: capacity)
        case .notUTF8(let offset): self = .notText("The byte at offset \(offset) is not UTF-8.", offset: offset)
        case .containsNUL(let offset):
            self = .notText(
                "The character at offset \(offset) is U+0000, where C programs would see the end.", offset: offset)
        case .versionMismatch(let current): self = .preconditionFailed(present: EntityTag(current))
        case .noSpace: self = Problem(type: .noSpace, detail: "No memory is left for the text.")
        case .busy, .tooManyAttached: self = .unavailable("Others were in the way; nothing was set.")
        default: self = Problem(type: .internalError, detail: "The segment can not be used as it is.")
        }
    }

    /// There is no segment to be had at present.
    static var unattached: Problem { .unavailable("The segment is not attached.") }

    /// Texts are being received and sent, and take all the memory that they may.
    static var tooMuchInFlight: Problem {
        .unavailable("As many texts are on their way as the server has memory for.")
    }

    static var tooManyWatches: Problem { .unavailable("As many clients watch as the server has room for.") }

    static var draining: Problem { .unavailable("The server is stopping.") }
}

extension Request {
    func answer(_ problem: Problem) -> Bool { answer(problem.type.status, problem.response()) }
}
