import HTTPMessages
import MicroHTTPD
import SharedMemory

/// The outcome of a PUT.
enum SetOutcome {
    case set(Version)
    case created(Version, path: String)
    case refused(Problem)

    /// The version that was set.
    var version: Version? {
        switch self {
        case .set(let version), .created(let version, _): version
        case .refused: nil
        }
    }

    var answer: AwaitedAnswer.Answer {
        let response = Response()
        if let version { response.add(.entityTag, EntityTag(version)) }
        switch self {
        case .set: return .response(.noContent, response)
        case .created(_, let path):
            response.add(.location, path)
            return .response(.created, response)
        case .refused(let problem): return .problem(problem)
        }
    }

    var reply: Reply { answer.reply }
}
