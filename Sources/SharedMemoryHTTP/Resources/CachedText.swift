import SharedMemory

/// The response to whoever reads one version: made once, queued for everyone.
struct CachedText: ~Copyable {
    let version: Version
    let entityTag: EntityTag
    /// Seconds since 1970.
    let lastModified: Int64
    let response: Response
    private let text: CountedCopy

    /// A copy of the present text: no pin is held for as long as a client takes to read it.
    ///
    /// - Returns: nil when so many texts are on their way that `budget` has no more.
    init?(_ segment: Segment, _ budget: ByteBudget) throws(SegmentError) {
        let borrow = try segment.borrow()
        defer { extendLifetime(borrow) }
        let (version, time) = try segment.identify(borrow)
        self.version = version
        entityTag = EntityTag(version)
        lastModified = Int64(time.secondsSince1970)
        guard let text = unsafe CountedCopy(borrow.text.bytes, budget) else { return nil }
        self.text = text
        response = Self.response(text, entityTag, lastModified)
    }

    /// The same for one who was ready to wait.
    func response(toWaitOf seconds: Int) -> Response {
        let response = Self.response(text, entityTag, lastModified)
        response.add(.preferenceApplied, "wait=\(seconds)")
        return response
    }

    private static func response(_ text: CountedCopy, _ entityTag: EntityTag, _ lastModified: Int64) -> Response {
        let response = Response(text)
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-cache")
        response.add(.contentTypeOptions, "nosniff")
        response.add(.vary, "Accept")
        response.add(.entityTag, entityTag.quoted)
        response.add(.lastModified, HTTPDate.format(lastModified))
        return response
    }
}
