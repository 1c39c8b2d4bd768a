import LinuxSystem

/// A segment's name: 1 to 200 of the characters `A-Z a-z 0-9 . _ -`, the first of which is not a dot.
public struct SegmentName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// - Throws: ``SegmentError/invalidName(_:)``
    public init(_ name: String) throws(SegmentError) {
        let isValid =
            (1...200).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".")
            && name.utf8.allSatisfy(Self.allows)
        guard isValid else { throw .invalidName(name) }
        description = name
    }

    /// Returns the default name: the environment variable `SHAREDMEM_NAME`, or `shared` if that is not set.
    ///
    /// - Throws: ``SegmentError/invalidName(_:)`` if the variable is not a name.
    public static func inEnvironment() throws(SegmentError) -> SegmentName {
        try SegmentName(Environment["SHAREDMEM_NAME"] ?? "shared")
    }

    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
