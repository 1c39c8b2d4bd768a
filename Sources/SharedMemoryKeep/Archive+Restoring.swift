import LinuxSystem
package import SharedMemory

extension Archive {
    /// Sets a segment's text to the newest kept version if the segment does not exist or was never set.
    ///
    /// The restored text is the first version of a new instance, because the segment is a new one: no client that knows a
    /// version from before takes it for that version.
    ///
    /// - Returns: the version that it was restored from, and the one that it became; nil if it was not restored.
    mutating func restore(
        _ options: AttachmentOptions, report: (String) -> Void
    ) throws(KeepError) -> (from: Version, to: Version)? {
        guard let newest else { return nil }
        let segment: Segment
        do throws(SegmentError) {
            segment = try Self.attach(name, options, capacity: newest.capacity)
            guard try segment.version.number == 0 else { return nil }
        } catch {
            throw .segment(name: name, error)
        }
        // If a file turns out to be damaged, the one before it is next.
        while let kept = self.newest {
            let outcome: Result<Version, SegmentError>?
            do throws(SystemError) {
                outcome = try withText(of: kept.version, report: report) { _, text in
                    Result { () throws(SegmentError) in try segment.set(utf8: text) { $0.version.number == 0 } }
                }
            } catch {
                throw .unreadable(name: name, path: kept.fileName, reason: error.reason)
            }
            switch outcome {
            case nil: continue
            case .success(let version):
                PausePoint.keepRestored.reached()
                noteRestored(as: version)
                return (kept.version, version)
            case .failure(.versionMismatch): return nil
            // The server that replicates the segment sets its text.
            case .failure(.replicated): return nil
            case .failure(.tooLong(let byteCount, let capacity)):
                throw .tooLong(name: name, byteCount: byteCount, capacity: capacity)
            case .failure(let error): throw .segment(name: name, error)
            }
        }
        return nil
    }

    /// Attaches to the segment, or creates it with the requested capacity or, if none is requested, with this one.
    package static func attach(
        _ name: String, _ options: AttachmentOptions, capacity: Int
    ) throws(SegmentError) -> Segment {
        guard options.capacity == nil else { return try Segment.attach(name, options) }
        var likeBefore = options
        likeBefore.capacity = capacity
        do throws(SegmentError) {
            return try Segment.attach(name, likeBefore)
        } catch .capacityMismatch {
            return try Segment.attach(name, options)
        }
    }
}
