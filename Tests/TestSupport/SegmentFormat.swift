import Foundation

/// Where a segment's file has its fields, by `docs/format.md` rather than by the library's own constants.
public struct SegmentFormat: Sendable {
    public let pinCount: Int
    public let rowCount: Int

    public init(pinCount: Int = 1024, rowCount: Int = 1024) {
        self.pinCount = pinCount
        self.rowCount = rowCount
    }

    /// The format of the file at `path`, by its identity.
    public init(ofFile path: String) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        let identity = try file.read(upToCount: 80) ?? Data()
        guard identity.count == 80 else { throw CocoaError(.fileReadCorruptFile) }
        func number(_ offset: Int) -> Int {
            identity.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
        }
        self.init(pinCount: number(68), rowCount: number(64))
    }

    public var slotCount: Int { pinCount + rowCount + 1 }
    /// Everything before the slots.
    public var headerByteCount: Int { (rowOffset(rowCount) + 4095) / 4096 * 4096 }
    /// What a new segment's header takes: a page for what comes before the pins, and one for each table, unless the first
    /// lines of two tables share one.
    public static let memoryByteCount = 3 * 4096

    public static let currentOffset = 128
    public static let stateOffset = 192
    public static let marksOffset = 256
    public func pinOffset(_ pin: Int) -> Int { 320 + 64 * pin }
    public func slotHeaderOffset(_ slot: Int) -> Int { pinOffset(pinCount) + 64 * slot }
    public func rowOffset(_ row: Int) -> Int { slotHeaderOffset(slotCount) + 64 * row }

    /// How many pins are taken and how many slots are claimed in the file at `path`.
    public static func usage(ofFile path: String) throws -> (pins: Int, claims: Int) {
        let format = try SegmentFormat(ofFile: path)
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        let header = try file.read(upToCount: format.headerByteCount) ?? Data()
        return header.withUnsafeBytes { bytes in
            func isSet(_ offset: Int) -> Bool { bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 }
            return (
                (0..<format.pinCount).count { isSet(format.pinOffset($0)) },
                (0..<format.slotCount).count { isSet(format.slotHeaderOffset($0)) }
            )
        }
    }
}
