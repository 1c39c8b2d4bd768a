import Foundation

/// Where a segment's file has its fields, by `docs/format.md` rather than by the library's own constants.
public enum SegmentFormat {
    public static let pinCount = 64
    public static let rowCount = 126
    public static let slotCount = 191
    /// Everything before the slots.
    public static let headerByteCount = 24_576

    public static let currentOffset = 64
    public static let stateOffset = 128
    public static func pinOffset(_ pin: Int) -> Int { 192 + 64 * pin }
    public static func slotHeaderOffset(_ slot: Int) -> Int { 4288 + 64 * slot }
    public static func rowOffset(_ row: Int) -> Int { 16_512 + 64 * row }

    /// How many pins are taken and how many slots are claimed in the file at `path`.
    public static func usage(ofFile path: String) throws -> (pins: Int, claims: Int) {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        let header = try file.read(upToCount: headerByteCount) ?? Data()
        return header.withUnsafeBytes { bytes in
            func isSet(_ offset: Int) -> Bool { bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 }
            return (
                (0..<pinCount).count { isSet(pinOffset($0)) }, (0..<slotCount).count { isSet(slotHeaderOffset($0)) }
            )
        }
    }
}
