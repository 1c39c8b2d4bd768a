import LinuxSystem
import Synchronization

/// A segment in this process's memory, and the sizes of its parts.
@safe struct SegmentMapping: ~Copyable, @unchecked Sendable {
    private let mapping: Mapping
    /// In one place for all views, which are copied with every call.
    private let geometry: UnsafeMutablePointer<Geometry>

    init(_ file: borrowing FileDescriptor, _ geometry: Geometry, writable: Bool) throws(SegmentError) {
        mapping = try fromSystem(Mapping(file, byteCount: geometry.fileByteCount, writable: writable))
        unsafe self.geometry = .allocate(capacity: 1)
        unsafe self.geometry.initialize(to: geometry)
    }

    /// Maps the part before the slots, read-only: this mapping has no text.
    init(headerOf file: borrowing FileDescriptor, _ geometry: Geometry) throws(SegmentError) {
        mapping = try fromSystem(Mapping(file, byteCount: geometry.slotsOffset, writable: false))
        unsafe self.geometry = .allocate(capacity: 1)
        unsafe self.geometry.initialize(to: geometry)
    }

    deinit { unsafe geometry.deallocate() }

    /// Valid for as long as the mapping lives.
    var view: SegmentView { unsafe SegmentView(base: mapping.address, sizes: UnsafePointer(geometry)) }
}

/// The header and the slots of a mapped segment.
///
/// It does not own the mapping. Values that are read through it can be anything if something other than this library wrote
/// to the file, so a value that selects memory is checked before it is used.
@safe struct SegmentView: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    private let sizes: UnsafePointer<Geometry>

    fileprivate init(base: UnsafeMutableRawPointer, sizes: UnsafePointer<Geometry>) {
        unsafe self.base = base
        unsafe self.sizes = sizes
    }

    var geometry: Geometry {
        @inline(__always) unsafeAddress { unsafe sizes }
    }

    var identity: Identity { unsafe base.assumingMemoryBound(to: Identity.self).pointee }

    var current: CurrentLine {
        @inline(__always) unsafeAddress { unsafe line(at: Layout.currentOffset) }
    }

    var state: StateLine {
        @inline(__always) unsafeAddress { unsafe line(at: Layout.persistentOffset) }
    }

    var marks: MarksLine {
        @inline(__always) unsafeAddress { unsafe line(at: Layout.marksOffset) }
    }

    var pins: Lines<PinLine> {
        @inline(__always) get { unsafe Lines(base: base + Layout.pinsOffset, count: geometry.pinCount) }
    }

    var slots: Lines<SlotLine> {
        @inline(__always) get { unsafe Lines(base: base + geometry.slotHeadersOffset, count: geometry.slotCount) }
    }

    var rows: Lines<RowLine> {
        @inline(__always) get { unsafe Lines(base: base + geometry.rowsOffset, count: geometry.rowCount) }
    }

    @inline(__always)
    private func line<Line: ~Copyable>(at offset: Int) -> UnsafePointer<Line> {
        unsafe UnsafePointer((base + offset).assumingMemoryBound(to: Line.self))
    }

    // MARK: The current publication

    @inline(__always)
    func loadCurrent() -> PublicationWord {
        // Sequentially consistent: pairs with the claims and pins around it. On most processors it is a plain load.
        PublicationWord(rawValue: current.word.load(ordering: .sequentiallyConsistent))
    }

    var currentWord: UnsafePointer<AtomicWord> { unsafe line(at: Layout.currentOffset) }

    /// Sleeps while the current word is `current`, but no longer than `nanoseconds`.
    ///
    /// It sleeps on the low half of the word, which every publication changes.
    func sleep(while current: PublicationWord, nanoseconds: Int) throws(SegmentError) -> Futex.Outcome {
        let low = UInt32(truncatingIfNeeded: current.rawValue)
        return try fromSystem(unsafe Futex.sleep(on: currentWord, while: low, nanoseconds: nanoseconds))
    }

    /// Wakes all sleeping waiters in all processes; those that find nothing new sleep again.
    func wakeSleepers() { unsafe Futex.wakeAll(on: currentWord) }

    // MARK: Slots

    @inline(__always)
    func room(ofSlot slot: Int) -> UnsafeMutableRawBufferPointer {
        precondition(UInt(bitPattern: slot) < UInt(bitPattern: geometry.slotCount))
        return unsafe UnsafeMutableRawBufferPointer(start: base + geometry.slotOffset(slot), count: geometry.stride)
    }

    /// A slot's text; nil if its byte count is impossible.
    @inline(__always)
    func text(ofSlot slot: Int) -> UnsafeRawBufferPointer? {
        let byteCount = slots[slot].byteCount.load(ordering: .relaxed)
        guard byteCount <= UInt64(truncatingIfNeeded: geometry.capacity) else { return nil }
        return unsafe UnsafeRawBufferPointer(start: room(ofSlot: slot).baseAddress, count: Int(byteCount))
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

    // MARK: Tables

    /// How many of a table's lines have ever been in use.
    @inline(__always)
    func mark(of table: Table) -> Int {
        // Sequentially consistent: a writer that does not see a raised mark has claimed its slot before a process that
        // pins above that mark looks at the current word again. On most processors it is a plain load.
        let mark = marks.words[table.rawValue].word.load(ordering: .sequentiallyConsistent)
        return Int(truncatingIfNeeded: min(mark, UInt64(truncatingIfNeeded: geometry.count(of: table))))
    }

    /// Raises a table's mark to `count`, if it is lower.
    func raiseMark(of table: Table, to count: Int) {
        // Sequentially consistent, as in `mark(of:)`: another process may have raised it already.
        var mark = marks.words[table.rawValue].word.load(ordering: .sequentiallyConsistent)
        while mark < UInt64(count) {
            let (isRaised, latest) = marks.words[table.rawValue].word.compareExchange(
                expected: mark, desired: UInt64(count), ordering: .sequentiallyConsistent)
            if isRaised { return }
            mark = latest
        }
    }
}

/// The lines of a table, in shared memory.
@safe struct Lines<Line: ~Copyable>: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    let count: Int

    fileprivate init(base: UnsafeMutableRawPointer, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    subscript(index: Int) -> Line {
        @inline(__always) unsafeAddress { unsafe address(of: index) }
    }

    /// The addresses of the first lines, and the one behind them.
    @inline(__always)
    func prefix(_ count: Int) -> (start: UnsafePointer<Line>, end: UnsafePointer<Line>) {
        precondition(UInt(bitPattern: count) <= UInt(bitPattern: self.count))
        let start = unsafe UnsafePointer(base.assumingMemoryBound(to: Line.self))
        return unsafe (start, start + count)
    }

    /// The first word of the line at this address; nil if no line of the table is there.
    @inline(__always)
    func word(at address: UInt) -> UnsafePointer<AtomicWord>? {
        let offset = unsafe address &- UInt(bitPattern: base)
        // The bits of a remainder come out on top, and make it no line's index.
        let index = offset >> 6 | offset << (UInt.bitWidth - 6)
        guard index < UInt(bitPattern: count) else { return nil }
        return unsafe UnsafePointer<AtomicWord>(bitPattern: address).unsafelyUnwrapped
    }

    @inline(__always)
    func address(of index: Int) -> UnsafePointer<Line> {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return unsafe UnsafePointer((base + index * Layout.lineByteCount).assumingMemoryBound(to: Line.self))
    }
}
