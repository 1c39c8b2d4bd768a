import HTTPMessages
import SharedMemory

/// A segment's entry in the list, as of the last look at the segment's header.
final class ListedSegment {
    let glance: SegmentGlance
    /// When it was last changed, and when it came, in the count of the list's changes.
    private(set) var change: UInt64
    let arrival: UInt64
    /// A JSON object.
    private(set) var json: [UInt8] = []
    /// Tells two states of the segment apart.
    private(set) var fingerprint: UInt64 = 0
    private var version: Version?
    /// The event that announces the change, made for the first subscriber that gets it.
    var event: Event?

    init(_ glance: SegmentGlance, change: UInt64) {
        (self.glance, self.change, arrival) = (glance, change, change)
        encode(glance.version)
    }

    /// Looks at the header.
    ///
    /// - Parameter change: counts a change that is found.
    /// - Returns: whether there is one.
    func refresh(change: @autoclosure () -> UInt64) -> Bool {
        let latest = glance.version
        guard latest != version else { return false }
        encode(latest)
        event = nil
        self.change = change()
        return true
    }

    private func encode(_ version: Version) {
        // Even if the header is damaged: it is not looked at again before the version changes.
        self.version = version
        let publication = try? glance.publication()
        json = Array("{\"name\":\"\(glance.name)\",\"version\":\"\(publication?.info.version ?? version)\"".utf8)
        json += Array(",\"bytes\":\(publication?.info.byteCount ?? 0),\"capacity\":\(glance.capacity)".utf8)
        json += Array(",\"changed\":".utf8)
        if let publication, let setter = publication.setter {
            let milliseconds = publication.info.publicationTime.nanosecondsSince1970 / 1_000_000
            json += Array("\"\(InternetDate.format(millisecondsSince1970: milliseconds))\"".utf8)
            json += Array(",\"setBy\":{\"program\":".utf8)
            json.append(jsonString: setter.program)
            json += Array(",\"processID\":\(setter.processID),\"user\":\(setter.user)}".utf8)
        } else {
            json += Array("null,\"setBy\":null".utf8)
        }
        json += Array(",\"href\":\"/shared/\(glance.name)\"}".utf8)
        fingerprint = json.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
