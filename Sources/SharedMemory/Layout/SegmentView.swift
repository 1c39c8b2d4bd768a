import LinuxSystem
import Synchronization

/// A mapped segment: its header, and its slots' bytes.
///
/// It does not own the mapping. What is read through it may be anything if something other than
/// this library wrote to the file, so whatever selects memory is checked first.
@safe struct SegmentView: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    let capacity: Int
    let slotStride: Int

    init(_ mapping: borrowing Mapping, capacity: Int) {
        precondition(mapping.byteCount == Layout.fileByteCount(capacity: capacity))
        unsafe base = mapping.address
        self.capacity = capacity
        slotStride = Layout.stride(capacity: capacity)
    }

    var header: Header {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(base.assumingMemoryBound(to: Header.self)) }
    }

    /// Loads the current publication and says whether it can be one.
    @inline(__always)
    func loadCurrent() -> PublicationWord {
        // Sequentially consistent: it pairs with the claims and pins around it; on most processors
        // a plain load.
        PublicationWord(rawValue: header.current.word.load(ordering: .sequentiallyConsistent))
    }

    var currentWord: UnsafePointer<AtomicWord> {
        unsafe UnsafePointer((base + Layout.currentOffset).assumingMemoryBound(to: AtomicWord.self))
    }

    /// The half of `current` that every publication changes.
    var futexWord: UnsafeRawPointer { unsafe UnsafeRawPointer(base + Layout.currentOffset) }

    /// All of a slot's room.
    @inline(__always)
    func room(ofSlot slot: Int) -> UnsafeMutableRawBufferPointer {
        precondition(slot < Layout.slotCount)
        return unsafe UnsafeMutableRawBufferPointer(
            start: base + Layout.slotsOffset + slot * slotStride, count: slotStride)
    }

    /// A slot's text; nil when its byte count can not be.
    @inline(__always)
    func text(ofSlot slot: Int) -> UnsafeRawBufferPointer? {
        let byteCount = header.slots[slot].byteCount.load(ordering: .relaxed)
        guard byteCount <= UInt64(capacity) else { return nil }
        return unsafe UnsafeRawBufferPointer(start: room(ofSlot: slot).baseAddress, count: Int(byteCount))
    }

    @inline(__always)
    func pin(_ index: Int) -> UnsafePointer<PinLine> {
        unsafe UnsafePointer(
            (base + Layout.pinsOffset + index * Layout.lineByteCount).assumingMemoryBound(to: PinLine.self))
    }

    /// Copies a slot's first words, each whole, while a writer may be writing them.
    func loadWords(ofSlot slot: Int, into copy: UnsafeMutableRawBufferPointer) {
        let room = unsafe room(ofSlot: slot)
        precondition(copy.count % 8 == 0 && copy.count <= room.count)
        for offset in stride(from: 0, to: copy.count, by: 8) {
            let word = unsafe (room.baseAddress.unsafelyUnwrapped + offset).assumingMemoryBound(to: AtomicWord.self)
            unsafe copy.storeBytes(
                of: word.pointee.word.load(ordering: .relaxed), toByteOffset: offset, as: UInt64.self)
        }
    }
}
