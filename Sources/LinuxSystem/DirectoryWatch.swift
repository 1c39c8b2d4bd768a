internal import CLinux
internal import Glibc

/// Reports the names that come to a directory and the names that go (inotify(7)).
package final class DirectoryWatch: Sendable {
    private let descriptor: CInt

    package init(_ path: String) throws(SystemError) {
        descriptor = try systemCall("inotify_init1") { negatedErrno(inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK))) }
        let events = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB | IN_ONLYDIR
        do throws(SystemError) {
            _ = try systemCall("inotify_add_watch", on: path) {
                negatedErrno(unsafe inotify_add_watch(descriptor, path, UInt32(events)))
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

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
        var polls = [descriptor, end.descriptor].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
        while unsafe poll(&polls, 2, -1) <= 0 {}
        if polls[1].revents != 0 { return .end }
        return readEvents()
    }

    /// The events since the last call, without waiting; most often there are none.
    package func readEvents() -> Event {
        var names: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return .names(names) }
            // The mask is at offset 4 of each event, the length of the name at 12, and the name at 16.
            var position = 0
            while position + 16 <= count {
                let mask = Self.word(buffer, at: position + 4)
                let nameEnd = position + 16 + Int(Self.word(buffer, at: position + 12))
                // The directory itself has gone, or is no longer watched: that nothing is left is found by looking.
                if mask & UInt32(IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT) != 0 { return .overflow }
                let name = buffer[position + 16..<min(nameEnd, count)].prefix { $0 != 0 }
                if !name.isEmpty { names.insert(String(decoding: name, as: UTF8.self)) }
                position = nameEnd
            }
        }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}
