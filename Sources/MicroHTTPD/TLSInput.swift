internal import Glibc
import LinuxSystem

/// What has arrived at a socket and GnuTLS has not asked for yet.
///
/// GnuTLS asks for a record in two pieces, its five bytes of head first. Most requests come in one record, and so they are
/// received with one call.
///
/// libmicrohttpd asks until nothing is left: nothing stays here while it waits for an event.
@safe struct TLSInput: ~Copyable {
    private var start: UnsafeMutableRawPointer?
    private var unread = 0..<0

    private static let room = 2 << 10

    deinit { unsafe free(start) }

    /// Fills as much of `target` as there is, as `recv` does.
    mutating func receive(_ target: UnsafeMutableRawBufferPointer, from descriptor: CInt) -> Int {
        if unread.isEmpty {
            if target.count >= Self.room {
                return unsafe recv(descriptor, target.baseAddress, target.count, 0)
            }
            if unsafe start == nil { unsafe start = malloc(Self.room) }
            guard let start = unsafe start else {
                errno = ENOMEM
                return -1
            }
            let count = unsafe recv(descriptor, start, Self.room, 0)
            if count <= 0 { return count }
            unread = 0..<count
        }
        let count = min(target.count, unread.count)
        if let start = unsafe start {
            unsafe target.baseAddress?.copyMemory(from: start + unread.lowerBound, byteCount: count)
        }
        unread = unread.dropFirst(count)
        return count
    }
}
