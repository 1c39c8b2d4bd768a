import LinuxSystem
import SharedMemory

/// A segment that is kept because it is in a directory that is kept whole.
///
/// There may be thousands: the source needs no descriptor and no thread. Its keeper looks at the header from time to time,
/// and attaches for as long as it takes to write the text.
final class ScannedSource: KeepSource {
    private let name: String
    private let options: AttachmentOptions
    private let report: (String) -> Void
    /// What the name leads to; nil if that is no segment.
    private(set) var glance: SegmentGlance?
    /// The version at the last look.
    private var seen: Version?
    /// Whether the text is left alone, because the server can only read it.
    private var isReadOnly = false

    init(_ name: String, _ options: AttachmentOptions, _ report: @escaping (String) -> Void) {
        (self.name, self.options, self.report) = (name, options.forKeeping, report)
    }

    /// Goes on with what the name leads to now.
    ///
    /// - Returns: what it led to before, if that was another segment.
    func follow(_ glance: SegmentGlance?) -> SegmentGlance? {
        guard glance !== self.glance else { return nil }
        let before = self.glance
        (self.glance, seen, isReadOnly) = (glance, nil, false)
        // A segment that was migrated to another layout is the same one, in another file.
        return before?.instance == glance?.instance ? nil : before
    }

    /// What the name leads to now, by a look at the name.
    func glanceByName() -> SegmentGlance? {
        if let glance, !glance.hasLostName { return glance }
        return try? SegmentGlance(name, directory: options.directory, trustedOwners: options.trustedOwners)
    }

    /// Whether there is a version that the keeper has not seen: some loads, which is all that most segments need.
    var hasNews: Bool {
        guard let glance, !isReadOnly else { return false }
        return glance.version != seen
    }

    /// Whether the library has unlinked the segment, which nothing may have announced yet.
    var isUnlinked: Bool { glance?.isRetired ?? false }

    func look() throws(SegmentError) -> Version {
        guard let glance else { throw .unlinked(name: name) }
        let version = glance.version
        seen = version
        return version
    }

    /// The scan sees the next version.
    func announce(after version: Version, _ call: @escaping @Sendable () -> Void) -> Bool { true }

    func stopAnnouncing() {}

    /// Attaches, which makes the segment persistent: it outlives the host's next start, and so its processes.
    func open(_ storage: DiskStorage) throws(KeepFailure) -> Segment? {
        guard let glance, !isReadOnly else { return nil }
        do throws(SegmentError) {
            let segment = try Segment.attach(name, options)
            return try segment.version.instance == glance.instance ? segment : nil
        } catch .notFound {
            return nil
        } catch .leftover {
            return nil
        } catch  where error.isForWantOfRights {
            isReadOnly = true
            report("'\(name)' is not kept on disk, because this server can only read it: \(error)")
            return nil
        } catch {
            throw KeepFailure(reason: "\(error)")
        }
    }

    var nextLook: Int { .max }
}
