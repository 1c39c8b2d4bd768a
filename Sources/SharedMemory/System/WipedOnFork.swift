import CLinux
internal import Glibc

/// A page of this process's memory that is zero at first, and zero again in a forked child.
@safe struct WipedOnFork<Content: ~Copyable>: ~Copyable, @unchecked Sendable {
    let address: UnsafePointer<Content>

    /// `Content` must be valid as zeros.
    init(_: Content.Type) throws(SegmentError) {
        precondition(MemoryLayout<Content>.size <= clinux_page_size())
        var address: UnsafeMutableRawPointer?
        try systemCall("mmap") { unsafe clinux_map_wiped_on_fork(&address) }
        guard let address = unsafe address else { preconditionFailure("mmap returned neither an address nor an error") }
        unsafe self.address = UnsafePointer(address.assumingMemoryBound(to: Content.self))
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: address), clinux_page_size()) }

    var content: Content {
        @inline(__always) unsafeAddress { unsafe address }
    }
}
