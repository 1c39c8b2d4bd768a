import LinuxSystem
import SharedMemory

/// The segments of a directory that is kept whole, by their headers; for the keeper's thread alone.
///
/// Nothing announces what local processes set, so all headers are looked at from time to time: some loads for each.
final class DirectoryScan {
    private var sources: [String: ScannedSource] = [:]
    /// Segments that have just lost their names.
    private var departed: [(name: String, glance: SegmentGlance, until: Int)] = []
    private let periodMilliseconds: Int
    /// When to look next, in coarse milliseconds.
    private(set) var due = Int.max

    /// - Parameter intervalMilliseconds: how soon a change must be noticed, as far as that costs little.
    init(intervalMilliseconds: Int) { periodMilliseconds = min(max(intervalMilliseconds, 50), 250) }

    func add(_ name: String, _ source: ScannedSource) {
        sources[name] = source
        due = min(due, Clock.coarseMilliseconds + periodMilliseconds)
    }

    func remove(_ name: String) { sources[name] = nil }

    /// Remembers a segment that has lost its name for a while.
    ///
    /// The library unlinks a segment first, and then marks it: only the mark says that it was not lost in another way. Its
    /// memory is not free before it is forgotten.
    func remember(_ name: String, _ glance: SegmentGlance) {
        departed.append((name, glance, until: Clock.coarseMilliseconds + 2000))
        due = 0
    }

    /// Looks at all segments.
    ///
    /// - Returns: the names of those that have changed, and of those that the library unlinked.
    func look() -> (changed: [String], unlinked: [String]) {
        let now = Clock.coarseMilliseconds
        var (changed, unlinked): ([String], [String]) = ([], [])
        for (name, source) in sources {
            if source.isUnlinked { unlinked.append(name) } else if source.hasNews { changed.append(name) }
        }
        departed.removeAll { segment in
            if segment.glance.isRetired { unlinked.append(segment.name) }
            return segment.glance.isRetired || now >= segment.until
        }
        due = sources.isEmpty && departed.isEmpty ? .max : now + periodMilliseconds
        return (changed, unlinked)
    }
}
