import LinuxSystem
import SharedMemory

/// A segment in the list of `top`, as of the last look at its header.
struct TopEntry {
    let glance: SegmentGlance
    private(set) var version: Version
    private(set) var byteCount = 0
    private(set) var changed: Timestamp?
    private(set) var setter: SettingProcess?
    /// Nil before a second measurement.
    private(set) var changesPerSecond: Double?
    /// Nil if it cannot be found out.
    private(set) var attachmentCount: Int?
    private var measured: Version?

    init(_ glance: SegmentGlance) {
        self.glance = glance
        version = glance.version
        describe()
    }

    /// Looks at the header; takes nanoseconds.
    ///
    /// - Returns: whether the text was set since the last look.
    mutating func look() -> Bool {
        let latest = glance.version
        guard latest != version else { return false }
        version = latest
        describe()
        return true
    }

    private mutating func describe() {
        guard let (info, setter) = try? glance.publication() else { return }
        (byteCount, self.setter) = (info.byteCount, setter)
        changed = setter == nil ? nil : info.publicationTime
    }

    /// - Parameter seconds: how long ago the last measurement was; nil if there was none.
    mutating func measure(_ locks: AttachmentLocks, seconds: Double?) {
        attachmentCount = glance.attachmentCount(locks)
        if let seconds, let measured { changesPerSecond = (Double(version.number) - Double(measured.number)) / seconds }
        measured = version
    }
}

/// By what `top` sorts.
enum TopOrder: String, CaseIterable {
    case name, changes, bytes, attached

    init?(key: UInt8) {
        guard let order = Self.allCases.first(where: { $0.rawValue.utf8.first == key }) else { return nil }
        self = order
    }

    /// The largest comes first; nil for the order of names.
    func rank(_ entry: TopEntry) -> Double? {
        switch self {
        case .name: nil
        case .changes: entry.changesPerSecond ?? 0
        case .bytes: Double(entry.byteCount)
        case .attached: Double(entry.attachmentCount ?? 0)
        }
    }
}
