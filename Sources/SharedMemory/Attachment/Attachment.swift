import CLinux
import LinuxSystem
import Synchronization

/// One process's attachment to one segment: its file, its mapping, its locks and, once it needs one, its row.
///
/// A forked child cannot use its parent's: see ``AttachmentCell``.
final class Attachment: Sendable {
    let open: OpenFile
    private let mapping: SegmentMapping
    let membership: Membership
    /// 0 before the attachment has a row, else the row's mark, by which pins and claims name their owner.
    let keptMark = Atomic<UInt64>(0)
    let rowState = Lock(RowState())
    /// Whether it keeps a reserved row when all others are taken, as an operator's does.
    let mayKeepReservedRow: Bool
    /// Held by the one thread that sets: a row fills one slot at a time.
    let writer = Lock(Writer())
    /// The number of the last publication whose text this process found to be UTF-8.
    let checkedNumber = Atomic<UInt64>(0)
    let notifier: ChangeNotifier
    /// This process, for the texts that it sets.
    let setter = ProcessDescription.current

    /// Whether it keeps the segment alive; an inspection does not.
    private let takesPart: Bool
    /// Why it only reads, if it was meant to set too.
    let reasonForReadingOnly: SegmentError?

    private init(
        _ open: OpenFile, _ mapping: consuming SegmentMapping, _ options: AttachmentOptions, takesPart: Bool
    ) {
        membership = Membership(
            view: mapping.view, instance: open.identity.instance,
            isWritable: takesPart && open.access == .readWrite)
        notifier = ChangeNotifier(membership, open)
        self.open = open
        self.mapping = mapping
        mayKeepReservedRow = options.isOperator
        reasonForReadingOnly = options.reasonForReadingOnly
        self.takesPart = takesPart
    }

    deinit {
        unsafe clinux_do_not_call_at_exit(Unmanaged.passUnretained(self).toOpaque())
        notifier.stop()
        if let row = rowState.withLock({ $0.kept }) {
            open.release(row, membership.view)
            PausePoint.detachFreedRow.reached()
        }
        if takesPart { open.leaveLifetime() }
    }

    /// Has the process leave the segment when it exits.
    ///
    /// Other threads may still run then, so the row, the mapping and the descriptor stay until the process is gone.
    private func leaveAtExit() throws(SegmentError) {
        let object = unsafe Unmanaged.passUnretained(self).toOpaque()
        let result = unsafe clinux_call_at_exit(object) { object in
            guard let object = unsafe object else { return }
            unsafe Unmanaged<Attachment>.fromOpaque(object)._withUnsafeGuaranteedRef { $0.open.leaveLifetime() }
        }
        if result < 0 { throw .system(call: "atexit", code: -result) }
    }

    // MARK: Attaching

