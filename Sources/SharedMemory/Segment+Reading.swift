import LinuxSystem
import Synchronization

extension Segment {
    /// Returns a copy of the text.
    public func get() throws(SegmentError) -> String {
        defer { extendLifetime(self) }
        return String(copying: try borrowChecked())
    }

    /// Returns a copy of the text, with its version and the time it was set.
    public func snapshot() throws(SegmentError) -> Snapshot {
        defer { extendLifetime(self) }
        let borrow = try borrowChecked()
        let publication = try reference().membership.publication(borrow)
        return Snapshot(
            text: String(copying: borrow), version: publication.version, publicationTime: publication.time)
    }

    /// The version of the current text.
    public var version: Version {
        get throws(SegmentError) {
            let membership = try reference().membership
            defer { extendLifetime(self) }
            return Version(instance: membership.instance, number: membership.view.loadCurrent().number)
        }
    }

    /// Whether the segment was unlinked, or its name leads to another one.
    ///
    /// Text that is set here then reaches only the processes that are still attached to this segment.
    public var isUnlinked: Bool {
        get throws(SegmentError) {
            defer { extendLifetime(self) }
            return try reference().attachment.open.hasLostName()
        }
    }

    // MARK: Reading in place

    /// Reads the shared bytes in place; they do not change until `body` returns.
    ///
    /// This takes a few nanoseconds, whatever the text's length: no copy, no allocation, no system call. (A ``Reader``
    /// takes one or two.) Writers go on meanwhile, in other slots. If the segment is attached read-only, or if all of its
    /// pins or rows are taken, `body` runs on a copy.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable
    public func withBytes<Result: ~Copyable>(_ body: (RawSpan) throws -> Result) throws -> Result {
        let borrow = try borrow()
        let text = unsafe borrow.text
        let token = borrow.leak()
        defer {
            token.end()
            extendLifetime(self)
        }
        return try body(unsafe text.bytes)
    }

    /// Reads the shared text in place; it does not change until `body` returns.
    ///
    /// This takes as long as ``withBytes(_:)``, except when this process reads a version for the first time: then it checks
    /// that the text is UTF-8.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable
    public func withText<Result: ~Copyable>(_ body: (UTF8Span) throws -> Result) throws -> Result {
        let borrow = try borrowChecked()
        let text = unsafe borrow.text
        let token = borrow.leak()
        defer {
            token.end()
            extendLifetime(self)
        }
        return try body(unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
    }

    /// Returns a ``Reader``, for a thread that reads the text over and over.
    public func makeReader() throws(SegmentError) -> Reader { try Reader(self) }

    /// Begins a borrow, which must end before the segment does; for the C and HTTP interfaces.
    @usableFromInline
    package func borrow() throws(SegmentError) -> Borrow { try reference().borrow() }

    /// Borrows the text, which this process has found to be UTF-8.
    @usableFromInline
    func borrowChecked() throws(SegmentError) -> Borrow {
        let reference = try reference()
        let borrow = try reference.borrow()
        unsafe try reference.check(borrow.text, of: borrow.current)
        return borrow
    }

    // MARK: For the C and HTTP interfaces

    /// Begins a borrow, as ``borrow()`` does; the caller ends its hold.
    package func beginBorrow() throws(SegmentError) -> Publication {
        let reference = try reference()
        let borrow = try reference.borrow()
        let publication = reference.membership.publication(borrow)
        _ = borrow.leak()
        return publication
    }

    /// The version of a borrowed text.
    package func version(of borrow: borrowing Borrow) throws(SegmentError) -> Version {
        defer { extendLifetime(self) }
        return Version(instance: try reference().membership.instance, number: borrow.number)
    }

    /// Reads the current text in place, together with its version and the time it was set.
    package func withPublication<Result>(
        _ body: (Span<UInt8>, Version, Timestamp) -> Result
    ) throws(SegmentError) -> Result {
        let reference = try reference()
        let borrow = try reference.borrow()
        defer {
            extendLifetime(borrow)
            extendLifetime(self)
        }
        let publication = reference.membership.publication(borrow)
        return unsafe body(Span(_bytes: publication.bytes.bytes), publication.version, publication.time)
    }

    /// Identifies this process's attachment; 0 in a forked child that has not attached yet.
    package var attachmentNumber: UInt {
        defer { extendLifetime(self) }
        return cell.reference?.bits ?? 0
    }

    /// Ends a borrow that holds a pin; false if the pin is not one of this process's attachment, as in a forked child.
    @inline(__always)
    package func end(_ pin: BorrowToken) -> Bool {
        defer { extendLifetime(self) }
        return cell.reference?.end(pin) ?? false
    }

    /// Whether a borrow of this process's attachment holds a pin.
    package var holdsPins: Bool {
        defer { extendLifetime(self) }
        return cell.reference?.attachment.holdsPins ?? false
    }

    /// Whether the segment's file still has a name.
    ///
    /// Unlike ``isUnlinked``, it does not notice that the file was moved; it is faster, as it follows no path.
    package var hasName: Bool {
        get throws(SegmentError) {
            let attachment = try reference().attachment
            defer { extendLifetime(self) }
            return try fromSystem(attachment.open.descriptor.status()).linkCount > 0
        }
    }
}

extension AttachmentReference {
    /// Checks that the text is UTF-8 when this process reads a version for the first time.
    ///
    /// Its writer checked it too, but a process trusts only itself with the bytes of its `String`s.
    @inline(__always)
    func check(_ text: UnsafeRawBufferPointer, of current: PublicationWord) throws(SegmentError) {
        if with({ $0.checkedNumber.load(ordering: .relaxed) }) != current.number {
            unsafe try validate(text, of: current)
        }
    }

    @inline(never)
    private func validate(_ text: UnsafeRawBufferPointer, of current: PublicationWord) throws(SegmentError) {
        if let offset = unsafe text.firstInvalidOffset {
            throw with { $0.corrupted("the text is not UTF-8 at offset \(offset)") }
        }
        with { $0.checkedNumber.store(current.number, ordering: .relaxed) }
    }
}

extension String {
    /// Copies a borrowed text that was found to be UTF-8.
    init(copying borrow: borrowing Borrow) {
        self = unsafe String(copying: UTF8Span(unchecked: Span(_bytes: borrow.text.bytes)))
        extendLifetime(borrow)
    }
}
