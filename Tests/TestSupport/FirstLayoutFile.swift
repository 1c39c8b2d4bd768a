import Foundation

/// A segment's file of layout version 1, written byte by byte after `docs/format.md` of version 0.1.0.
public struct FirstLayoutFile: Sendable {
    public var capacity: UInt64 = 1 << 20
    public var instance: UInt64 = 0x0123_4567_89ab_cdef
    /// 0 = while attached, 1 = persistent.
    public var lifetime: UInt32 = 1
    /// What is persistent since: the word at 128.
    public var sticky: UInt32 = 0
    /// 0 = never set.
    public var number: UInt64 = 7
    public var slot: UInt64 = 190
    public var text = Data("from layout 1".utf8)
    /// Nil for the text's own.
    public var byteCount: UInt64?
    /// Nil for the number.
    public var stamp: UInt64?
    public var mode = 0o600
    public var creationTime: UInt64 = 1_790_000_000_000_000_000
    public var publicationTime: UInt64 = 1_790_000_001_000_000_000
    /// Nil for this kernel's.
    public var bootID: (UInt64, UInt64)?
    public var layoutVersion: UInt32 = 1
    public var features: UInt64 = 0

    public init() {}

    public func write(to path: String) throws {
        let line = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let digits = line.filter(\.isHexDigit)
        guard let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16) else {
            throw CocoaError(.fileReadCorruptFile)
        }
        let boot = bootID ?? (high, low)
        _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: mode])
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let stride = (capacity + 4095) / 4096 * 4096
        try file.truncate(atOffset: 24_576 + 191 * stride)
        func put(_ numbers: [any FixedWidthInteger], at offset: UInt64) throws {
            try file.seek(toOffset: offset)
            for number in numbers { try file.write(contentsOf: Self.bytes(number)) }
        }
        try file.seek(toOffset: 0)
        try file.write(contentsOf: Data("sharedm\0".utf8))
        try put([layoutVersion, lifetime, capacity, instance, boot.0, boot.1, creationTime, features], at: 8)
        try put([number << 8 | slot], at: 64)
        try put([sticky], at: 128)
        if number > 0 {
            let reserved = (UInt64(text.count) + 4095) / 4096 * 4096
            try put(
                [UInt64(0), stamp ?? number, byteCount ?? UInt64(text.count), reserved, publicationTime],
                at: 4288 + 64 * slot)
            try file.seek(toOffset: 24_576 + slot * stride)
            try file.write(contentsOf: text)
        }
        try file.close()
    }

    /// Little-endian.
    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> Data {
        withUnsafeBytes(of: number.littleEndian) { Data($0) }
    }
}
