import LinuxSystem
import SharedMemory

/// The segment whose text is edited.
struct EditedSegment: EditedText {
    let name: String
    let options: AttachmentOptions

    func state() throws -> EditedState {
        do {
            let snapshot = try Segment.read(
                name, directory: options.directory, trustedOwners: options.trustedOwners)
            return EditedState(text: snapshot.text, version: snapshot.version)
        } catch SegmentError.notFound, SegmentError.leftover {
            return EditedState(text: "", version: nil)
        }
    }

    func set(_ text: borrowing ReadBytes, inPlaceOf state: EditedState) throws -> EditOutcome {
        try text.withSpan { try set($0, inPlaceOf: state) }
    }

    private func set(_ text: Span<UInt8>, inPlaceOf state: EditedState) throws -> EditOutcome {
        try Segment.check(utf8: text)
        var options = options
        // A segment that was there and has gone is not created again without a word.
        options.creates = state.version == nil
        if options.creates {
            let capacity = try options.capacityToCreate()
            guard text.count <= capacity else {
                throw SegmentError.tooLong(byteCount: text.count, capacity: capacity)
            }
        }
        do {
            let segment = try Segment.attach(name, options)
            let version = try segment.set(utf8: text) { current in
                state.version.map { current.version == $0 } ?? (current.version.number == 0)
            }
            return .set(version)
        } catch SegmentError.versionMismatch, SegmentError.notFound, SegmentError.unlinked {
            return .conflict(try self.state())
        }
    }
}
