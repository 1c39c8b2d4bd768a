import LinuxSystem

/// A segment's name: 1 to 200 of the characters `A-Z a-z 0-9 . _ -`, the first of which is not a dot.
public struct SegmentName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// - Throws: ``SegmentError/invalidName(_:)``
    public init(_ name: String) throws(SegmentError) {
        guard (1...200).contains(name.utf8.count), !name.hasPrefix("."), name.unicodeScalars.allSatisfy(Self.allows)
        else { throw .invalidName(name) }
        description = name
    }

    /// Returns the default name: the environment variable `SHAREDMEM_NAME`, or `shared` if that is not set.
    ///
    /// - Throws: ``SegmentError/invalidName(_:)`` if the variable is not a name.
    public static func inEnvironment() throws(SegmentError) -> SegmentName {
        try SegmentName(Environment["SHAREDMEM_NAME"] ?? "shared")
    }

    private static func allows(_ character: Unicode.Scalar) -> Bool {
        switch character {
        case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "-": true
        default: false
        }
    }
}
