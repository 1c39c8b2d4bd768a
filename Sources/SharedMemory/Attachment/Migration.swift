internal import Glibc
import LinuxSystem

extension Segment {
    /// Moves a persistent segment of layout version 1, which earlier versions of this library have created, to this version's
    /// layout.
    ///
    /// The new segment has the name, the text and its version, the capacity and the mode of the old one, and its owner and
    /// group as far as the caller may give a file to them. Without the group, the group's permissions are taken away.
    ///
    /// No process may be attached. The new segment takes the old one's name in a single step, when it is complete: if this
    /// fails, or the process is killed, the name leads to the one or to the other. In the directory, a killed process can leave
    /// a hidden file, which the next migration of the segment removes.
    ///
    /// - Returns: false if the segment has this version's layout already.
    /// - Throws: ``SegmentError/stillAttached(name:)``; ``SegmentError/leftover(name:directory:)`` if the segment was to last
    ///   only while processes are attached; ``SegmentError/notFound(name:directory:found:)``,
    ///   ``SegmentError/otherLayout(path:version:ownVersion:)``, ``SegmentError/notASegment(path:reason:)``,
    ///   ``SegmentError/otherKernel(path:)``, ``SegmentError/untrustedOwner(path:owner:)``,
    ///   ``SegmentError/corrupted(path:reason:)``, ``SegmentError/noSpace(path:byteCount:)``,
    ///   ``SegmentError/fileSizeLimit(limit:needed:)``, ``SegmentError/system(call:code:)``, and
    ///   ``SegmentError/busy(doing:)`` if other processes were in the way for a second.
    @discardableResult
    public static func migrate(
        _ name: String, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) -> Bool {
        let file = try SegmentFile(named: name, in: directory)
        let options = AttachmentOptions(creates: false, trustedOwners: trustedOwners)
        let deadline = Clock.coarseMilliseconds + 1000
        repeat {
            guard let open = try OpenFile.open(file, options, forUnlinking: true) else { throw file.notFound }
            if open.identity.layoutVersion != FirstLayout.version {
                try open.identity.checkUse(open.status, file.path)
                guard try open.isAlive() else { throw try open.absence() }
                return false
            }
            if try open.migrate() { return true }
            BackgroundThread.pause()
        } while Clock.coarseMilliseconds < deadline
        throw .busy(doing: "migrating '\(name)'")
    }
}

