import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory

/// The response that carries one version, made at most once a second and sent to every client that reads it.
final class CachedText {
    let version: Version
    let entityTag: EntityTag
    private let publicationTime: Timestamp
    private(set) var response: Response
    /// The response of status 304.
    private(set) var notModified: Response
    private let text: TextCopy
    /// The second in the response's date.
    private var second: Int64
    /// Nil if the server follows no other one.
    private let following: Following?

    /// Copies the current text: no pin is held while a client reads it; nil if `budget` does not have that much left.
    ///
    /// - Parameter link: makes the link to the version before a version, if that is kept.
    convenience init?(
        _ segment: Segment, _ budget: ByteBudget, _ following: Following?, link: (Version) -> String?
    ) throws(SegmentError) {
        let (copy, version, time) = try segment.withPublication { (TextCopy($0, budget), $1, $2) }
        self.init(copy, version, time, following, link: link)
    }

    /// Copies a replica's text; nil if `budget` does not have that much left.
    convenience init?(_ shown: Replica.Shown, _ budget: ByteBudget, _ following: Following?) {
        self.init(TextCopy(shown.text.span, budget), shown.version, shown.time, following) { _ in nil }
    }

    private init?(
        _ copy: TextCopy?, _ version: Version, _ time: Timestamp, _ following: Following?, link: (Version) -> String?
    ) {
        guard let copy else { return nil }
        text = copy
        self.version = version
        self.following = following
        entityTag = EntityTag(version)
        publicationTime = time
        second = Clock.realtimeSeconds
        let predecessor = link(version)
        response = Self.response(copy, entityTag, time.lastModified(before: second), predecessor)
        notModified = Self.notModified(copy, entityTag, predecessor)
        addFollowed()
    }

    /// Says how old the text may be, and which servers it came through.
    private func addFollowed() {
        for field in following?.fields ?? [] {
            response.add(field.name, field.value)
            notModified.add(field.name, field.value)
        }
    }

    /// Makes sure that the response has the current date.
    func renewDate(link: (Version) -> String?) {
        let now = Clock.realtimeSeconds
        guard now != second else { return }
        second = now
        let predecessor = link(version)
        response = Self.response(text, entityTag, lastModified, predecessor)
        notModified = Self.notModified(text, entityTag, predecessor)
        addFollowed()
    }

    /// Seconds since 1970; `Int64.max` while no date identifies the text.
    var lastModified: Int64 { publicationTime.lastModified(before: second) }

    /// The responses for a client that was prepared to wait for a change.
    func responses(waitSeconds: Int, link: (Version) -> String?) -> (Response, notModified: Response) {
        let predecessor = link(version)
        let responses = (
            Self.response(text, entityTag, lastModified, predecessor),
            notModified: Self.notModified(text, entityTag, predecessor)
        )
        for response in [responses.0, responses.1] { response.add(.preferenceApplied, "wait=\(waitSeconds)") }
        return responses
    }

    /// - Parameter text: not sent, but its length is.
    static func notModified(_ text: TextCopy, _ entityTag: EntityTag, _ link: String?) -> Response {
        let response = Response(text)
        response.addDate()
        response.add(.cacheControl, "no-cache, no-transform")
        response.add(.vary, "Accept")
        response.add(.entityTag, entityTag)
        if let link { response.add(.link, link) }
        return response
    }

    static func response(
        _ text: TextCopy, _ entityTag: EntityTag, _ lastModified: Int64, _ link: String?
    ) -> Response {
        let response = Response(text)
        response.addDate()
        response.add(.contentType, "text/plain; charset=utf-8")
        // A proxy that compressed the response would alter the tag.
        response.add(.cacheControl, "no-cache, no-transform")
        response.add(.contentTypeOptions, "nosniff")
        response.add(.vary, "Accept")
        response.add(.entityTag, entityTag)
        if lastModified != .max { response.add(.lastModified, HTTPDate.format(lastModified)) }
        if let link { response.add(.link, link) }
        return response
    }
}

extension Timestamp {
    /// The time in seconds since 1970 if its second has passed; else `Int64.max`, which no date in a condition reaches.
    ///
    /// Before that, another change may follow with the same date. And where the clock was ahead, the date of the text may
    /// still be to come.
    func lastModified(before now: Int64) -> Int64 {
        let seconds = Int64(clamping: secondsSince1970)
        return seconds < now ? seconds : .max
    }
}
