@testable import HTTPMessages

extension String {
    /// The text as the bytes of a message.
    var bytes: [UInt8] { Array(utf8) }
}

extension RequestHead {
    /// Reads a whole head: the headers, then the end.
    static func reading(
        _ headers: KeyValuePairs<String, String>, _ policy: AccessPolicy = AccessPolicy(),
        isHTTP10: Bool = false, isIntact: Bool = true
    ) -> RequestHead {
        reading(headers.map { ($0.bytes, $1.bytes) }, policy, isHTTP10: isHTTP10, isIntact: isIntact)
    }

    static func reading(
        _ headers: [(name: [UInt8], value: [UInt8])], _ policy: AccessPolicy = AccessPolicy(),
        isHTTP10: Bool = false, isIntact: Bool = true
    ) -> RequestHead {
        var head = RequestHead(policy, isIntact: isIntact)
        for (name, value) in headers { head.add(name: name.span, value: value.span, policy) }
        head.finish(isHTTP10: isHTTP10)
        return head
    }
}

extension Conditions {
    /// Reads headers, each of which is one of the four conditions.
    static func reading(_ headers: [(HeaderName, String)]) -> Conditions {
        var conditions = Conditions()
        for (name, value) in headers { conditions.add(name, value.bytes.span) }
        return conditions
    }
}
