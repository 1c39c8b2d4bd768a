import HTTPMessages
import MicroHTTPD

/// A resource that never changes: the contract, or the answer to a probe.
struct Document: Sendable {
    private let entityTag: EntityTag?
    private let response: Response

    /// The contract, `openapi.yaml`.
    static func contract() -> Document {
        let entityTag = EntityTag(opaque: fingerprint(PackageResources.openapi_yaml))
        let response = Response(PackageResources.openapi_yaml)
        response.add(.contentType, "application/yaml")
        response.add(.cacheControl, "no-cache")
        response.add(.entityTag, entityTag)
        return Document(entityTag: entityTag, response: response)
    }

    /// A line for a probe, which no cache may keep.
    static func probe(_ line: String) -> Document {
        let response = Response(Array("\(line)\n".utf8))
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-store")
        return Document(entityTag: nil, response: response)
    }

    func read(_ conditions: Conditions = Conditions()) -> Reply {
        guard let entityTag else { return .response(.ok, response) }
        return .read(response, conditions, entityTag, lastModified: nil)
    }

    /// FNV-1a, 64 bits: different for each release, which is all that is needed.
    private static func fingerprint(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}

extension Reply {
    /// The reply to a `GET` or `HEAD` under conditions.
    ///
    /// With 304 the response goes without its body, and so with the length that the body would have.
    static func read(
        _ response: Response, _ conditions: Conditions, _ entityTag: EntityTag, lastModified: Int64?
    ) -> Reply {
        switch conditions.verdictForReading(entityTag, lastModified: lastModified) {
        case .proceed: .response(.ok, response)
        case .notModified: .response(.notModified, response)
        case .failed: .problem(.preconditionFailed(current: entityTag))
        }
    }
}
