import HTTPClient
import LinuxSystem

/// Where a replica's text comes from, and where the PUTs of its clients go: another server, or etcd.
protocol ReplicaSource: Sendable {
    /// What answers to clients call it, as the first word of a sentence.
    var noun: String { get }
    /// The server that is asked now.
    var current: ServerURL { get }

    /// Makes the next server the current one.
    func advance()

    /// Follows the current server until that has to begin again, there or elsewhere.
    func follow(_ replica: Replica, _ log: ServerLog, until end: borrowing EventDescriptor) throws(FollowEnd)

    func makeWriter(_ replica: Replica) -> any ReplicaWriter
}

/// Why following a server has ended.
struct FollowEnd: Error {
    let reason: String
    /// Whether that is no fault of the server.
    var isTriedAgain = false

    static let again = FollowEnd(reason: "begins again", isTriedAgain: true)

    /// Turns a fault of the connection into the reason to leave the server.
    static func from<Value>(_ call: () throws(HTTPFault) -> Value) throws(FollowEnd) -> Value {
        do throws(HTTPFault) {
            return try call()
        } catch {
            throw FollowEnd(reason: "does not answer: \(error)")
        }
    }
}
