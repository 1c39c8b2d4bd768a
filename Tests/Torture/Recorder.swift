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

    /// Reads in place, by a reader that keeps its pin.
    func read(by reader: inout Reader) throws {
        let start = HistoryFile.now
        let digest = try reader.withBytes { ChecksummedText.digest(of: $0) }
        guard let version = reader.version else { throw Failed(description: "a reader that has read has no version") }
        record(.read, since: start, version, digest: digest)
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

// MARK: Watching

/// Who watches the text from the beginning of a round to its end.
protocol RoundWatcher: Sendable {
    /// Says which version is the last: who does not have it soon leaves word of that in the history.
    func end(_ version: Version) async throws
}

extension Recorder {
    /// Writes down what a watcher was told.
    ///
    /// - Parameters:
    ///   - start: when what it was told can not have been replaced.
    ///   - known: what it had said that it has.
    func saw(_ id: String, _ text: [UInt8], since start: UInt64, after known: Version?) throws -> Version {
        guard let version = Version(id) else { throw Failed(description: "no version: '\(id.prefix(200))'") }
        record(.watch, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes), replaced: known)
        return version
    }

    /// A second is what the slowest may take to hear of the last version, if its publisher was killed; the rest is for a
    /// machine that is busy.
    static let patience = Duration.seconds(4)

    /// Waits, bounded, until a watcher has the last version, and writes down which one it has then.
    func recordEnd(of version: Version, _ last: () -> Version?) async {
        let deadline = ContinuousClock.now + Self.patience
        while last() != version, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
        recordEnd(last(), of: version)
    }

    func recordEnd(_ last: Version?, of version: Version) {
        let seen = last ?? Version(instance: version.instance, number: 0)
        record(.ended, since: HistoryFile.now, seen, digest: nil)
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
