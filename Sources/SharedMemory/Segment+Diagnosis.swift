import LinuxSystem
import Synchronization

/// What a diagnosis needs to know beyond a segment's info; none of it attaches or changes anything.
extension Segment {
    /// Where a segment's file is.
    package struct Place: Sendable {
        package let name: String
        /// An absolute path.
        package let directory: String
        package let path: String

        /// How the name of every segment's file ends.
        package static let suffix = SegmentFile.suffix

        /// How the content of every segment's file begins.
        package static let beginning = "sharedm\0"

        /// The name of a segment's file, in whatever directory.
        package func fileName(of name: String) -> String { name + Self.suffix }
    }

    /// - Throws: ``SegmentError/invalidName(_:)``
    package static func place(_ name: String?, directory: String?) throws(SegmentError) -> Place {
        let file = try SegmentFile(named: name, in: directory)
        return Place(name: file.name.description, directory: file.directory, path: file.path)
    }

    /// What an attachment would find; nil if there is no segment at this place.
    ///
    /// - Parameter rootTrustsAll: whether to look as root's `info` does, and not as an attachment.
    package static func look(
        at place: Place, trustedOwners: Set<TrustedOwner>, rootTrustsAll: Bool
    ) throws(SegmentError) -> Surveyed? {
        let files = try SegmentFile(named: place.name, in: place.directory)
        return look(at: place.name, files, trustedOwners, SharedLocks(), rootTrustsAll: rootTrustsAll)
    }

    /// Whether the file begins like a segment's, so that `unlink` removes it though it may not be usable.
    package static func isRemovable(at place: Place, trustedOwners: Set<TrustedOwner>) -> Bool {
        var options = AttachmentOptions(access: .readOnly, creates: false, trustedOwners: trustedOwners)
        options.rootTrustsAll = true
        guard let file = try? SegmentFile(named: place.name, in: place.directory) else { return false }
        return (try? OpenFile.open(file, options, forUnlinking: true)) ?? nil != nil
    }

    /// A version that a process has pinned though it is no longer the current one.
    package struct OldPin: Hashable, Sendable {
        /// In the PID namespace of that process.
        package let processID: Int
        package let program: String
        package let version: Version
    }

    /// The old versions that living processes have pinned at this moment.
    ///
    /// Most are those of borrows that are about to end: a pin that stays is found again.
    package static func oldPins(
        at place: Place, trustedOwners: Set<TrustedOwner>
    ) throws(SegmentError) -> Set<OldPin> {
        let attachment = try inspect(place.name, place.directory, trustedOwners)
        let view = attachment.membership.view
        let rows = try attachment.info(SharedLocks()).attached
        let owners = Dictionary(rows.map { (SegmentView.mark(ofRow: $0.row), $0) }) { first, _ in first }
        var found: Set<OldPin> = []
        for pin in 0..<view.mark(of: .pins) {
            let word = view.pins[pin].word.load(ordering: .relaxed)
            let slot = Int(word & 0xffff_ffff) - 1
            guard let owner = owners[word >> 32], 0..<view.geometry.slotCount ~= slot else { continue }
            let number = view.slots[slot].stamp.load(ordering: .relaxed)
            // The look at the current slot comes last: what was current until then is no old version.
            guard number != SlotLine.beingFilled, slot != view.loadCurrent().slot else { continue }
            found.insert(
                OldPin(
                    processID: owner.processID, program: owner.program,
                    version: Version(instance: attachment.membership.instance, number: number)))
        }
        return found
    }
}

extension SegmentError {
    /// Why the copy of a segment's file is not a segment.
    package static let reasonOfCopy = "it is a copy of another segment's file"
}

extension AttachmentOptions {
    /// How large the file of a new segment with these options is, most of it without memory.
    package func fileByteCountToCreate() throws(SegmentError) -> Int { try geometryToCreate().fileByteCount }
}

extension SegmentInfo {
    /// Whether processes that come from now on find no row that they can keep.
    package var isOutOfRows: Bool {
        attached.count >= rowLimit
            - Geometry(capacity: capacity, rowCount: rowLimit, pinCount: pinLimit).reservedRowCount
    }
}
