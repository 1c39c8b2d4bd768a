import HTTPMessages
package import SharedMemory

/// The two keys of a name: the text, and the write id of the PUT that set it.
///
/// Both are set in one transaction, so they have the same revision, unless somebody sets one by hand.
package struct EtcdKeys: Sendable {
    /// In Base64.
    let text, write, start, end: String

    package init(prefix: String, name: String) {
        let place = "\(prefix)/\(name)"
        text = Base64.encode("\(place)/text".utf8)
        write = Base64.encode("\(place)/write".utf8)
        start = Base64.encode("\(place)/".utf8)
        // The character after the slash.
        end = Base64.encode("\(place)0".utf8)
    }
}

/// The text that etcd has, and its version.
package struct EtcdText: Equatable, Sendable {
    /// The write id and the revision.
    ///
    /// The write id is 0 if the text was set by hand; both are 0 if there is no text.
    package let version: Version
    package let text: [UInt8]

    package static let none = EtcdText(version: Version(instance: 0, number: 0), text: [])
}

/// What etcd answers about the text.
package struct EtcdState: Equatable, Sendable {
    /// The cluster's id, which is another one after a restore with another token.
    package let cluster: String
    /// etcd's revision, across all its keys, when it answered.
    package let revision: UInt64
    package let current: EtcdText
}

/// What a transaction has done.
package enum EtcdOutcome: Equatable, Sendable {
    case set(Version)
    /// Nothing was set, because the current version is not the one to replace.
    case notSet(EtcdState)
}

/// A change that a watch reports.
package enum EtcdChange: Equatable, Sendable {
    case text(EtcdText)
    case deleted
}

// MARK: JSON

extension EtcdState {
    init(header: JSONValue, keyValues: [JSONValue], _ keys: EtcdKeys) throws(EtcdFault) {
        guard let cluster = header["cluster_id"]?.string, let revision = header["revision"]?.integer(UInt64.self) else {
            throw .malformed(reason: "an answer has no cluster or no revision")
        }
        (self.cluster, self.revision) = (cluster, revision)
        current = try EtcdText(keyValues, keys) ?? .none
    }
}

extension EtcdText {
    /// - Parameter keyValues: both keys, or one of them.
    /// - Returns: nil if the key with the text is not among them.
    init?(_ keyValues: [JSONValue], _ keys: EtcdKeys) throws(EtcdFault) {
        guard let text = keyValues.first(where: { $0["key"]?.string == keys.text }) else { return nil }
        guard let revision = text["mod_revision"]?.integer(UInt64.self), let bytes = Base64.decode(of: text["value"])
        else { throw .malformed(reason: "a key has no revision or no value") }
        let write = keyValues.first { $0["key"]?.string == keys.write && $0["mod_revision"] == text["mod_revision"] }
        let id = write.flatMap { Base64.decode(of: $0["value"]) }.flatMap(UInt64.init(writeID:)) ?? 0
        self.init(version: Version(instance: id, number: revision), text: bytes)
    }
}

extension EtcdChange {
    /// The changes of the text among those that a watch reports at a time.
    static func list(_ events: [JSONValue], _ keys: EtcdKeys) throws(EtcdFault) -> [EtcdChange] {
        let keyValues = events.compactMap { $0["type"] == nil || $0["type"]?.string == "PUT" ? $0["kv"] : nil }
        var changes: [EtcdChange] = []
        for event in events {
            guard let keyValue = event["kv"], keyValue["key"]?.string == keys.text else { continue }
            if event["type"]?.string == "DELETE" {
                changes.append(.deleted)
            } else {
                // A transaction's events have one revision.
                let siblings = keyValues.filter { $0["mod_revision"] == keyValue["mod_revision"] }
                try EtcdText(siblings, keys).map { changes.append(.text($0)) }
            }
        }
        return changes
    }
}

extension UInt64 {
    /// Sixteen lowercase hexadecimal digits.
    package var writeID: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// - Returns: nil if this is no write id.
    package init?(writeID bytes: [UInt8]) {
        self.init(String(decoding: bytes, as: UTF8.self), radix: 16)
        guard Array(writeID.utf8) == bytes else { return nil }
    }
}

extension Base64 {
    /// Of a field of Protocol Buffers, which is left out if it is empty.
    fileprivate static func decode(of value: JSONValue?) -> [UInt8]? {
        guard let value else { return [] }
        return value.string.flatMap { decode($0) }
    }
}