    /// Attaches to a segment: opens its file, or creates it if the options allow that.
    ///
    /// However many uses of a segment there are in this process, they share one attachment for each kind of access.
    ///
    /// - Returns: the attachment, with one use more, which is to be ended.
    /// - Throws: ``SegmentError/busy(doing:)`` if the segment stayed busy for a second.
    static func attach(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> AttachmentReference {
        let deadline = Clock.coarseMilliseconds + 1000
        var tries = 0
        repeat {
            tries += 1
            if let attachment = try attachOnce(file, options) { return attachment }
            // At least ten tries: this process may have been stopped for a second itself.
        } while tries < 10 || Clock.coarseMilliseconds < deadline
        throw .busy(doing: "attaching to '\(file.name)'")
    }

    /// Returns nil if another process got in the way: try again.
    private static func attachOnce(
        _ file: SegmentFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> AttachmentReference? {
        guard let open = try OpenFile.open(file, options) else {
            guard options.creates, options.access == .readWrite else { throw file.notFound }
            guard let created = try OpenFile.create(file, options) else { return nil }
            return try join(created, options)
        }
        PausePoint.attachOpened.reached()
        if let shared = try shared(open, options) { return shared }
        switch try open.takeLifetime() {
        case .taken: return try join(open, options)
        case .moved: return nil
        case .refused:
            // Another process is in the middle of a change. Close the file before the pause: its locks refuse others.
            _ = consume open
            BackgroundThread.pause()
            return nil
        }
    }

    /// Attaches a forked child read-only: by the segment's path, or else by the descriptor for reading that its parent left.
    ///
    /// - Throws: `error`, with which attaching failed, if that is not for want of a right, or if this fails too.
    static func attachToRead(
        _ file: SegmentFile, _ options: AttachmentOptions, _ identity: FileIdentity, inPlaceOf error: SegmentError
    ) throws(SegmentError) -> AttachmentReference {
        guard error.isForWantOfRights else { throw error }
        var options = options
        options.access = .readOnly
        options.leavesPermissions = true
        options.reasonForReadingOnly = error
        if let attachment = try? attach(file, options) { return attachment }
        guard let descriptor = FileDescriptor.inherited(identity) else { throw error }
        let inherited = try OpenFile.inherited(file, descriptor)
        // Keeps the segment alive, unless it has gone already.
        _ = try fromSystem(inherited.descriptor.tryLockShared(byte: Layout.lifetimeLock))
        return try join(inherited, options)
    }

    /// Opens and maps a segment for an inspection, which does not keep it alive.
    static func inspect(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> Attachment {
        guard let open = try OpenFile.open(file, options) else { throw file.notFound }
        guard try open.isAlive() else { throw try open.absence() }
        let mapping = try SegmentMapping(open.descriptor, open.geometry, writable: false)
        return Attachment(open, mapping, options, takesPart: false)
    }

    /// Uses the attachment that this process has to the file already.
    private static func shared(
        _ open: OpenFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> AttachmentReference? {
        guard options.sharesAttachment, let object = unsafe clinux_shared_object(open.key) else { return nil }
        let reference = AttachmentReference(bits: UInt(bitPattern: object))
        do throws(SegmentError) {
            try open.checkCapacity(options)
            try open.changePermissions(options)
            guard reference.with({ $0.hasDescriptor }) else {
                // It can only be read; a new attachment can do everything again.
                unsafe clinux_hide(object)
                reference.endUse()
                return nil
            }
        } catch {
            reference.endUse()
            throw error
        }
        if options.lifetime == .persistent { reference.with { $0.becomePersistent() } }
        return reference
    }

    /// Maps a file whose lifetime byte is locked.
    private static func join(
        _ open: OpenFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> AttachmentReference {
        let attachment: Attachment
        do throws(SegmentError) {
            try open.checkCapacity(options)
            try open.changePermissions(options)
            let mapping = try SegmentMapping(
                open.descriptor, open.geometry, writable: options.access == .readWrite)
            PausePoint.attachMapped.reached()
            attachment = Attachment(open, mapping, options, takesPart: true)
        } catch {
            open.leaveLifetime()
            throw error
        }
        try attachment.leaveAtExit()
        if options.lifetime == .persistent { attachment.becomePersistent() }
        let own = unsafe Unmanaged.passRetained(attachment)
        guard options.sharesAttachment, let object = unsafe clinux_share(own.toOpaque(), open.key),
            unsafe object != own.toOpaque()
        else { return unsafe AttachmentReference(bits: UInt(bitPattern: own.toOpaque())) }
        // Another thread has attached meanwhile.
        unsafe own.release()
        return AttachmentReference(bits: UInt(bitPattern: object))
    }

    private var hasDescriptor: Bool { (try? open.descriptor.number) != nil }

    private func becomePersistent() {
        if membership.isWritable { membership.view.state.persistent.store(1, ordering: .releasing) }
    }
}

extension OpenFile {
    /// The key by which this process finds its attachment to the file.
    fileprivate var key: clinux_key {
        clinux_key(
            first: UInt64(status.identity.device), second: UInt64(status.identity.inode),
            kind: access == .readOnly ? 0 : 1, is_kept_by_children: false)
    }

    fileprivate func checkCapacity(_ options: AttachmentOptions) throws(SegmentError) {
        guard let requested = options.capacity, requested != geometry.capacity else { return }
        throw .capacityMismatch(name: file.name.description, capacity: geometry.capacity, requested: requested)
    }
}

/// The part of an attachment that reading and waiting need; copying it counts no references.
struct Membership: Sendable {
    let view: SegmentView
    let instance: UInt64
    /// Whether the attachment may write to the file.
    let isWritable: Bool
}
