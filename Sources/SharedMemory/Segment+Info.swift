import LinuxSystem
import Synchronization

/// A description of a segment, for people and monitoring.
public struct SegmentInfo: Sendable {
    public let name: String
    /// The absolute path of the segment's file.
    public let path: String
    /// The most bytes that the text can have.
    public let capacity: Int
    /// The number of bytes of the current text.
    public let byteCount: Int
    public let version: Version
    public let publicationTime: Timestamp
    public let creationTime: Timestamp
    /// Persistent if any process has asked for persistence since the segment was created.
    public let lifetime: Lifetime
    /// The file's permissions.
    public let mode: UInt32
    /// The user id of the file's owner.
    public let owner: UInt32
    /// The number of bytes of memory behind the file.
    public let memoryByteCount: Int
    /// The number of the 64 pins that living processes hold.
    public let pinCount: Int
    /// The read-write attachments; read-only ones leave no trace.
    public let attached: [AttachedProcess]
}

/// A read-write attachment.
///
/// The process id is the one in the PID namespace of that process.
public struct AttachedProcess: Hashable, Sendable {
    public let row: Int
    public let processID: Int
    public let program: String
    public let attachmentTime: Timestamp
}

extension Segment {
    /// Reads a segment's text once, without attaching.
    ///
    /// This creates nothing, and needs no permission to write.
    ///
    /// - Throws: ``SegmentError/notFound(name:directory:found:)``, ``SegmentError/untrustedOwner(path:owner:)``,
    ///   ``SegmentError/notASegment(path:reason:)``, ``SegmentError/otherKernel(path:)``,
    ///   ``SegmentError/busy(doing:)``, ``SegmentError/system(call:code:)``.
    public static func read(
        _ name: String? = nil, directory: String? = nil, trustedOwners: Set<UInt32> = []
    ) throws(SegmentError) -> Snapshot {
        let attachment = try inspect(name, directory, trustedOwners)
        let borrow = try attachment.copyCurrent()
        if let offset = unsafe borrow.text.firstInvalidOffset {
            throw attachment.corrupted("the text is not UTF-8 at offset \(offset)")
        }
        let (version, time) = attachment.membership.identify(borrow)
        return Snapshot(text: String(copying: borrow), version: version, publicationTime: time)
    }

    /// Describes a segment, without attaching.
    ///
    /// This creates nothing, and needs no permission to write.
    ///
    /// - Throws: as ``read(_:directory:trustedOwners:)``.
    public static func info(
        _ name: String? = nil, directory: String? = nil, trustedOwners: Set<UInt32> = []
    ) throws(SegmentError) -> SegmentInfo {
        try inspect(name, directory, trustedOwners).info()
    }

    /// Returns the sorted names of the segments in a directory, including those that cannot be opened.
    ///
    /// - Throws: ``SegmentError/system(call:code:)`` if the directory cannot be read.
    public static func list(directory: String? = nil) throws(SegmentError) -> [String] {
        let options = AttachmentOptions(access: .readOnly)
        return try SegmentFile(named: "list", in: directory).neighbours().filter { name in
            // Left out: a segment that was removed since it was listed, or that a killed process left behind.
            (try? OpenFile.open(SegmentFile(named: name, in: directory), options)?.isAlive() == true) ?? true
        }
    }

    private static func inspect(
        _ name: String?, _ directory: String?, _ trustedOwners: Set<UInt32>
    ) throws(SegmentError) -> Attachment {
        let options = AttachmentOptions(access: .readOnly, creates: false, trustedOwners: trustedOwners)
        return try Attachment.inspect(SegmentFile(named: name, in: directory), options)
    }

    /// Removes a segment's name.
    ///
    /// Processes that are attached keep the segment. The next process that attaches creates a new one.
    ///
    /// - Throws: ``SegmentError/notFound(name:directory:found:)``, ``SegmentError/notASegment(path:reason:)``,
    ///   ``SegmentError/untrustedOwner(path:owner:)``, ``SegmentError/system(call:code:)``, and
    ///   ``SegmentError/busy(doing:)`` if another process was unlinking it for a second.
    public static func unlink(
        _ name: String, directory: String? = nil, trustedOwners: Set<UInt32> = []
    ) throws(SegmentError) {
        let file = try SegmentFile(named: name, in: directory)
        let options = AttachmentOptions(creates: false, trustedOwners: trustedOwners)
        let deadline = Clock.coarseMilliseconds + 1000
        repeat {
            guard let open = try OpenFile.open(file, options, forUnlinking: true) else { throw file.notFound }
            if try open.unlinkName() {
                // This only wakes waiters. Without it, they look at the name within a second.
                try? open.retire()
                return
            }
            BackgroundThread.pause()
        } while Clock.coarseMilliseconds < deadline
        throw .busy(doing: "unlinking '\(name)'")
    }
}

extension OpenFile {
    /// Marks an unlinked segment as retired, if this library knows its layout.
    fileprivate func retire() throws(SegmentError) {
        try identity.checkUse(status, file.path)
        let mapping = try Mapping(self, writable: true)
        SegmentView(mapping, capacity: capacity).retire()
        extendLifetime(mapping)
    }
}

extension Attachment {
    fileprivate func info() throws(SegmentError) -> SegmentInfo {
        let view = membership.view
        let (_, info) = try currentInfo()
        let status = try fromSystem(open.descriptor.status())
        var attached: [AttachedProcess] = []
        for row in 0..<Layout.rowCount
        where try fromSystem(open.descriptor.lockElsewhere(byte: Layout.rowLock(row))) == .exclusive {
            let time = view.header.rows[row].attachmentTime.load(ordering: .relaxed)
            attached.append(
                AttachedProcess(
                    row: row,
                    processID: Int(truncatingIfNeeded: view.header.rows[row].processID.load(ordering: .relaxed)),
                    program: view.program(ofRow: row), attachmentTime: Timestamp(nanosecondsSince1970: time)))
        }
        // The pins of dead processes count as free.
        let marks = Set(attached.map { SegmentView.mark(ofRow: $0.row) })
        let pinCount = (0..<Layout.pinCount).count {
            marks.contains(view.header.pins[$0].word.load(ordering: .relaxed) >> 32)
        }
        return SegmentInfo(
            name: open.file.name.description, path: open.file.path, capacity: view.capacity,
            byteCount: info.byteCount, version: info.version, publicationTime: info.publicationTime,
            creationTime: Timestamp(nanosecondsSince1970: view.header.identity.creationTime),
            lifetime: try open.isPersistent() ? .persistent : .whileAttached,
            mode: status.mode, owner: status.owner, memoryByteCount: status.allocatedByteCount,
            pinCount: pinCount, attached: attached)
    }
}
