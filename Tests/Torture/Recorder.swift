import SharedMemory
import TestSupport

/// Uses a segment, and writes down what it did and when.
struct Recorder: Sendable {
    let file: HistoryFile
    let door: History.Operation.Door

    init(_ path: String, _ door: History.Operation.Door) throws {
        file = try HistoryFile(path)
        self.door = door
    }

    /// Writes down an operation that began at `start` and ends now.
    func record(
        _ kind: History.Operation.Kind, since start: UInt64, _ version: Version, digest: UInt64?,
        replaced: Version? = nil
    ) {
        file.append(
            History.Operation(
                kind, door, start: start, end: HistoryFile.now, instance: version.instance, number: version.number,
                digest: digest, replaced: replaced?.number))
    }

    /// Writes down that a text is about to be set, and who does it may be killed.
    func willSet(_ text: [UInt8]) {
        let nobodys = Version(instance: 0, number: 0)
        record(.setting, since: HistoryFile.now, nobodys, digest: ChecksummedText.digest(of: text.span.bytes))
    }

    @discardableResult
    func set(_ segment: Segment, _ text: [UInt8]) throws -> Version {
        willSet(text)
        let start = HistoryFile.now
        let version = try segment.set(utf8: text.span)
        record(.set, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes))
        return version
    }

    /// Sets the text if nobody else does between a look at the version and then.
    func setConditionally(_ segment: Segment, _ text: [UInt8]) throws {
        let expected = try segment.version
        willSet(text)
        let start = HistoryFile.now
        do {
            let version = try segment.set(utf8: text.span, ifVersion: expected)
            record(.set, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes), replaced: expected)
        } catch SegmentError.versionMismatch {}
    }

    /// Reads a copy.
    func get(_ segment: Segment) throws {
        let start = HistoryFile.now
        do {
            let snapshot = try segment.snapshot()
            record(
                .read, since: start, snapshot.version,
                digest: ChecksummedText.digest(of: snapshot.text.utf8Span.span.bytes))
        } catch SegmentError.busy {
            // Overtaken again and again: a reader without a pin may be.
        }
    }

    /// Reads in place, or from a pin-less copy.
    func borrow(_ segment: Segment) throws {
        let start = HistoryFile.now
        do {
            let (version, digest) = try segment.lookInPlace()
            record(.read, since: start, version, digest: digest)
        } catch SegmentError.busy {}
    }
}

extension Segment {
    fileprivate func lookInPlace() throws -> (Version, UInt64?) {
        let borrow = try borrow()
        defer { extendLifetime(borrow) }
        let (version, _) = try identify(borrow)
        return (version, ChecksummedText.digest(of: borrow.text.bytes))
    }
}

extension RandomNumberGenerator {
    /// A text with a checksum: most are short, a few are long.
    mutating func text() -> [UInt8] {
        let limit = 64 << (next() % 64 == 0 ? 14 : Int(next() % 8))
        return ChecksummedText.make(byteCount: Int.random(in: 17..<limit, using: &self), seed: next())
    }
}
