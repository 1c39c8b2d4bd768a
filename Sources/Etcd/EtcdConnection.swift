package import HTTPClient
import HTTPMessages
import LinuxSystem
package import SharedMemory

/// A connection to a member, over etcd's JSON gateway.
///
/// It sends no transaction twice. For one thread.
package final class EtcdConnection {
    private let http: HTTPConnection
    private let member: ServerURL
    private let cluster: EtcdCluster

    /// Above what etcd sends at once.
    static let answerLimit = 64 << 20
    private static let pieceMilliseconds = 1000
    /// Of the clocks, in milliseconds.
    private static let tolerance = 100

    init(_ http: HTTPConnection, to member: ServerURL, of cluster: EtcdCluster) {
        (self.http, self.member, self.cluster) = (http, member, cluster)
    }

    package var limits: ClientLimits { http.limits }

    package var isOpen: Bool { http.isOpen }

    /// The text as all members agree that it is.
    package func read(_ keys: EtcdKeys) throws(EtcdFault) -> EtcdState {
        let answer = try call("/v3/kv/range", "{\"key\":\"\(keys.start)\",\"range_end\":\"\(keys.end)\"}")
        return try EtcdState(header: answer["header"] ?? .null, keyValues: answer["kvs"]?.array ?? [], keys)
    }

    /// The version of the text, which itself is not sent.
    package func readVersion(_ keys: EtcdKeys) throws(EtcdFault) -> EtcdState {
        let text = "{\"request_range\":{\"key\":\"\(keys.text)\",\"keys_only\":true}}"
        let write = "{\"request_range\":{\"key\":\"\(keys.write)\"}}"
        let answer = try call("/v3/kv/txn", "{\"success\":[\(text),\(write)]}")
        guard let ranges = answer["responses"]?.array, ranges.count == 2 else {
            throw .malformed(reason: "a transaction of two has not two answers")
        }
        let keyValues = ranges.flatMap { $0["response_range"]?["kvs"]?.array ?? [] }
        return try EtcdState(header: answer["header"] ?? .null, keyValues: keyValues, keys)
    }

    /// Sets the text, if that of `base` is still the current one.
    package func set(
        _ keys: EtcdKeys, _ text: [UInt8], id: UInt64, replacing base: Version
    ) throws(EtcdFault) -> EtcdOutcome {
        let answer = try call("/v3/kv/txn", Self.transaction(keys, text, id: id, replacing: base))
        let header = answer["header"] ?? .null
        if answer["succeeded"] == .bool(true) {
            guard let revision = header["revision"]?.integer(UInt64.self) else {
                throw .malformed(reason: "a transaction has no revision")
            }
            return .set(Version(instance: id, number: revision))
        }
        guard let range = answer["responses"]?.array?.first?["response_range"] else {
            throw .malformed(reason: "a transaction that failed does not show the text")
        }
        return .notSet(try EtcdState(header: header, keyValues: range["kvs"]?.array ?? [], keys))
    }

    /// etcd ignores names that it does not know, and a transaction that compares nothing always succeeds.
    static func transaction(_ keys: EtcdKeys, _ text: [UInt8], id: UInt64, replacing base: Version) -> String {
        func encoded(_ id: UInt64) -> String { Base64.encode(id.writeID.utf8) }
        let revision = "{\"key\":\"\(keys.text)\",\"target\":\"MOD\",\"mod_revision\":\"\(base.number)\"}"
        let comparison =
            if base.number == 0 {
                "{\"key\":\"\(keys.text)\",\"target\":\"CREATE\",\"create_revision\":\"0\"}"
            } else if base.instance == 0 {
                revision
            } else {
                "\(revision),{\"key\":\"\(keys.write)\",\"target\":\"VALUE\",\"value\":\"\(encoded(base.instance))\"}"
            }
        let puts = [(keys.text, Base64.encode(text)), (keys.write, encoded(id))].map {
            "{\"request_put\":{\"key\":\"\($0)\",\"value\":\"\($1)\"}}"
        }
        return """
            {"compare":[\(comparison)],"success":[\(puts[0]),\(puts[1])],\
            "failure":[{"request_range":{"key":"\(keys.start)","range_end":"\(keys.end)"}}]}
            """
    }

    /// Watches the text from a revision on.
    ///
    /// Nothing else can be asked over this connection afterwards.
    package func watch(_ keys: EtcdKeys, from revision: UInt64) throws(EtcdFault) -> EtcdWatch {
        let body = """
            {"create_request":{"key":"\(keys.start)","range_end":"\(keys.end)","start_revision":"\(revision)"}}
            """
        try send("/v3/watch", Array(body.utf8), token: cluster.token)
        return EtcdWatch(http, keys)
    }

    // MARK: Exchanges

    private func call(_ path: String, _ body: String) throws(EtcdFault) -> JSONValue {
        let (body, token) = (Array(body.utf8), cluster.token)
        let milliseconds = limits.deadline - Clock.coarseMilliseconds
        do throws(EtcdFault) {
            return try exchange(path, body, token: token)
        } catch let error where error.asksForLogin || (error.isForPermission && token == nil && cluster.hasUser) {
            // A member with --client-cert-auth takes a request without a token for one of its own gateway's, and denies
            // permission.
            // What lacked a token was not carried out. It has its time again, once the login has.
            limits.renew(timeoutMilliseconds: milliseconds)
            try cluster.logIn(at: member, insteadOf: token, limits)
            limits.renew(timeoutMilliseconds: milliseconds)
            return try exchange(path, body, token: cluster.token)
        }
    }

    func exchange(_ path: String, _ body: [UInt8], token: String?) throws(EtcdFault) -> JSONValue {
        try send(path, body, token: token)
        guard let answer = JSONValue(try readAll()) else { throw .malformed(reason: "it is not JSON") }
        return answer
    }

    private func send(_ path: String, _ body: [UInt8], token: String?) throws(EtcdFault) {
        guard http.isReusable else { throw .http(.unreachable(reason: "the member has ended the connection")) }
        var request = HTTPRequest("POST", path)
        request.add("Content-Type", "application/json")
        // A member that loses the others ends a watch then, instead of falling silent.
        request.add("Grpc-Metadata-hasleader", "true")
        if let token { request.add("Authorization", token) }
        request.body = body
        let response = try timely { () throws(HTTPFault) in try http.exchange(request) }
        if response.status != 200 { throw EtcdFault(response.status, try readAll()) }
    }

    /// A long answer takes its time, so each piece of it has a time limit of its own.
    private func readAll() throws(EtcdFault) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            limits.renew(timeoutMilliseconds: Self.pieceMilliseconds)
            let piece = try timely { () throws(HTTPFault) in try http.readSome() }
            if piece.isEmpty { return all }
            all += piece
            guard all.count <= Self.answerLimit else { throw .malformed(reason: "it is too long") }
        }
    }

    /// Throws if the process was stopped meanwhile: an answer that it reads late may be of a history that is over.
    private func timely<Value>(_ exchange: () throws(HTTPFault) -> Value) throws(EtcdFault) -> Value {
        let begun = Clock.boottimeMilliseconds
        let allowed = max(0, limits.deadline - Clock.coarseMilliseconds) + Self.tolerance
        do throws(HTTPFault) {
            let value = try exchange()
            if Clock.boottimeMilliseconds - begun > allowed { throw HTTPFault.timedOut }
            return value
        } catch {
            throw .http(error)
        }
    }
}

