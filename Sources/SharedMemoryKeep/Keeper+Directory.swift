import LinuxSystem
package import SharedMemory

/// All segments of a directory, which come and go.
extension Keeper {
    /// Restores all segments that are kept, and keeps them from now on, once ``follow(_:_:)`` has said what their names lead to.
    ///
    /// - Parameters:
    ///   - isServed: whether a name is served; what is kept of others stays as it is.
    ///   - names: those of segments that there are besides.
    ///   - limit: the most segments that there may be; nothing is restored if there are more.
    /// - Returns: the names of those that are kept, sorted.
    package func restoreDirectory(
        with names: Set<String>, limit: Int, where isServed: (String) -> Bool
    ) throws(KeepError) -> [String] {
        guard let options = settings.wholeDirectory else { return [] }
        var files: [String: [String]] = [:]
        for file in try Self.orUnusable(storage, storage.names) {
            if let name = KeptVersion.segmentName(ofFile: file), isServed(name) {
                files[name, default: []].append(file)
            } else if KeptVersion.isTemporary(file) {
                try? storage.remove(file)
            }
        }
        let count = names.union(files.keys).count
        guard count <= limit else { throw .tooMany(count: count, limit: limit, path: storage.path) }
        var (segments, restoredCount): ([KeptSegment], Int) = ([], 0)
        for (name, files) in files.sorted(by: { $0.key < $1.key }) {
            var archive = try orUnreadable(name) { () throws(SystemError) in
                try Archive(
                    name, storage, limit: settings.versionCount, files: files, report: settings.report)
            }
            if archive.isEmpty { continue }
            if try archive.restore(options, report: settings.report) != nil { restoredCount += 1 }
            segments.append(KeptSegment(archive, ScannedSource(name, options, settings.report)))
        }
        if restoredCount > 0 {
            let texts = restoredCount == 1 ? "1 segment was" : "\(restoredCount) segments were"
            settings.report("\(texts) restored from \(storage.path)")
        }
        inbox.deliver { [segments] in $0.arrivals += segments }
        return segments.map(\.name)
    }

    /// Keeps the segment that a name leads to from now on; nil stands for none.
    ///
    /// The files of a segment that was unlinked go, if this library unlinked it. If its file has vanished in another way,
    /// they stay until the next segment of this name is set.
    package func follow(_ name: String, _ glance: SegmentGlance?) {
        inbox.deliver { $0.looks.append((name, glance)) }
    }

    /// Removes what is kept of a segment that was unlinked.
    ///
    /// - Parameter call: runs once that is on disk, or cannot be written now; the keeper keeps retrying. It runs in the
    ///   keeper's thread, or in the caller's while the keeper stops.
    package func remove(_ name: String, then call: (@Sendable (KeepOutcome) -> Void)? = nil) {
        let isAwaited = inbox.deliver { news in
            let isAwaited = news.stage == .open
            news.removals.append((name, isAwaited ? call : nil))
            return isAwaited
        }
        if !isAwaited { call?(.notKept(reason: "the server is shutting down")) }
    }
}
