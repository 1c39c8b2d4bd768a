internal import CLinux
internal import Glibc

/// Sleeps until one of several files changes, however it is written or replaced.
///
/// It watches the directories that a file's path leads through at its end: that of the path itself and, if the path is a
/// symbolic link, that of the file it leads to. A file that is renamed over the old one has no other trace.
package final class FileWatch: Sendable {
    private let paths: [String]
    private let descriptor: CInt

    package init(_ paths: [String]) throws(SystemError) {
        let descriptor = try systemCall("inotify_init1") {
            negatedErrno(inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK)))
        }
        (self.paths, self.descriptor) = (paths, descriptor)
        for path in paths { try watchDirectories(of: path) }
    }

    deinit { close(descriptor) }

    private func watchDirectories(of path: String) throws(SystemError) {
        // A directory that is watched already stays so.
        try watch(directoryOf: path)
        let target = unsafe realpath(path, nil)
        guard let target = unsafe target else { return }
        defer { unsafe free(target) }
        try watch(directoryOf: unsafe String(cString: target))
        // The file, too: where it alone is mounted, what happens to it happens in a directory that is not seen here.
        _ = unsafe inotify_add_watch(descriptor, target, UInt32(IN_CLOSE_WRITE | IN_ATTRIB))
    }

    private func watch(directoryOf path: String) throws(SystemError) {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB
        _ = try systemCall("inotify_add_watch", on: directory) {
            negatedErrno(unsafe inotify_add_watch(descriptor, directory, UInt32(events)))
        }
    }

    /// Waits until something has happened in one of the directories, or until `end` is signalled.
    ///
    /// - Returns: false if `end` was.
    package func wait(orUntil end: borrowing EventDescriptor) -> Bool {
        var polls = [descriptor, end.descriptor].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
        while unsafe poll(&polls, 2, -1) <= 0 {}
        if polls[1].revents != 0 { return false }
        var events = [UInt8](repeating: 0, count: 4096)
        while unsafe read(descriptor, &events, events.count) > 0 {}
        // A path may lead elsewhere by now.
        for path in paths { try? watchDirectories(of: path) }
        return true
    }
}
