import CLinux
import Synchronization

/// One process's part in one segment: its file, its mapping, its locks, its row.
///
/// A forked child has no use for its parent's: see ``AttachmentCell``.
final class Attachment: Sendable {
    let open: OpenFile
    private let mapping: Mapping
    /// Nil when attached for reading only.
    let row: Int?
    let membership: Membership
    /// One writing thread at a time: a row fills one slot at a time.
    let writer = Mutex(())
    let lastSweepMilliseconds = Mutex(0)
    /// The last publication whose text this process found to be UTF-8.
    let checkedNumber = Atomic<UInt64>(0)

    private init(_ open: consuming OpenFile, _ mapping: consuming Mapping, row: Int?) {
        membership = Membership(
            view: SegmentView(mapping, capacity: open.capacity), instance: open.identity.instance,
            mark: row.map(SegmentView.mark(ofRow:)) ?? 0, seed: .random(in: .min ... .max))
        self.open = open
        self.mapping = mapping
        self.row = row
        let number = self.open.descriptor.number
        unsafe clinux_register_attachment(number, Unmanaged.passUnretained(self).toOpaque()) { object in
            guard let object = unsafe object else { return }
            // Other threads may still run, so the row, the mapping and the descriptor stay to the end.
            unsafe Unmanaged<Attachment>.fromOpaque(object)._withUnsafeGuaranteedRef { $0.open.leaveLifetime() }
        }
    }

    deinit {
        // Can not fail: it did not when this was attached.
        _ = clinux_lock_attachments()
        defer { clinux_unlock_attachments() }
        clinux_unregister_attachment(open.descriptor.number)
        if let row {
            membership.view.clear(row: row)
            try? open.descriptor.unlock(byte: Layout.rowLock(row))
        }
        open.leaveLifetime()
    }
}

/// What setting and borrowing need of an attachment, copied without reference counting.
struct Membership: Sendable {
    let view: SegmentView
    let instance: UInt64
    /// What goes into claims and pins; 0 when attached for reading only.
    let mark: UInt64
    /// Spreads the attachments over the pins.
    let seed: UInt64
}

// MARK: Attaching

extension Attachment {
    /// Joins a segment: creates or opens its file, as the options say.
    ///
    /// - Throws: ``SegmentError/busy(doing:)`` when others were in the way for a second.
    static func attach(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> Attachment {
        try systemCall("pthread_atfork") { clinux_lock_attachments() }
        defer { clinux_unlock_attachments() }
        let deadline = Host.coarseMilliseconds + 1000
        var tries = 0
        repeat {
            if tries > 10 { Host.pause() }
            tries += 1
            if let attachment = try attachOnce(file, options) { return attachment }
        } while Host.coarseMilliseconds < deadline
        throw .busy(doing: "attaching to '\(file.name)'")
    }

    /// Returns nil when something moved meanwhile: again.
    private static func attachOnce(
        _ file: SegmentFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> Attachment? {
        guard let open = try OpenFile.open(file, options) else {
            guard options.creates, options.access == .readWrite else { throw file.notFound }
            guard let created = try OpenFile.create(file, options) else { return nil }
            return try join(created, options, row: 0)
        }
        let capacity = open.capacity
        if let requested = options.capacity, requested != capacity {
            throw .capacityMismatch(name: file.name.description, capacity: capacity, requested: requested)
        }
        guard try open.takeLifetime() == .taken else { return nil }
        return try join(open, options, row: nil)
    }

    /// Maps a file whose lifetime is taken and, unless that is done or not needed, takes a row.
    static func join(
        _ open: consuming OpenFile, _ options: AttachmentOptions, row taken: Int?
    ) throws(SegmentError) -> Attachment {
        do throws(SegmentError) {
            let writable = options.access == .readWrite
            let mapping = try Mapping(
                open.descriptor, byteCount: Layout.fileByteCount(capacity: open.capacity), writable: writable)
            let row: Int? = if let taken { taken } else if writable { try open.takeRow() } else { nil }
            let view = SegmentView(mapping, capacity: open.capacity)
            if let row {
                view.reclaim(row: row)
                view.describe(row: row)
                if options.lifetime == .persistent { view.header.state.persistent.store(1, ordering: .releasing) }
            }
            return Attachment(open, mapping, row: row)
        } catch {
            open.leaveLifetime()
            throw error
        }
    }
}
