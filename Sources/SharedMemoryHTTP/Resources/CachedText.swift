import LinuxSystem
import SharedMemory

/// The response to whoever reads one version: made once in a second, queued for everyone.
struct CachedText: ~Copyable {
    let version: Version
    let entityTag: EntityTag
    /// Seconds since 1970.
    let lastModified: Int64
    private(set) var response: Response
    private let text: CountedCopy
    /// Of the response's date.
    private var second: Int64

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
        second = Clock.realtimeSeconds
        response = Self.response(text, entityTag, lastModified, date: second)
    }

    /// Sees to it that the response has the present date. (MHD would make one for each answer, which takes longer than all
    /// else that is done here.)
    mutating func renewDate() {
        let now = Clock.realtimeSeconds
        guard now != second else { return }
        second = now
        response = Self.response(text, entityTag, lastModified, date: now)
    }

    /// The same for one who was ready to wait.
    func response(toWaitOf seconds: Int) -> Response {
        let response = Self.response(text, entityTag, lastModified, date: second)
        response.add(.preferenceApplied, "wait=\(seconds)")
        return response
    }

    private static func response(
        _ text: CountedCopy, _ entityTag: EntityTag, _ lastModified: Int64, date: Int64
    ) -> Response {
        let response = Response(text)
        response.add(.date, HTTPDate.format(date))
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-cache")
        response.add(.contentTypeOptions, "nosniff")
        response.add(.vary, "Accept")
        response.add(.entityTag, entityTag.quoted)
        response.add(.lastModified, HTTPDate.format(lastModified))
        return response
    }
}
