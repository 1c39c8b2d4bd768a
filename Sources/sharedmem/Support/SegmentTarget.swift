import LinuxSystem
import SharedMemory

/// A segment that text is to be set in, and that is created only for text that it can have.
struct SegmentTarget {
    /// Nil for the one that the environment names, or `shared`.
    let name: String?
    var options: AttachmentOptions

    /// The capacity of the segment, or the one that it is going to be created with.
    func capacity() throws -> Int {
        do {
            return try Segment.info(
                name, directory: options.directory, trustedOwners: options.trustedOwners
            ).capacity
        } catch SegmentError.notFound, SegmentError.leftover {
            return try options.capacityToCreate()
        }
    }

    /// Attaches to the segment if it can have this text.
    func attach(for text: Span<UInt8>, capacity: Int) throws -> Segment {
        guard text.count <= capacity else { throw SegmentError.tooLong(byteCount: text.count, capacity: capacity) }
        try Segment.check(utf8: text)
        return try Segment.attach(name, options)
    }
}
