import CLinux
internal import Glibc

/// A view of a whole file in this process's memory; not inherited by a forked child.
@safe struct Mapping: ~Copyable, @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    let byteCount: Int

    init(_ file: borrowing FileDescriptor, byteCount: Int, writable: Bool) throws(SegmentError) {
        let number = file.number
        var mapped: UnsafeMutableRawPointer?
        try systemCall("mmap") { unsafe clinux_map_shared(number, byteCount, writable, &mapped) }
        guard let mapped = unsafe mapped else { preconditionFailure("mmap returned neither an address nor an error") }
        unsafe address = mapped
        self.byteCount = byteCount
    }

    deinit { unsafe munmap(address, byteCount) }
}
