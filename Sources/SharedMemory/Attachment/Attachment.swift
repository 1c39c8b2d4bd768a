import CLinux
import LinuxSystem
import Synchronization

/// One process's attachment to one segment: its file, its mapping, its locks and its row.
///
/// A forked child cannot use its parent's: see ``AttachmentCell``.
final class Attachment: Sendable {
    let open: OpenFile
    private let mapping: Mapping
    /// Nil if attached read-only.
    let row: Int?
    let membership: Membership
    /// Held by the one thread that sets: a row fills one slot at a time.
    let writer = Mutex(())
    let lastSweepMilliseconds = Mutex(0)
    /// The number of the last publication whose text this process found to be UTF-8.
    let checkedNumber = Atomic<UInt64>(0)
    let notifier: ChangeNotifier

    /// Whether it keeps the segment alive; an inspection does not.
    private let takesPart: Bool

    private init(_ open: consuming OpenFile, _ mapping: consuming Mapping, row: Int?, takesPart: Bool) {
        membership = Membership(
            view: SegmentView(mapping, capacity: open.capacity), instance: open.identity.instance,
            mark: row.map(SegmentView.mark(ofRow:)) ?? 0, seed: .random(in: .min ... .max))
        notifier = ChangeNotifier(membership, open.file, open.status.identity)
        self.open = open
        self.mapping = mapping
        self.row = row
        self.takesPart = takesPart
    }

    deinit {
        unsafe clinux_do_not_call_at_exit(Unmanaged.passUnretained(self).toOpaque())
        notifier.stop()
        if let row {
            membership.view.clear(row: row)
            try? open.descriptor.unlock(byte: Layout.rowLock(row))
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
    /// - Throws: ``SegmentError/busy(doing:)`` if the segment stayed busy for a second.
    static func attach(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> Attachment {
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
    ) throws(SegmentError) -> Attachment? {
        guard let open = try OpenFile.open(file, options) else {
            guard options.creates, options.access == .readWrite else { throw file.notFound }
            guard let created = try OpenFile.create(file, options) else { return nil }
            return try join(created, options, row: 0)
        }
        PausePoint.attachOpened.reached()
        switch try open.takeLifetime() {
        case .taken: return try join(open, options, row: nil)
        case .moved: return nil
        case .refused:
            // Another process is in the middle of a change. Close the file before the pause: its locks refuse others.
            _ = consume open
            BackgroundThread.pause()
            return nil
        }
    }

    /// Opens and maps a segment for an inspection, which does not keep it alive.
    static func inspect(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> Attachment {
        guard let open = try OpenFile.open(file, options), try open.isAlive() else { throw file.notFound }
        let mapping = try Mapping(open, writable: false)
        return Attachment(open, mapping, row: nil, takesPart: false)
    }

    /// Maps a file whose lifetime byte is locked, and takes a row if one is needed and not taken yet.
    private static func join(
        _ open: consuming OpenFile, _ options: AttachmentOptions, row taken: Int?
    ) throws(SegmentError) -> Attachment {
        let attachment: Attachment
        do throws(SegmentError) {
            let capacity = open.capacity
            if let requested = options.capacity, requested != capacity {
                throw .capacityMismatch(name: open.file.name.description, capacity: capacity, requested: requested)
            }
            let writable = options.access == .readWrite
            let mapping = try Mapping(open, writable: writable)
            let row: Int? = if let taken { taken } else if writable { try open.takeRow() } else { nil }
            let view = SegmentView(mapping, capacity: capacity)
            PausePoint.attachTookRow.reached()
            if let row {
                view.reclaim(row: row)
                view.describe(row: row)
                if options.lifetime == .persistent { view.header.state.persistent.store(1, ordering: .releasing) }
            }
            attachment = Attachment(open, mapping, row: row, takesPart: true)
        } catch {
            open.leaveLifetime()
            throw error
        }
        try attachment.leaveAtExit()
        return attachment
    }
}

/// The part of an attachment that setting and borrowing need; copying it counts no references.
struct Membership: Sendable {
    let view: SegmentView
    let instance: UInt64
    /// The owner that claims and pins name; 0 if attached read-only.
    let mark: UInt64
    /// Spreads attachments over the pins.
    let seed: UInt64
}

extension Mapping {
    init(_ open: borrowing OpenFile, writable: Bool) throws(SegmentError) {
        let byteCount = Layout.fileByteCount(capacity: open.capacity)
        self = try fromSystem(Mapping(open.descriptor, byteCount: byteCount, writable: writable))
    }
}
