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
    /// The id of the file's group.
    public let group: UInt32
    /// The number of bytes of memory behind the file.
    public let memoryByteCount: Int
    /// The number of pins that living processes hold.
    public let pinCount: Int
    /// The number of pins that the segment was created with.
    public let pinLimit: Int
    /// The number of rows that the segment was created with.
    public let rowLimit: Int
    /// The process that set the text; nil for version 0.
    public let setter: SettingProcess?
    /// The replication of the text; nil if the segment is not replicated.
    public let replication: Replication?
    /// The number of attachments, one for each process and kind of access; nil where `/proc/locks` cannot be read.
    public let attachmentCount: Int?
    /// The processes that have a row, because they have read in place or set the text.
    ///
    /// ``Segment/processes(_:directory:trustedOwners:)`` finds others.
    public let attached: [AttachedProcess]
}

/// A process that has a row in a segment.
///
/// The process id is the one in the PID namespace of that process.
public struct AttachedProcess: Hashable, Sendable {
    public let row: Int
    public let processID: Int
    /// The process's effective user id when it took the row.
    public let user: UInt32
    public let program: String
    /// When the process took the row.
    public let attachmentTime: Timestamp
}

/// A process that has a segment mapped, with or without a row.
public struct SegmentProcess: Hashable, Sendable {
    /// The process id in this process's PID namespace.
    public let processID: Int
    /// The process's effective user id.
    public let user: UInt32
    /// At most 15 bytes of the program's name.
    public let program: String
}

/// The process that set the text, as it described itself: for people, and nothing to rely on.
///
/// The process id is the one in the PID namespace of that process.
public struct SettingProcess: Hashable, Sendable {
    public let processID: Int
    /// The process's effective user id when it attached.
    public let user: UInt32
    /// At most 16 bytes of the program's name.
    public let program: String
}

extension Segment {
    /// Reads a segment's text once, without attaching.
    ///
    /// This creates nothing, and needs no permission to write. Root can read the segments of all users, and need not name
    /// them as trusted.
    ///
    /// - Throws: ``SegmentError/notFound(name:directory:found:)``, ``SegmentError/leftover(name:directory:)``,
    ///   ``SegmentError/untrustedOwner(path:owner:)``, ``SegmentError/notASegment(path:reason:)``,
    ///   ``SegmentError/otherLayout(path:version:ownVersion:)``, ``SegmentError/otherKernel(path:)``,
    ///   ``SegmentError/busy(doing:)``, ``SegmentError/system(call:code:)``.
    public static func read(
        _ name: String? = nil, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) -> Snapshot {
        let attachment = try inspect(name, directory, trustedOwners)
        let borrow = try attachment.copyCurrent()
        if let offset = unsafe borrow.text.firstInvalidOffset {
            throw attachment.corrupted("the text is not UTF-8 at offset \(offset)")
        }
        let publication = attachment.membership.publication(borrow)
        return Snapshot(
            text: String(copying: borrow), version: publication.version, publicationTime: publication.time)
    }

    /// Describes a segment, without attaching.
    ///
    /// This creates nothing, and needs no permission to write.
    ///
    /// - Throws: as ``read(_:directory:trustedOwners:)``.
    public static func info(
        _ name: String? = nil, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) -> SegmentInfo {
        try inspect(name, directory, trustedOwners).info(SharedLocks())
    }

    /// Returns the processes that have a segment mapped, as far as `/proc` shows them to this process, in order of their ids.
    ///
    /// This looks at every process that this one may look at.
    ///
    /// - Throws: as ``read(_:directory:trustedOwners:)``.
    public static func processes(
        _ name: String? = nil, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) -> [SegmentProcess] {
        let attachment = try inspect(name, directory, trustedOwners)
        let processes = try fromSystem(attachment.open.status.identity.mappingProcesses)
        return processes.filter { $0.processID != Host.processID }
            .map { SegmentProcess(processID: $0.processID, user: $0.user, program: $0.program) }
    }

    /// Returns the sorted names of the segments in a directory, including those that cannot be opened.
    ///
    /// - Throws: ``SegmentError/system(call:code:)`` if the directory cannot be read.
    public static func list(directory: String? = nil) throws(SegmentError) -> [String] {
        try SegmentFile(named: "list", in: directory).segments()
    }

    /// Returns the sorted names of the segments in a directory that processes left behind when they were killed.
    ///
    /// They count as removed, and ``list(directory:)`` leaves them out. The next process that attaches with write access
    /// replaces them, and ``unlink(_:directory:trustedOwners:)`` removes them.
    ///
    /// - Throws: ``SegmentError/system(call:code:)`` if the directory cannot be read.
    public static func leftovers(directory: String? = nil) throws(SegmentError) -> [String] {
        try SegmentFile(named: "list", in: directory).leftovers()
    }

    /// What ``survey(directory:trustedOwners:)`` finds under a name.
    package enum Surveyed {
        case segment(SegmentInfo)
        /// What killed processes left behind.
        case leftover
        case failure(SegmentError)
    }