extension OpenFile {
    /// Replaces this file of layout version 1.
    ///
    /// - Returns: false if another process was in the way.
    fileprivate func migrate() throws(SegmentError) -> Bool {
        try identity.checkFirstLayout(status, file.path)
        // From here on, no process can attach: earlier versions of this library have the same lock.
        guard try fromSystem(descriptor.tryLockExclusive(byte: Layout.lifetimeLock)) else {
            guard try fromSystem(descriptor.lockElsewhere(byte: Layout.lifetimeLock)) != .shared else {
                throw .stillAttached(name: file.name.description)
            }
            return false
        }
        // And none can unlink the name, by the law of names.
        guard try fromSystem(descriptor.tryLockExclusive(byte: Layout.nameLock)), try isInDirectory() else {
            return false
        }
        var sticky: UInt32 = 0
        _ = try fromSystem(descriptor.read(into: &sticky, at: FirstLayout.persistentOffset))
        guard identity.lifetime == Lifetime.persistent.rawValue || sticky != 0 else { throw file.leftover }
        PausePoint.migrateLocked.reached()
        let publication = try firstLayoutPublication()
        do throws(SegmentError) {
            do throws(SegmentError) {
                try replace(with: publication, isUnnamedFirst: true)
            } catch .system(_, let code) where [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(code) {
                // As when a segment is created: without /proc, an unnamed file cannot get a name.
                try replace(with: publication, isUnnamedFirst: false)
            }
        } catch .system(let call, let code) where SystemError(call: call, code: code).isOutOfSpace {
            throw .noSpace(path: file.path, byteCount: publication.text.count)
        }
        return true
    }

    /// The text, and what belongs to it.
    private struct Publication {
        /// 0 for the empty text of a segment that was never set.
        var number: UInt64 = 0
        /// Nanoseconds since 1970.
        var time: UInt64 = 0
        var text: [UInt8] = []
    }

    /// Reads the text of a segment of layout version 1, to which no process is attached.
    private func firstLayoutPublication() throws(SegmentError) -> Publication {
        func corrupted(_ reason: String) -> SegmentError { .corrupted(path: file.path, reason: reason) }
        var word: UInt64 = 0
        _ = try fromSystem(descriptor.read(into: &word, at: FirstLayout.currentOffset))
        let (number, slot) = (word >> 8, Int(word & 0xff))
        guard number > 0 else { return Publication() }
        guard number <= PublicationWord.maximumNumber else { throw corrupted("the number is \(number)") }
        guard slot < FirstLayout.slotCount else { throw corrupted("the current slot is \(slot)") }
        var header = FirstLayout.SlotHeader()
        _ = try fromSystem(descriptor.read(into: &header, at: FirstLayout.slotHeaderOffset(slot)))
        guard header.stamp == number else { throw corrupted("the current text has another's stamp") }
        guard header.byteCount <= identity.capacity else { throw corrupted("the text has \(header.byteCount) bytes") }
        var text = [UInt8](repeating: 0, count: Int(header.byteCount))
        let offset = FirstLayout.slotOffset(slot, capacity: Int(identity.capacity))
        let result = unsafe text.withUnsafeMutableBytes { buffer in
            Result { () throws(SystemError) in unsafe try descriptor.read(into: buffer, at: offset) }
        }
        guard try fromSystem(result.get()) == text.count else { throw corrupted("the file ends within the text") }
        guard (try? UTF8Span(validating: text.span)) != nil, !text.contains(0) else {
            throw corrupted("the text is not UTF-8 without U+0000")
        }
        return Publication(number: number, time: header.publicationTime, text: text)
    }

    /// Builds a segment with this text, and has it take this file's name, for which this file's name byte is locked.
    private func replace(with publication: Publication, isUnnamedFirst: Bool) throws(SegmentError) {
        // No segment can have this name. One process at a time uses it: the one that has locked this file.
        let temporaryPath = "\(file.directory)/.\(file.name).migrating"
        try? Directory.unlink(temporaryPath)
        let new =
            if isUnnamedFirst {
                try fromSystem(FileDescriptor.createUnnamed(in: file.directory))
            } else {
                try fromSystem(FileDescriptor.createNew(temporaryPath))
            }
        do throws(SegmentError) {
            try build(publication, in: new)
            PausePoint.migrateBuilt.reached()
            if isUnnamedFirst { try fromSystem(new.link(to: temporaryPath)) }
            PausePoint.migrateNamed.reached()
            try fromSystem(Directory.rename(temporaryPath, over: file.path))
        } catch {
            try? Directory.unlink(temporaryPath)
            throw error
        }
        PausePoint.migrateReplaced.reached()
    }

    private func build(_ publication: Publication, in new: borrowing FileDescriptor) throws(SegmentError) {
        let old = try fromSystem(descriptor.status())
        let geometry = Geometry(capacity: Int(identity.capacity))
        // The same instance, and below the same number: text that has not changed keeps its version.
        let newIdentity = try Identity(
            geometry, .persistent, instance: identity.instance, creationTime: identity.creationTime,
            try fromSystem(new.status()))
        try Self.lay(out: newIdentity, mode: old.mode, in: new, file)
        if publication.number > 0 { try write(publication, to: new, geometry) }
        // The owner first, with the group: only root may change both, and an owner the group.
        var mode = old.mode
        if (try? new.setOwner(old.owner, group: old.group)) == nil, (try? new.setOwner(group: old.group)) == nil {
            mode &= ~0o070
        }
        try fromSystem(new.setMode(mode))
    }

    /// Writes the text to the first slot of a new segment, and makes it the current one.
    private func write(
        _ publication: Publication, to new: borrowing FileDescriptor, _ geometry: Geometry
    ) throws(SegmentError) {
        let byteCount = publication.text.count
        let reserved = Layout.roundedToPage(byteCount)
        let offset = geometry.slotOffset(0)
        // In pieces, as in Claim.reserve(_:in:).
        for start in stride(from: 0, to: reserved, by: 1 << 20) {
            guard try fromSystem(new.reserve(offset + start..<offset + min(start + 1 << 20, reserved))) else {
                throw .noSpace(path: file.path, byteCount: byteCount)
            }
        }
        let result = unsafe publication.text.withUnsafeBytes { bytes in
            Result { () throws(SystemError) in unsafe try new.write(bytes, at: offset) }
        }
        try fromSystem(result.get())
        let setter = ProcessDescription.current
        let header: InlineArray<8, UInt64> = [
            /* claim: */ 0, /* stamp: */ publication.number, UInt64(byteCount), UInt64(reserved), publication.time,
            setter.process, setter.program[0], setter.program[1],
        ]
        try fromSystem(new.write(header, at: geometry.slotHeadersOffset))
        let current: InlineArray<2, UInt64> = [
            PublicationWord(number: publication.number, slot: 0).rawValue, /* recent: */ UInt64(byteCount),
        ]
        try fromSystem(new.write(current, at: Layout.currentOffset))
    }
}

extension Identity {
    /// Checks the identity of a file of layout version 1, of which only the first line is one.
    fileprivate func checkFirstLayout(_ status: FileStatus, _ path: String) throws(SegmentError) {
        guard features == 0 else {
            throw .notASegment(path: path, reason: "it has features that this library does not know (\(features))")
        }
        guard Lifetime(rawValue: lifetime) != nil, Geometry.possibleCapacities.contains(Int(clamping: capacity)) else {
            throw .notASegment(path: path, reason: "its header is invalid")
        }
        let expected = FirstLayout.fileByteCount(capacity: Int(capacity))
        guard status.byteCount == expected else {
            throw .notASegment(path: path, reason: "it has \(status.byteCount) bytes instead of \(expected)")
        }
        try checkKernel(path)
    }
}
