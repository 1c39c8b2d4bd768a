import LinuxSystem
import SharedMemory

/// All segments in a directory, kept current by a look at the header of each.
struct TopList {
    private let directory: SegmentDirectory
    private let trustedOwners: Set<TrustedOwner>
    private let watch: DirectoryWatch
    /// Sorted by name.
    private(set) var entries: [TopEntry] = []
    /// The names of segments that cannot be read.
    private(set) var unreadable: Set<String> = []
    private var measuredNanoseconds: Int?

    init(_ location: SegmentLocation) throws {
        (directory, trustedOwners) = (try SegmentDirectory(location.directory), try location.trusted)
        watch = try DirectoryWatch(directory.path)
        lookAtAll(try directory.names())
        measure()
    }

    var path: String { directory.path }

    /// Looks at what has changed.
    ///
    /// - Returns: whether anything has.
    mutating func look() -> Bool {
        var hasChanged = lookAtNames()
        for index in entries.indices where entries[index].look() { hasChanged = true }
        return hasChanged
    }

    /// Measures rates and counts attachments, which takes longer than a look.
    mutating func measure() {
        let now = Clock.monotonicNanoseconds
        let seconds = measuredNanoseconds.map { Double(now - $0) / 1e9 }
        let locks = AttachmentLocks()
        for index in entries.indices { entries[index].measure(locks, seconds: seconds) }
        measuredNanoseconds = now
    }

    func sorted(by order: TopOrder) -> [TopEntry] {
        guard order != .name else { return entries }
        // Equal ones stay in the order of their names.
        let ranks = entries.indices.map { (rank: order.rank(entries[$0]) ?? 0, index: $0) }
        return ranks.sorted { $0.rank != $1.rank ? $0.rank > $1.rank : $0.index < $1.index }.map { entries[$0.index] }
    }

    // MARK: Names

    private mutating func lookAtNames() -> Bool {
        switch watch.readEvents() {
        case .end: return false
        case .names(let files) where files.isEmpty: return false
        case .names(let files): return lookAtSome(files.compactMap(SegmentDirectory.segmentName))
        case .overflow:
            lookAtAll((try? directory.names()) ?? [])
            return true
        }
    }

    private mutating func lookAtAll(_ names: [String]) {
        let known = Dictionary(uniqueKeysWithValues: entries.map { ($0.glance.name, $0) })
        unreadable = []
        entries = names.compactMap { name in
            if let entry = known[name], !entry.glance.hasLostName { return entry }
            return entry(name)
        }
    }

    private mutating func lookAtSome(_ names: [String]) -> Bool {
        var hasChanged = false
        for name in names {
            let index = firstIndex(from: name)
            if index < entries.endIndex, entries[index].glance.name == name {
                // Its file's times and permissions may have changed, which is no change to the text.
                guard entries[index].glance.hasLostName else { continue }
                entries.remove(at: index)
            }
            unreadable.remove(name)
            if let entry = entry(name) { entries.insert(entry, at: index) }
            hasChanged = true
        }
        return hasChanged
    }

    /// Where a name is, or would be.
    private func firstIndex(from name: String) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].glance.name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func entry(_ name: String) -> TopEntry? {
        do throws(SegmentError) {
            return TopEntry(try SegmentGlance(name, directory: directory.path, trustedOwners: trustedOwners))
        } catch {
            switch error {
            case .notFound, .leftover: break
            default: unreadable.insert(name)
            }
            return nil
        }
    }
}
