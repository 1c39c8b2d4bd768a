import Foundation

/// A file to which a process appends its operations, so that nothing it was told is lost when it is killed.
public final class HistoryFile: Sendable {
    private let descriptor: CInt

    public init(_ path: String) throws {
        descriptor = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure(description: "\(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    public func append(_ operation: History.Operation) {
        let words = operation.words
        let count = words.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        precondition(count == History.Operation.byteCount, "cannot write the history")
    }

    /// Nanoseconds of the clock that all processes of a host share.
    public static var now: UInt64 { clock_gettime_nsec(CLOCK_MONOTONIC) }
}

extension History {
    /// Reads all files in a directory.
    public init(readingFilesIn directory: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)"))
            data.withUnsafeBytes { bytes in
                // If the last record is cut off, its process was killed while writing it.
                for index in 0..<bytes.count / Operation.byteCount {
                    append(Operation(Operation.words(of: bytes, at: index)))
                }
            }
        }
    }
}

extension History.Operation {
    /// The last operation in a file; nil before the first.
    public static func last(inFile path: String) -> History.Operation? {
        guard let file = FileHandle(forReadingAtPath: path), let end = try? file.seekToEnd() else { return nil }
        let count = UInt64(byteCount)
        guard end >= count, (try? file.seek(toOffset: end / count * count - count)) != nil else { return nil }
        return (try? file.read(upToCount: byteCount)).flatMap { data in
            data.count < byteCount ? nil : data.withUnsafeBytes { History.Operation(words(of: $0, at: 0)) }
        }
    }

    /// The size of a record, which the worker in C writes too.
    static let wordCount = 8
    static let byteCount = wordCount * 8

    fileprivate var words: [UInt64] {
        let what = UInt64(kind.rawValue) | UInt64(interface.rawValue) << 8 | UInt64(processID) << 32
        let flags: UInt64 = (digest == nil ? 0 : 1) | (replaced == nil ? 0 : 2)
        return [what, flags, start, end, instance, number, digest ?? 0, replaced ?? 0]
    }

    fileprivate static func words(of bytes: UnsafeRawBufferPointer, at index: Int) -> [UInt64] {
        (0..<wordCount).map { bytes.loadUnaligned(fromByteOffset: index * byteCount + $0 * 8, as: UInt64.self) }
    }

    fileprivate init(_ words: [UInt64]) {
        guard let kind = Kind(rawValue: UInt8(words[0] & 0xff)),
            let interface = Interface(rawValue: UInt8(words[0] >> 8 & 0xff))
        else { preconditionFailure("not a record of a history: \(words)") }
        self.init(
            kind, interface, processID: UInt32(words[0] >> 32), start: words[2], end: words[3], instance: words[4],
            number: words[5], digest: words[1] & 1 == 0 ? nil : words[6], replaced: words[1] & 2 == 0 ? nil : words[7])
    }
}

private func clock_gettime_nsec(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
