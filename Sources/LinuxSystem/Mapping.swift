internal import Glibc

/// A view of a whole file in this process's memory; a forked child does not inherit it.
@safe package struct Mapping: ~Copyable, @unchecked Sendable {
    package let address: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(_ file: borrowing FileDescriptor, byteCount: Int, writable: Bool) throws(SystemError) {
        // A core dump would fault in, and so allocate, every hole of a sparse file.
        let advice = [MADV_DONTFORK, MADV_DONTDUMP]
        let protection = PROT_READ | (writable ? PROT_WRITE : 0)
        let number = try file.number
        unsafe address = try map(number, byteCount, protection, flags: MAP_SHARED | MAP_NORESERVE, advice)
        self.byteCount = byteCount
    }

    deinit { unsafe munmap(address, byteCount) }
}

/// A page of this process's memory that is zero at first, and zero again in a forked child.
@safe @usableFromInline package struct WipedOnFork<Content: ~Copyable>: ~Copyable, @unchecked Sendable {
    @usableFromInline package let address: UnsafePointer<Content>

    /// `Content` must be valid as zeros.
    package init(_: Content.Type) throws(SystemError) {
        let byteCount = Int(getpagesize())
        precondition(MemoryLayout<Content>.size <= byteCount)
        let advice = [MADV_WIPEONFORK]
        let page = try unsafe map(-1, byteCount, PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS, advice)
        unsafe address = UnsafePointer(page.assumingMemoryBound(to: Content.self))
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: address), Int(getpagesize())) }

    @inlinable
    package var content: Content {
        @inline(__always) unsafeAddress { unsafe address }
    }
}

/// Maps memory, gives the kernel each piece of advice, and only then makes the memory accessible; on failure, undoes all.
private func map(
    _ descriptor: CInt, _ byteCount: Int, _ protection: CInt, flags: CInt, _ advice: [CInt]
) throws(SystemError) -> UnsafeMutableRawPointer {
    let mapped = unsafe mmap(nil, byteCount, PROT_NONE, flags, descriptor, /* offset: */ 0)
    guard let address = unsafe mapped, unsafe address != MAP_FAILED else {
        throw SystemError(call: "mmap", code: errno)
    }
    // After mlockall(MCL_FUTURE), the kernel would fill a mapping with memory as soon as it is accessible.
    let isReady =
        unsafe munlock(address, byteCount) == 0
        && advice.allSatisfy { unsafe madvise(address, byteCount, $0) == 0 }
        && mprotect(address, byteCount, protection) == 0
    guard isReady else {
        defer { unsafe munmap(address, byteCount) }
        throw SystemError(call: "mmap", code: errno)
    }
    return unsafe address
}
