import LinuxSystem
import SharedMemory

/// Removing the versions of a segment that was removed.
extension Archive {
    /// Notes that the segment was removed, and that the next one of its name is another.
    package mutating func beginAnew() {
        (startsAnew, restored) = (!isEmpty, nil)
    }

    /// The versions that belong to the history of a segment; nil stands for no segment.
    func versions(seenFrom instance: UInt64?) -> [KeptVersion] {
        startsAnew ? versions.filter { $0.version.instance == instance } : versions
    }

    /// The versions of other instances than this one, oldest first, with those whose names may not be on disk.
    func others(than instance: UInt64?) -> [KeptVersion] {
        (versions + published).filter { $0.version.instance != instance }
    }

    /// Removes a file that may have been removed before.
    func removeFile(of kept: KeptVersion) throws(SystemError) {
        do throws(SystemError) {
            try storage.remove(kept.fileName)
        } catch let error where error.isForMissingFile {
        }
    }

    /// Whether nothing is kept.
    var isEmpty: Bool { versions.isEmpty && published.isEmpty }

    /// Notes that the versions of other instances are gone.
    package mutating func noteRemoved(except instance: UInt64?) {
        versions.removeAll { $0.version.instance != instance }
        published.removeAll { $0.version.instance != instance }
        startsAnew = false
    }
}

// MARK: The steps

extension Archive {
    /// Removes all but the newest of the versions of other segments than this one.
    ///
    /// That one comes last, once the storage was synchronized: whenever this is cut short, no older text takes its place.
    func removeOlder(except instance: UInt64?) throws(SystemError) {
        for kept in others(than: instance).dropLast() { try removeFile(of: kept) }
    }

    /// Removes the newest version of other segments than this one; it is gone once the storage is synchronized, and then
    /// ``noteRemoved(except:)`` follows.
    func removeNewest(except instance: UInt64?) throws(SystemError) {
        if let newest = others(than: instance).last { try removeFile(of: newest) }
    }
}
