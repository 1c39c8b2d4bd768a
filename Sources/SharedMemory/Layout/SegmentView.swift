import LinuxSystem
import Synchronization

/// The header and the slots of a mapped segment.
///
/// It does not own the mapping. Values that are read through it can be anything if something other than this library wrote
/// to the file, so a value that selects memory is checked before it is used.
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

    @inline(__always)
    func loadCurrent() -> PublicationWord {
        // Sequentially consistent: pairs with the claims and pins around it. On most processors it is a plain load.
        PublicationWord(rawValue: header.current.word.load(ordering: .sequentiallyConsistent))
    }

    var currentWord: UnsafePointer<AtomicWord> {
        unsafe UnsafePointer((base + Layout.currentOffset).assumingMemoryBound(to: AtomicWord.self))
    }

    /// Sleeps while the current word is `current`, but no longer than `nanoseconds`.
    ///
    /// It sleeps on the low half of the word, which every publication changes.
    func sleep(while current: PublicationWord, nanoseconds: Int) throws(SegmentError) -> Futex.Outcome {
        let low = UInt32(truncatingIfNeeded: current.rawValue)
        return try fromSystem(unsafe Futex.sleep(on: currentWord, while: low, nanoseconds: nanoseconds))
    }

    /// Wakes all sleeping waiters in all processes; those that find nothing new sleep again.
    func wakeSleepers() { unsafe Futex.wakeAll(on: currentWord) }

    @inline(__always)
    func room(ofSlot slot: Int) -> UnsafeMutableRawBufferPointer {
        precondition(slot < Layout.slotCount)
        return unsafe UnsafeMutableRawBufferPointer(
            start: base + Layout.slotsOffset + slot * slotStride, count: slotStride)
    }

    /// A slot's text; nil if its byte count is impossible.
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

    /// Copies the first words of a slot that a writer may be filling; no single word is torn.
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
