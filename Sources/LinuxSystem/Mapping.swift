internal import CLinux
internal import Glibc

/// A view of a whole file in this process's memory; a forked child does not inherit it.
@safe package struct Mapping: ~Copyable, @unchecked Sendable {
    package let address: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(_ file: borrowing FileDescriptor, byteCount: Int, writable: Bool) throws(SystemError) {
        let number = file.number
        unsafe address = try mapped { unsafe clinux_map_shared(number, byteCount, writable, &$0) }
        self.byteCount = byteCount
    }

    deinit { unsafe munmap(address, byteCount) }
}

/// A page of this process's memory that is zero at first, and zero again in a forked child.
@safe @usableFromInline package struct WipedOnFork<Content: ~Copyable>: ~Copyable, @unchecked Sendable {
    @usableFromInline package let address: UnsafePointer<Content>

    /// `Content` must be valid as zeros.
    package init(_: Content.Type) throws(SystemError) {
        precondition(MemoryLayout<Content>.size <= clinux_page_size())
        let page = try unsafe mapped { unsafe clinux_map_wiped_on_fork(&$0) }
        unsafe address = UnsafePointer(page.assumingMemoryBound(to: Content.self))
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: address), clinux_page_size()) }

    @inlinable
    package var content: Content {
        @inline(__always) unsafeAddress { unsafe address }
    }
}

/// The address that a call which maps memory reports.
private func mapped(_ map: (inout UnsafeMutableRawPointer?) -> CInt) throws(SystemError) -> UnsafeMutableRawPointer {
    var address: UnsafeMutableRawPointer?
    try systemCall("mmap") { unsafe map(&address) }
    guard let address = unsafe address else { preconditionFailure("mmap returned neither an address nor an error") }
    return unsafe address
}
