import SharedMemory
import TestSupport

/// Uses a segment, and records each operation with its times.
struct Recorder: Sendable {
    let file: HistoryFile
    let interface: History.Operation.Interface

    init(_ path: String, _ interface: History.Operation.Interface) throws {
        file = try HistoryFile(path)
        self.interface = interface
    }

    /// Records an operation that began at `start` and ends now.
    func record(
        _ kind: History.Operation.Kind, since start: UInt64, _ version: Version, digest: UInt64?,
        replaced: Version? = nil
    ) {
        file.append(
            History.Operation(
                kind, interface, start: start, end: HistoryFile.now, instance: version.instance, number: version.number,
                digest: digest, replaced: replaced?.number))
    }

    /// Records that text is about to be set, by a process that may be killed.
    func willSet(_ text: [UInt8]) {
        let none = Version(instance: 0, number: 0)
        record(.setting, since: HistoryFile.now, none, digest: ChecksummedText.digest(of: text.span.bytes))
    }

    @discardableResult
    func set(_ segment: Segment, _ text: [UInt8]) throws -> Version {
        willSet(text)
        let start = HistoryFile.now
        let version = try segment.set(utf8: text.span)
        record(.set, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes))
        return version
    }

    /// Sets the text unless another writer gets in first.
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
            // A reader without a pin may be overtaken again and again.
        }
    }

    /// Reads in place, with a reader that keeps its pin.
    func read(by reader: inout Reader) throws {
        let start = HistoryFile.now
        let digest = try reader.withBytes { ChecksummedText.digest(of: $0) }
        guard let version = reader.version else { throw Failed(description: "a reader that has read has no version") }
        record(.read, since: start, version, digest: digest)
    }

    /// Reads in place, or a copy if there is no pin.
    func borrow(_ segment: Segment) throws {
        let start = HistoryFile.now
        do {
            let (version, digest) = try segment.borrowedDigest()
            record(.read, since: start, version, digest: digest)
        } catch SegmentError.busy {}
    }
}

extension Segment {
    fileprivate func borrowedDigest() throws -> (Version, UInt64?) {
        let borrow = try borrow()
        defer { extendLifetime(borrow) }
        let version = try version(of: borrow)
        return (version, ChecksummedText.digest(of: borrow.text.bytes))
    }
}

extension RandomNumberGenerator {
    /// Text with a checksum: mostly short, sometimes long.
    mutating func text() -> [UInt8] {
        let limit = 64 << (next() % 64 == 0 ? 14 : Int(next() % 8))
        return ChecksummedText.make(byteCount: Int.random(in: 17..<limit, using: &self), seed: next())
    }
}
