import LinuxSystem

/// A moment on the host's wall clock.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    public let nanosecondsSince1970: UInt64

    public init(nanosecondsSince1970: UInt64) { self.nanosecondsSince1970 = nanosecondsSince1970 }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    public var secondsSince1970: UInt64 { nanosecondsSince1970 / 1_000_000_000 }

    package static var now: Timestamp { Timestamp(nanosecondsSince1970: Clock.realtimeNanoseconds) }

    public static func < (earlier: Timestamp, later: Timestamp) -> Bool {
        earlier.nanosecondsSince1970 < later.nanosecondsSince1970
    }
}
