public import CSharedMem
internal import SharedMemory
internal import Synchronization

@c @implementation
public func sharedmem_reader_open(_ segment: OpaquePointer?) -> OpaquePointer? {
    guard let segment = unsafe segment else {
        failForNull("segment")
        return nil
    }
    return unsafe Handle.with(segment) { handle in
        var opened: UnsafeMutablePointer<OpenReader>?
        attempt { () throws(SegmentError) in
            let reader = try handle.segment.makeReader()
            unsafe opened = .allocate(capacity: 1)
            handle.openReaders.add(1, ordering: .relaxed)
            unsafe opened?.initialize(to: OpenReader(handle: handle, reader: reader))
        }
        return unsafe opened.map { OpaquePointer($0) }
    }
}

@c @implementation
public func sharedmem_reader_read(_ reader: OpaquePointer?) -> UnsafePointer<sharedmem_borrow_t>? {
    guard let reader = unsafe reader else {
        failForNull("reader")
        return nil
    }
    let opened = unsafe UnsafeMutablePointer<OpenReader>(reader)
    guard unsafe opened.pointee.reader.isUpToDate || opened.pointee.renewText() == 0 else { return nil }
    return unsafe withUnsafePointer(to: &opened.pointee.text) { unsafe $0 }
}

@c @implementation
public func sharedmem_reader_unpin(_ reader: OpaquePointer?) {
    guard let reader = unsafe reader else { return }
    unsafe UnsafeMutablePointer<OpenReader>(reader).pointee.reader.unpin()
}

@c @implementation
public func sharedmem_reader_close(_ reader: OpaquePointer?) {
    guard let reader = unsafe reader else { return }
    let opened = unsafe UnsafeMutablePointer<OpenReader>(reader)
    let handle = unsafe opened.pointee.handle
    unsafe opened.deinitialize(count: 1)
    unsafe opened.deallocate()
    // Releasing: pairs with the look before detaching; the reader's last use comes before.
    handle.openReaders.subtract(1, ordering: .releasing)
}

/// The object behind a `sharedmem_reader_t *`.
@safe private struct OpenReader: ~Copyable {
    let handle: Handle
    var reader: Reader
    /// The text that C got last.
    var text = unsafe sharedmem_borrow_t()

    @inline(never)
    mutating func renewText() -> CInt {
        attempt { () throws(SegmentError) in
            try reader.renew()
            unsafe text = sharedmem_borrow_t(reader.publication)
            // Only the reader ends this.
            unsafe text.opaque = 0
        }
    }
}
