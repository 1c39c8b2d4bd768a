import HTTPMessages
import MicroHTTPD
import Synchronization

/// The answer to a request that is held until the disk, or another server, is done with it.
///
/// The keeper's thread, or the one that passes on PUTs, gives it; then the connection's own thread takes it.
final class AwaitedAnswer: Sendable {
    enum Answer: Sendable {
        case response(Status, Response)
        case problem(Problem)

        var reply: Reply {
            switch self {
            case .response(let status, let response): .response(status, response)
            case .problem(let problem): .problem(problem)
            }
        }
    }

    private let answer = Mutex<Answer?>(nil)

    /// Nil while there is none.
    var reply: Reply? { answer.withLock { $0 }?.reply }

    func give(_ answer: Answer) { self.answer.withLock { $0 = answer } }
}

extension Service {
    /// Whether an action is answered only once the disk, or another server, is done with it.
    func isAnsweredLater(_ action: Action) -> Bool {
        switch action {
        case .put(let resource, _): keepsBeforeAnswering || resource.following != nil
        case .create, .delete: keepsBeforeAnswering
        case .readKept, .readConsistently: true
        default: false
        }
    }

    /// Holds a request until its answer is given; replies with that when the request is resumed.
    ///
    /// - Parameter begin: has the answer given, and returns what to do meanwhile.
    func answerLater(_ pending: PendingRequest, _ begin: (AwaitedAnswer) -> Reply) -> Reply {
        if let reply = pending.awaitedAnswer?.reply { return reply }
        let answer = AwaitedAnswer()
        pending.awaitedAnswer = answer
        return begin(answer)
    }
}