    /// Describes every segment in a directory, sorted by name, and inspects each file once.
    ///
    /// - Parameter progress: called for each file, with how many there are.
    package static func survey(
        directory: String? = nil, trustedOwners: Set<TrustedOwner> = [], progress: (Int, Int) -> Void = { _, _ in }
    ) throws(SegmentError) -> [(name: String, found: Surveyed)] {
        let files = try SegmentFile(named: "survey", in: directory)
        let locks = SharedLocks()
        var surveyed: [(name: String, found: Surveyed)] = []
        let names = try files.names()
        for (index, name) in names.enumerated() {
            progress(index, names.count)
            if let found = look(at: name, files, trustedOwners, locks) { surveyed.append((name, found)) }
        }
        return surveyed
    }

    /// Inspects one segment of a directory; nil if there is none of this name.
    static func look(
        at name: String, _ files: SegmentFile, _ trustedOwners: Set<TrustedOwner>, _ locks: SharedLocks,
        rootTrustsAll: Bool = true
    ) -> Surveyed? {
        do throws(SegmentError) {
            let attachment = try inspect(name, files.directory, trustedOwners, rootTrustsAll: rootTrustsAll)
            return .segment(try attachment.info(locks))
        } catch {
            switch error {
            case .notFound: return nil
            case .leftover: return .leftover
            default:
                // Whether anybody uses a segment can be seen without trusting its owner.
                let isAlive = (try? files.isAlive(name)) ?? true
                return isAlive ? .failure(error) : .leftover
            }
        }
    }

    static func inspect(
        _ name: String?, _ directory: String?, _ trustedOwners: Set<TrustedOwner>, rootTrustsAll: Bool = true
    ) throws(SegmentError) -> Attachment {
        var options = AttachmentOptions(access: .readOnly, creates: false, trustedOwners: trustedOwners)
        options.rootTrustsAll = rootTrustsAll
        return try Attachment.inspect(SegmentFile(named: name, in: directory), options)
    }

    /// Removes a segment's name.
    ///
    /// Processes that are attached keep the segment. The next process that attaches creates a new one. Root can unlink the
    /// segments of all users, and need not name them as trusted.
    ///
    /// - Throws: ``SegmentError/notFound(name:directory:found:)``, ``SegmentError/notASegment(path:reason:)``,
    ///   ``SegmentError/untrustedOwner(path:owner:)``, ``SegmentError/system(call:code:)``, and
    ///   ``SegmentError/busy(doing:)`` if another process was unlinking it for a second.
    public static func unlink(
        _ name: String, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) {
        let file = try SegmentFile(named: name, in: directory)
        var options = AttachmentOptions(creates: false, trustedOwners: trustedOwners)
        options.rootTrustsAll = true
        let deadline = Clock.coarseMilliseconds + 1000
        repeat {
            guard let open = try OpenFile.open(file, options, forUnlinking: true) else { throw file.notFound }
            if try open.unlinkName() {
                // This only wakes waiters. Without it, they look at the name within a second. It maps the file, so the owner
                // must be trusted even by root.
                options.rootTrustsAll = false
                if (try? OpenFile.checkOwner(open.status.owner, file.path, options)) != nil { try? open.retire() }
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
        let mapping = try SegmentMapping(descriptor, geometry, writable: true)
        mapping.view.retire()
        extendLifetime(mapping)
    }
}

extension Attachment {
    func info(_ locks: SharedLocks) throws(SegmentError) -> SegmentInfo {
        let view = membership.view
        let (current, info) = try currentInfo()
        let setter = current.number > 0 ? view.slots[current.slot].setter.load() : nil
        let status = try fromSystem(open.descriptor.status())
        var attached: [AttachedProcess] = []
        for row in 0..<view.mark(of: .rows)
        where try fromSystem(open.descriptor.lockElsewhere(byte: view.geometry.rowLock(row))) == .exclusive {
            let owner = view.rows[row].owner.load()
            let time = view.rows[row].attachmentTime.load(ordering: .relaxed)
            attached.append(
                AttachedProcess(
                    row: row, processID: owner.processID, user: owner.user, program: owner.programName,
                    attachmentTime: Timestamp(nanosecondsSince1970: time)))
        }
        // The pins of dead processes count as free.
        let marks = Set(attached.map { SegmentView.mark(ofRow: $0.row) })
        let pinCount = (0..<view.mark(of: .pins)).count {
            marks.contains(view.pins[$0].word.load(ordering: .relaxed) >> 32)
        }
        return SegmentInfo(
            name: open.file.name.description, path: open.file.path, capacity: view.geometry.capacity,
            byteCount: info.byteCount, version: info.version, publicationTime: info.publicationTime,
            creationTime: Timestamp(nanosecondsSince1970: view.identity.creationTime),
            lifetime: try open.isPersistent() ? .persistent : .whileAttached,
            mode: status.mode, owner: status.owner, group: status.group,
            memoryByteCount: status.allocatedByteCount,
            pinCount: pinCount, pinLimit: view.geometry.pinCount, rowLimit: view.geometry.rowCount,
            setter: setter.map {
                SettingProcess(processID: $0.processID, user: $0.user, program: $0.programName)
            },
            replication: try replication,
            attachmentCount: locks.count(on: open.status.identity, byte: Layout.lifetimeLock), attached: attached)
    }
}
