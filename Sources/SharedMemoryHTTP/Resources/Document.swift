import HTTPMessages
import MicroHTTPD

/// A resource that never changes while the server runs.
struct Document: Sendable {
    private let entityTag: EntityTag
    private let response: Response
    private let notModified: Response

    /// - Parameters:
    ///   - fields: those that describe the content.
    ///   - vary: what else the answer at this path depends on.
    init(_ content: [UInt8], _ fields: [ResponseField], vary: String? = nil) {
        (response, notModified) = (Response(content), Response(content))
        entityTag = EntityTag(opaque: Self.fingerprint(content))
        for field in fields { response.add(field.name, field.value) }
        for response in [response, notModified] {
            response.add(.cacheControl, "no-cache")
            if let vary { response.add(.vary, vary) }
            response.add(.entityTag, entityTag)
        }
    }

    func read(_ conditions: Conditions) -> Reply {
        .read(response, notModified, conditions, entityTag, lastModified: nil)
    }

    /// FNV-1a, 64 bits: different for each release, which is all that is needed.
    private static func fingerprint(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}

extension Document {
    /// The contract, `openapi.yaml`.
    static let contract = Document(PackageResources.openapi_yaml, [ResponseField(.contentType, "application/yaml")])
}
