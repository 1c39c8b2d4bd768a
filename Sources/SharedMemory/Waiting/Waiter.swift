import Synchronization

/// Lets one task wait, once, until a thread resumes it; the thread may be first.
final class Waiter: Sendable {
    private enum State {
        case isFree
        case waits(CheckedContinuation<Void, Never>)
        case mayGoOn
    }

    private let state = Mutex(State.isFree)

    func wait() async {
        await withCheckedContinuation { continuation in
            let mayGoOn = state.withLock { state in
                if case .mayGoOn = state { return true }
                state = .waits(continuation)
                return false
            }
            if mayGoOn { continuation.resume() }
        }
    }

    func resume() {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { state = .mayGoOn }
            if case .waits(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume()
    }
}
