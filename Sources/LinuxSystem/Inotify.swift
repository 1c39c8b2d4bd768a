internal import CLinux
internal import Glibc

/// Reports what happens to files and to the names in directories (inotify(7)).
struct Inotify: ~Copyable {
    let descriptor: CInt

    struct Event {
        /// What ``watch(_:for:)`` returned; −1 if more has happened than the system could keep.
        let watch: CInt
        let mask: UInt32
        /// The name in the watched directory; empty for what was watched itself.
        let name: String
    }

    init() throws(SystemError) {
        descriptor = try systemCall("inotify_init1") { negatedErrno(inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK))) }
    }

    deinit { close(descriptor) }

    /// Watches a file or a directory, which may be watched already.
    ///
    /// - Returns: a number that is the same for all paths to the same file.
    func watch(_ path: String, for events: Int) throws(SystemError) -> CInt {
        try systemCall("inotify_add_watch", on: path) {
            negatedErrno(unsafe inotify_add_watch(descriptor, path, UInt32(events)))
        }
    }

    func stop(watching watch: CInt) { _ = inotify_rm_watch(descriptor, watch) }

    /// The events since the last call, without waiting.
    func readEvents() -> [Event] {
        var events: [Event] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return events }
            // Each event begins with its watch; its mask is at offset 4, the length of its name at 12, its name at 16.
            var position = 0
            while position + 16 <= count {
                let nameEnd = position + 16 + Int(Self.word(buffer, at: position + 12))
                let name = buffer[position + 16..<min(nameEnd, count)].prefix { $0 != 0 }
                events.append(
                    Event(
                        watch: CInt(bitPattern: Self.word(buffer, at: position)),
                        mask: Self.word(buffer, at: position + 4), name: String(decoding: name, as: UTF8.self)))
                position = nameEnd
            }
        }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}
