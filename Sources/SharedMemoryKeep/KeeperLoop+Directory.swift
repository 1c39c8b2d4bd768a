import LinuxSystem
import SharedMemory
import Synchronization

/// Segments that appear in a directory that is kept whole, or disappear from it.
extension KeeperLoop {
    /// Goes on with what a name leads to now.
    func follow(_ name: String, _ glance: SegmentGlance?) {
        guard let options = settings.wholeDirectory else { return }
        guard let segment = segments[name] ?? makeSegment(name, glance, options) else { return }
        guard let source = segment.source as? ScannedSource, glance !== source.glance else { return }
        if let before = source.follow(glance) {
            segment.archive.beginAnew()
            scan.remember(name, before)
        }
        if glance == nil, segment.archive.isEmpty { leave(segment) } else { markStale(segment) }
    }

    private func makeSegment(_ name: String, _ glance: SegmentGlance?, _ options: AttachmentOptions) -> KeptSegment? {
        guard glance != nil else { return nil }
        let archive = Archive(newNamed: name, storage, limit: settings.versionCount)
        let segment = KeptSegment(archive, ScannedSource(name, options, settings.report))
        add(segment)
        return segment
    }

    /// The segment of a version that was set under a name, which may have come a moment ago; nil if it is not kept.
    func segment(_ name: String, of version: Version) -> KeptSegment? {
        let source = segments[name]?.source as? ScannedSource
        if let options = settings.wholeDirectory, source?.glance?.instance != version.instance {
            follow(name, (source ?? ScannedSource(name, options, settings.report)).glanceByName())
        }
        return segments[name]
    }

    /// Removes what is kept of a segment that was unlinked, and of those that had its name before.
    func remove(_ name: String, _ call: (@Sendable (KeepOutcome) -> Void)?) {
        if let source = segments[name]?.source as? ScannedSource { follow(name, source.glanceByName()) }
        if let segment = segments[name] { beginRemoval(of: segment, call) } else { call?(.kept) }
    }

    private func beginRemoval(of segment: KeptSegment, _ call: (@Sendable (KeepOutcome) -> Void)? = nil) {
        segment.removal = segment.removal ?? KeepRemoval()
        if let call { segment.removal?.add(call) }
        markStale(segment)
    }

    /// Looks at the headers of all segments.
    func lookAtAll() {
        let (changed, unlinked) = scan.look()
        for name in changed { segments[name].map(markStale) }
        for name in unlinked {
            guard let source = segments[name]?.source as? ScannedSource else { continue }
            if source.isUnlinked { follow(name, source.glanceByName()) }
            if let segment = segments[name], !source.isUnlinked { beginRemoval(of: segment) }
        }
    }

    /// Removes what is kept of segments that have lost their names, and answers the clients that wait for it.
    ///
    /// The storage is synchronized twice, however many there are.
    func removeFiles(of removed: [KeptSegment]) {
        guard !removed.isEmpty else { return }
        var left: [(segment: KeptSegment, instance: UInt64?)] = removed.map {
            ($0, ($0.source as? ScannedSource)?.glance?.instance)
        }
        // Also if there are none: an older one may have been removed just now, and not be gone from the disk.
        removeEach(&left) { archive, instance throws(SystemError) in
            try archive.removeOlder(except: instance)
            PausePoint.keepRemovedOlder.reached()
        }
        removeEach(&left) { archive, instance throws(SystemError) in
            try archive.removeNewest(except: instance)
            PausePoint.keepRemovedNewest.reached()
        }
        PausePoint.keepForgotten.reached()
        for (segment, instance) in left {
            segment.archive.noteRemoved(except: instance)
            segment.removal?.end()
            segment.removal = nil
            if segment.changedAt == nil { setFailing(segment.name, nil) }
            if instance == nil, segment.archive.isEmpty { leave(segment) } else { tell(segment) }
        }
    }

    /// Takes a step for each segment, synchronizes the storage, and leaves those out for which that fails.
    private func removeEach(
        _ left: inout [(segment: KeptSegment, instance: UInt64?)],
        _ step: (Archive, UInt64?) throws(SystemError) -> Void
    ) {
        func fail(_ segment: KeptSegment, _ error: SystemError) {
            inbox.told.withLock { $0.failures += 1 }
            segment.removal?.fail(KeepFailure(error))
            setFailing(
                segment.name,
                "what is kept of '\(segment.name)', which was removed, cannot be removed from the disk: \(error)")
            tell(segment)
        }
        left = left.filter { segment, instance in
            do throws(SystemError) {
                try step(segment.archive, instance)
                return true
            } catch {
                fail(segment, error)
                return false
            }
        }
        guard !left.isEmpty else { return }
        do throws(SystemError) {
            try storage.synchronize()
        } catch {
            for (segment, _) in left { fail(segment, error) }
            left = []
        }
    }
}
