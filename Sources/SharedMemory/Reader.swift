public import Synchronization

extension Segment {
    /// Begins to read over and over: see ``Reader``.
    ///
    /// - Throws: ``SegmentError/tooManyReaders(name:limit:)``, ``SegmentError/readOnly(name:)``
    public func makeReader() throws(SegmentError) -> Reader { try Reader(self) }
}

/// Reads a segment's text over and over: the fastest way there is, for one thread at a time.
///
/// ```swift
/// var reader = try segment.makeReader()
/// while let request = next() {
///     try reader.withText { text in answer(request, by: text) }
/// }
/// ```
///
/// It holds one of the segment's 64 pins for as long as it lives, and leaves it on the text that it read last: while that
/// is still the current one, reading again is two loads, and writes nothing that another processor would have to see. So
/// have one in a thread that reads all the time. Elsewhere ``Segment/withText(_:)`` holds a pin only while it reads.
///
/// The text that was read last keeps its memory until the next read: call ``unpin()`` before a long pause. In a forked child
/// it takes a pin of the child's own at its first use.
@safe public struct Reader: ~Copyable, @unchecked Sendable {
    private let segment: Segment
    /// Where this process's attachment is, and which it was when the pin was taken.
    @usableFromInline let attached: UnsafePointer<AtomicAddress>
    @usableFromInline var attachment: UInt
    private var pin: UnsafePointer<PinLine>
    @usableFromInline var currentWord: UnsafePointer<AtomicWord>
    /// The publication whose slot is pinned, the same once its text was found to be UTF-8, and once it was made a
    /// `String`; ``PublicationWord/none`` before.
    @usableFromInline var pinned = PublicationWord.none
    @usableFromInline var checked = PublicationWord.none
    @usableFromInline var copied = PublicationWord.none
    @usableFromInline package private(set) var text = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    @usableFromInline var string = ""

    fileprivate init(_ segment: Segment) throws(SegmentError) {
        let reference = try segment.reference()
        let ownPin = unsafe try reference.ownPin()
        self.segment = segment
        unsafe attached = segment.attachedAddress
        attachment = reference.bits
        unsafe pin = ownPin
        unsafe currentWord = reference.membership.view.currentWord
    }

    deinit {
        // A forked child's that was not used has nothing to give back: the pin is its parent's.
        guard isOfThisProcess else { return }
        // Releasing: pairs with the writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(0, ordering: .releasing)
    }

    /// Reads the shared bytes in place; they do not change until `body` returns.
    ///
    /// As ``Segment/withBytes(_:)``, but always in place.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable @inline(__always)
    public mutating func withBytes<Result: ~Copyable>(_ body: (RawSpan) throws -> Result) throws -> Result {
        if !isCurrent(pinned) { try pinCurrent() }
        let text = unsafe text
        return try body(unsafe text.bytes)
    }

    /// Reads the shared text in place; it does not change until `body` returns.
    ///
    /// As ``Segment/withText(_:)``, but always in place.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable @inline(__always)
    public mutating func withText<Result: ~Copyable>(_ body: (UTF8Span) throws -> Result) throws -> Result {
        if !isCurrent(checked) { try checkCurrent() }
        let text = unsafe text
        return try body(unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
    }

    /// The text as a `String`, which is made once for each text, and the same until there is another.
    ///
    /// - Throws: ``SegmentError``
    @inlinable @inline(__always)
    public mutating func get() throws(SegmentError) -> String {
        if !isCurrent(copied) { try copyCurrent() }
        return string
    }

    /// The version of the text that was read last; nil before the first one, and after ``unpin()``.
    ///
    /// What was made of a text, parsed for example, is as good as new while this is the same after a read.
    public var version: Version? {
        guard pinned != .none, isOfThisProcess else { return nil }
        return Version(instance: reference.membership.instance, number: pinned.number)
    }

    /// Lets go of the text that was read last, so that its memory can have another one; the next read takes it up again.
    public mutating func unpin() {
        guard pinned != .none else { return }
        forget()
        guard isOfThisProcess else { return }
        // Releasing: pairs with the writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(reference.membership.ownedPinWord, ordering: .releasing)
    }
}

// MARK: Reading anew

extension Reader {
    /// Whether a publication that was pinned still is the current one.
    ///
    /// Its pin has been seen by every writer since, so there is nothing to order.
    @inlinable @inline(__always)
    func isCurrent(_ publication: PublicationWord) -> Bool {
        guard isOfThisProcess else { return false }
        let current = unsafe currentWord.pointee.word.load(ordering: .acquiring)
        // None is never current, but in a file that is damaged.
        return current == publication.rawValue && current != PublicationWord.none.rawValue
    }

