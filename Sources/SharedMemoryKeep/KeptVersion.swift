import LinuxSystem
package import SharedMemory

/// A version of a segment that is on disk, as its file's header describes it; `docs/keep.md` has the format.
package struct KeptVersion: Hashable, Sendable {
    package let name: String
    package let version: Version
    /// Counts the versions of the segment in its directory: the highest is the newest.
    ///
    /// Numbers of different instances cannot be compared, and a clock may go back.
    package let sequence: UInt64
    package let publicationTime: Timestamp
    /// The capacity of the segment that had this text.
    package let capacity: Int
    package let byteCount: Int

    package init(
        name: String, version: Version, sequence: UInt64, publicationTime: Timestamp, capacity: Int, byteCount: Int
    ) {
        (self.name, self.version, self.sequence) = (name, version, sequence)
        (self.publicationTime, self.capacity, self.byteCount) = (publicationTime, capacity, byteCount)
    }

    package var fileName: String { "\(name)@\(version)\(Self.suffix)" }

    private static let suffix = ".kept"

    /// Whether a file could be a version of a segment, by its name.
    static func isName(_ fileName: String, of segment: String) -> Bool {
        fileName.hasPrefix(segment + "@") && fileName.hasSuffix(suffix)
    }
}

extension KeptVersion {
    /// The segment that a file could be a version of, by its name; nil if it is not one.
    static func segmentName(ofFile fileName: String) -> String? {
        guard fileName.hasSuffix(suffix), let end = fileName.firstIndex(of: "@") else { return nil }
        return try? SegmentName(String(fileName[..<end])).description
    }

    /// Whether a file is one that a version was being written to.
    static func isTemporary(_ fileName: String) -> Bool { fileName.hasPrefix(".") && fileName.hasSuffix(".new") }
}

/// What is wrong with a file.
package struct Damage: Error, Hashable, Sendable {
    package let reason: String
}

// MARK: The bytes of a file

extension KeptVersion {
    /// The longest that a header can be.
    static let maximumHeaderByteCount = 512

    private static let magic = "sharedmem kept text 1\n"

    /// The lines that the checksum covers, in addition to the text.
    private var checkedLines: String {
        "\(Self.magic)name: \(name)\nversion: \(version)\nsequence: \(sequence)\n"
            + "time: \(publicationTime.nanosecondsSince1970)\ncapacity: \(capacity)\nbytes: \(byteCount)\n"
    }

    /// The header of the file that has this text.
    package func header(for text: Span<UInt8>) -> [UInt8] {
        let lines = checkedLines
        return Array("\(lines)crc64: \(checksum(lines, text))\n\n".utf8)
    }

    private func checksum(_ lines: String, _ text: Span<UInt8>) -> String {
        var checksum = Checksum()
        checksum.add(lines.utf8Span.span)
        checksum.add(text)
        let digits = String(checksum.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Reads a file, whole.
    ///
    /// - Returns: the version, and where its text begins.
    package static func parse(_ file: Span<UInt8>) throws(Damage) -> (KeptVersion, textOffset: Int) {
        let head = file.extracting(first: min(file.count, maximumHeaderByteCount))
        var lines = Lines(head.indices.map { head[$0] })
        guard lines.takes(magic) else { throw Damage(reason: "it does not begin as such a file does") }
        let name = try lines.value(of: "name")
        let version = Version(try lines.value(of: "version"))
        let sequence = UInt64(try lines.value(of: "sequence"))
        let time = UInt64(try lines.value(of: "time"))
        let capacity = Int(try lines.value(of: "capacity"))
        let byteCount = Int(try lines.value(of: "bytes"))
        let checksum = try lines.value(of: "crc64")
        // The last sequence number leaves room for a next one.
        guard (try? SegmentName(name)) != nil, let version, let sequence, sequence < 1 << 62, let time, let capacity,
            let byteCount, lines.takes("\n")
        else { throw Damage(reason: "its header is damaged") }
        let kept = KeptVersion(
            name: name, version: version, sequence: sequence, publicationTime: Timestamp(nanosecondsSince1970: time),
            capacity: capacity, byteCount: byteCount)
        let text = file.extracting(lines.offset..<file.count)
        guard text.count == byteCount else {
            throw Damage(reason: "it has \(text.count) bytes of text, and its header says \(byteCount)")
        }
        // As it would be written today: a header is not read in two ways.
        guard kept.checksum(kept.checkedLines, text) == checksum else {
            throw Damage(reason: "its checksum is wrong")
        }
        return (kept, lines.offset)
    }
}

/// Reads the lines of a header.
private struct Lines {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Skips these characters if they are next.
    mutating func takes(_ expected: String) -> Bool {
        guard bytes[offset...].starts(with: expected.utf8) else { return false }
        offset += expected.utf8.count
        return true
    }

    /// The rest of the next line, which must be the one that is asked for.
    mutating func value(of field: String) throws(Damage) -> String {
        guard takes("\(field): "), let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else {
            throw Damage(reason: "its header is damaged")
        }
        defer { offset = end + 1 }
        return String(decoding: bytes[offset..<end], as: UTF8.self)
    }
}
