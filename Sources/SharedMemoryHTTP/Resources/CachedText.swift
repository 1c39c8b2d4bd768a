import SharedMemory

/// The response to whoever reads one version: made once, queued for everyone.
struct CachedText: ~Copyable {
    let version: Version
    let entityTag: EntityTag
    /// Seconds since 1970.
    let lastModified: Int64
    let response: Response

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
        guard let response = unsafe Response(borrow.text.bytes, of: budget) else { return nil }
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-cache")
        response.add(.contentTypeOptions, "nosniff")
        response.add(.entityTag, entityTag.quoted)
        response.add(.lastModified, HTTPDate.format(lastModified))
        self.response = response
    }
}