    /// Whether this is not a forked child that has yet to take a pin: then even the memory is its parent's alone.
    @inlinable @inline(__always)
    var isOfThisProcess: Bool {
        unsafe attached.pointee.word.load(ordering: .acquiring) == attachment
    }

    /// For the other doors: whether the text that was read last still is the current one; if not, ``pinCurrent()``.
    @inlinable @inline(__always)
    package var isUpToDate: Bool { isCurrent(pinned) }

    /// For the other doors: the version of the text that was read last, and when it was set.
    package func identify() -> (Version, Timestamp) {
        reference.membership.identify(pinned)
    }

    private var reference: AttachmentReference { AttachmentReference(bits: attachment) }

    /// Pins the current text, and no longer the one before.
    @usableFromInline @inline(never)
    package mutating func pinCurrent() throws(SegmentError) {
        let present = try segment.reference()
        if present.bits != attachment { try move(to: present) }
        forget()
        let membership = present.membership
        var current = membership.view.loadCurrent()
        PausePoint.readLoaded.reached()
        // As in `borrow`: of us and a writer that claims the slot, one sees the other.
        while current.number > 0 {
            unsafe pin.pointee.word.store(membership.pinWord(on: current.slot), ordering: .sequentiallyConsistent)
            PausePoint.readPinned.reached()
            let latest = membership.view.loadCurrent()
            if latest == current { break }
            current = latest
        }
        let pinnedText: UnsafeRawBufferPointer
        if current.number == 0 {
            unsafe pinnedText = UnsafeRawBufferPointer(start: nil, count: 0)
        } else if current.slot < Layout.slotCount, let found = unsafe membership.view.text(ofSlot: current.slot) {
            unsafe pinnedText = found
        } else {
            unsafe pin.pointee.word.store(membership.ownedPinWord, ordering: .releasing)
            throw present.corrupted(current)
        }
        PausePoint.readChecked.reached()
        unsafe text = pinnedText
        pinned = current
    }

    /// The same, and makes sure that this process has found it to be UTF-8.
    @usableFromInline @inline(never)
    mutating func checkCurrent() throws(SegmentError) {
        if !isCurrent(pinned) { try pinCurrent() }
        unsafe try reference.check(text, of: pinned)
        checked = pinned
    }

    /// The same, and makes it a `String`.
    @usableFromInline @inline(never)
    mutating func copyCurrent() throws(SegmentError) {
        if !isCurrent(checked) { try checkCurrent() }
        string = String(copying: unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
        copied = checked
    }

    private mutating func forget() {
        pinned = .none
        checked = .none
        copied = .none
        string = ""
        unsafe text = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// In a forked child: leaves its parent's pin alone.
    private mutating func move(to present: AttachmentReference) throws(SegmentError) {
        forget()
        unsafe pin = try present.ownPin()
        unsafe currentWord = present.membership.view.currentWord
        attachment = present.bits
    }
}

extension AttachmentReference {
    /// Takes a pin until it is given back.
    fileprivate func ownPin() throws(SegmentError) -> UnsafePointer<PinLine> {
        let attachment = attachment
        let name = attachment.open.file.name.description
        guard attachment.row != nil else { throw .readOnly(name: name) }
        if let pin = unsafe membership.takePin(membership.ownedPinWord) { return unsafe pin }
        attachment.sweep()
        if let pin = unsafe membership.takePin(membership.ownedPinWord) { return unsafe pin }
        throw .tooManyReaders(name: name, limit: Layout.pinCount)
    }
}

extension Membership {
    /// A pin that is owned, and on no slot.
    fileprivate var ownedPinWord: UInt64 { mark << 32 }
}

extension PublicationWord {
    /// No publication: no slot has this number.
    @usableFromInline static let none = PublicationWord(rawValue: .max)
}
