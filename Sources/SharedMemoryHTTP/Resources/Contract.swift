import HTTPMessages
import MicroHTTPD

/// The contract, `openapi.yaml`: a resource that never changes.
struct Contract: Sendable {
    private let entityTag = EntityTag(opaque: Self.fingerprint(PackageResources.openapi_yaml))
    private let response = Response(PackageResources.openapi_yaml)
    private let notModified = Response(PackageResources.openapi_yaml)

    init() {
        response.add(.contentType, "application/yaml")
        for response in [response, notModified] {
            response.add(.cacheControl, "no-cache")
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
