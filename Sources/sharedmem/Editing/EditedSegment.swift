import LinuxSystem
import SharedMemory

/// The segment whose text is edited.
struct EditedSegment {
    let name: String
    let options: AttachmentOptions

    /// The text as it is at a moment.
    struct State {
        let text: String
        /// Nil if the segment does not exist.
        let version: Version?

        var label: String { version.map { "\($0)" } ?? "no segment" }
    }

    enum Outcome {
        case set(Version, Segment)
        /// Another writer has set the text, or the segment has come or gone.
        case conflict(State)
    }

    func state() throws -> State {
        do {
            let snapshot = try Segment.read(
                name, directory: options.directory, trustedOwners: options.trustedOwners)
            return State(text: snapshot.text, version: snapshot.version)
        } catch SegmentError.notFound, SegmentError.leftover {
            return State(text: "", version: nil)
        }
    }

    /// Sets the text if it is still as it was.
    ///
    /// - Throws: if the segment cannot take the text.
    func set(_ text: borrowing ReadBytes, inPlaceOf state: State) throws -> Outcome {
        try text.withSpan { try set($0, inPlaceOf: state) }
    }

    private func set(_ text: Span<UInt8>, inPlaceOf state: State) throws -> Outcome {
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
            return .set(version, segment)
        } catch SegmentError.versionMismatch, SegmentError.notFound, SegmentError.unlinked {
            return .conflict(try self.state())
        }
    }
}