/// The changes of the text, as etcd reports them.
package struct EtcdWatch: ~Copyable {
    private let http: HTTPConnection
    private let keys: EtcdKeys
    private var line: [UInt8] = []
    /// Whether etcd has begun to watch.
    package private(set) var isCreated = false

    init(_ http: HTTPConnection, _ keys: EtcdKeys) { (self.http, self.keys) = (http, keys) }

    package var limits: ClientLimits { http.limits }

    /// What arrives next: perhaps nothing yet, if a long text is on its way.
    ///
    /// If this throws ``HTTPFault/timedOut`` or ``HTTPFault/interrupted``, nothing is lost, and it can be called again.
    package mutating func read() throws(EtcdFault) -> [EtcdChange] {
        let bytes: [UInt8]
        do throws(HTTPFault) {
            bytes = try http.readSome()
        } catch {
            throw .http(error)
        }
        guard !bytes.isEmpty else {
            // An error at the end has no end of its line.
            if !line.isEmpty { _ = try changes(in: line) }
            throw .http(.ended(reason: "by the member"))
        }
        var changes: [EtcdChange] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            line += rest[..<end]
            changes += try self.changes(in: line)
            line = []
            rest = rest[(end + 1)...]
        }
        line += rest
        guard line.count <= EtcdConnection.answerLimit else { throw .malformed(reason: "a line is too long") }
        return changes
    }

    private mutating func changes(in line: [UInt8]) throws(EtcdFault) -> [EtcdChange] {
        guard let message = JSONValue(line) else { throw .malformed(reason: "a line is not JSON") }
        guard let result = message["result"] else { throw EtcdFault(200, message) }
        if result["canceled"] == .bool(true) {
            throw .canceled(
                isCompacted: result["compact_revision"] != nil,
                reason: result["cancel_reason"]?.string ?? "it gives no reason")
        }
        if result["created"] == .bool(true) { isCreated = true }
        return try EtcdChange.list(result["events"]?.array ?? [], keys)
    }
}
