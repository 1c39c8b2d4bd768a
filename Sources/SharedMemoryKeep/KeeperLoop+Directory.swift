import LinuxSystem
import SharedMemory

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

    /// Looks at a segment's name if a version is of another segment than the one that is known.
    func lookAtName(of segment: KeptSegment, for version: Version) {
        guard let source = segment.source as? ScannedSource, source.glance?.instance != version.instance else { return }
        follow(segment.name, source.glanceByName())
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
        var hadOlder = false
        removeEach(&left) { archive, instance throws(SystemError) in
            if try archive.removeOlder(except: instance) { hadOlder = true }
        }
        if hadOlder {
            PausePoint.keepRemovedOlder.reached()
            removeEach(&left, thenSynchronizing: true) { _, _ in }
        }
        removeEach(&left, thenSynchronizing: true) { archive, instance throws(SystemError) in
            try archive.removeNewest(except: instance)
            PausePoint.keepRemovedNewest.reached()
        }
        PausePoint.keepForgotten.reached()
        for (segment, instance) in left {
            segment.archive.noteRemoved(except: instance)
            segment.removal?.end()
            segment.removal = nil
            if instance == nil, segment.archive.isEmpty { leave(segment) } else { tell(segment) }
        }
    }

    /// Takes a step for each segment, and leaves those out for which it fails.
    private func removeEach(
        _ left: inout [(segment: KeptSegment, instance: UInt64?)], thenSynchronizing synchronizes: Bool = false,
        _ step: (Archive, UInt64?) throws(SystemError) -> Void
    ) {
        func fail(_ segment: KeptSegment, _ error: SystemError) {
            segment.removal?.fail(KeepFailure(error))
            self.fail(segment, KeepFailure(error))
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
        guard synchronizes, !left.isEmpty else { return }
        do throws(SystemError) {
            try storage.synchronize()
        } catch {
            for (segment, _) in left { fail(segment, error) }
            left = []
        }
    }
}
