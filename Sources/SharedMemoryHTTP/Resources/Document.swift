/// A resource that never changes: the contract, or that the server is alive.
struct Document: ~Copyable {
    private let entityTag: EntityTag?
    private let response: Response

    /// The contract, `openapi.yaml`, as it stands.
    static func contract() -> Document {
        let entityTag = EntityTag(opaque: fingerprint(PackageResources.openapi_yaml))
        let response = Response(PackageResources.openapi_yaml)
        response.add(.contentType, "application/yaml")
        response.add(.cacheControl, "no-cache")
        response.add(.entityTag, entityTag.quoted)
        return Document(entityTag: entityTag, response: response)
    }

    /// A line for a probe, never to be kept.
    static func probe(_ line: StaticString) -> Document {
        let response = Response("\(line)\n")
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-store")
        return Document(entityTag: nil, response: response)
    }

    func read(_ request: Request, isConditional: Bool) -> Bool {
        guard isConditional, let entityTag else { return request.answer(.ok, response) }
        switch Preconditions(request, entityTag: entityTag, lastModified: nil).verdict(isRead: true) {
        case .proceed: return request.answer(.ok, response)
        case .notModified: return request.answer(.notModified, response)
        case .failed: return request.answer(.preconditionFailed(present: entityTag))
        }
    }

    /// FNV-1a, 64 bits: it is only to differ between releases.
    private static func fingerprint(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}
