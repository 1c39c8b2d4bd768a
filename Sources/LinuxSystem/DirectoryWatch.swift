internal import CLinux
internal import Glibc

/// Reports the names that come to a directory and the names that go.
package final class DirectoryWatch: Sendable {
    private let inotify: Inotify

    package init(_ path: String) throws(SystemError) {
        inotify = try Inotify()
        let events = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB | IN_ONLYDIR
        _ = try inotify.watch(path, for: Int(events))
    }

    package enum Event: Equatable, Sendable {
        /// Something has happened to these names: look at what they lead to.
        case names(Set<String>)
        /// More has happened than the system could keep: look at the whole directory.
        case overflow
        /// `end` was signalled.
        case end
    }

    /// Waits until something has happened in the directory, or until `end` is signalled.
    package func wait(orUntil end: borrowing EventDescriptor) -> Event {
        var polls = [inotify.descriptor, end.descriptor].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
        while unsafe poll(&polls, 2, -1) <= 0 {}
        if polls[1].revents != 0 { return .end }
        return readEvents()
    }

    /// The events since the last call, without waiting; most often there are none.
    package func readEvents() -> Event {
        let events = inotify.readEvents()
        // The directory itself has gone, or is no longer watched: that nothing is left is found by looking.
        let isAll = events.contains { $0.mask & UInt32(IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT) != 0 }
        return isAll ? .overflow : .names(Set(events.map(\.name).filter { !$0.isEmpty }))
    }
}
