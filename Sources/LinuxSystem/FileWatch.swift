internal import CLinux
internal import Glibc
internal import Synchronization

/// Sleeps until one of several files changes, however it is written or replaced.
///
/// It watches every directory in which a part of a file's path is looked up, through symbolic links. A file that is
/// renamed over the old one, or a link that is exchanged for another, has no other trace.
package final class FileWatch: Sendable {
    private let paths: [String]
    private let inotify: Inotify
    /// The names that the paths lead through in each watched directory; none for a file.
    private let names = Mutex<[CInt: Set<String>]>([:])

    /// - Throws: if the directory that a path leads to last cannot be watched.
    package init(_ paths: [String]) throws(SystemError) {
        self.paths = paths
        inotify = try Inotify()
        try watch()
    }

    /// Watches what the paths lead through now, and nothing else.
    private func watch() throws(SystemError) {
        let inDirectories = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB
        let inFiles = IN_CLOSE_WRITE | IN_ATTRIB
        var found: [CInt: Set<String>] = [:]
        var failure: SystemError?
        for path in paths {
            // A directory further up that only lets itself be searched is not watched.
            var last: SystemError?
            let target = Directory.lookUp(path) { directory, name in
                do throws(SystemError) {
                    // Before the name is looked up, so that no change after that is missed.
                    found[try inotify.watch(directory, for: Int(inDirectories)), default: []].insert(name)
                    last = nil
                } catch {
                    last = error
                }
            }
            failure = failure ?? last
            // The file, too: where it alone is mounted, what happens to it happens in a directory that is not seen here.
            if let target, let file = try? inotify.watch(target, for: Int(inFiles)), found[file] == nil {
                found[file] = []
            }
        }
        names.withLock { names in
            for watch in names.keys where found[watch] == nil { inotify.stop(watching: watch) }
            names = found
        }
        if let failure { throw failure }
    }

    /// Waits until something has happened to one of the files or on the way to it, or until `end` is signalled.
    ///
    /// - Returns: false if `end` was.
    package func wait(orUntil end: borrowing EventDescriptor) -> Bool {
        repeat {
            var polls = [inotify.descriptor, end.descriptor].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
            while unsafe poll(&polls, 2, -1) <= 0 {}
            if polls[1].revents != 0 { return false }
        } while !hasChanged()
        return true
    }

    /// Waits until something has happened to one of the files or on the way to it.
    ///
    /// - Returns: false if the time is up, or a signal was handled.
    package func wait(timeoutMilliseconds: Int) -> Bool {
        let end = Clock.monotonicNanoseconds(after: .milliseconds(timeoutMilliseconds))
        repeat {
            let milliseconds = (end - Clock.monotonicNanoseconds + 999_999) / 1_000_000
            var state = pollfd(fd: inotify.descriptor, events: CShort(POLLIN), revents: 0)
            guard milliseconds > 0, unsafe poll(&state, 1, CInt(clamping: milliseconds)) > 0 else { return false }
        } while !hasChanged()
        return true
    }

    /// Whether what has happened since the last call concerns a file; then a path may lead elsewhere by now.
    private func hasChanged() -> Bool {
        let events = inotify.readEvents()
        let isConcerned = names.withLock { names in
            events.contains { event in
                // Without a name it is the file, the directory itself, or more than the system could keep.
                event.watch < 0 || names[event.watch].map { event.name.isEmpty || $0.contains(event.name) } ?? false
            }
        }
        if isConcerned { try? watch() }
        return isConcerned
    }
}
