import LinuxSystem
import Synchronization

/// One named text in shared memory, which every process on the host can read and set.
///
/// ```swift
/// let segment = try Segment.attach("shared")
/// try segment.set("Esta es una cadena de prueba")
/// print(try segment.get())
/// ```
///
/// Attached from ``attach(_:_:)`` until its last reference goes. Any thread may use it at any time.
/// Nobody attached waits for anybody: there is no lock that a stopped or killed process could hold.
/// After `fork` without `exec` the child may go on using it: it attaches anew at its first use.
/// Forking inside ``withBytes(_:)`` or ``withText(_:)`` is not supported, and none of this is for
/// signal handlers.
public final class Segment: Sendable {
    /// The largest capacity a segment can have: 1 GiB.
    public static let maximumCapacity = 1 << 30

    private let file: SegmentFile
    private let options: AttachmentOptions
    private let cell: AttachmentCell

    private init(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) {
        self.file = file
        self.options = options
        cell = try AttachmentCell()
        _ = try attachThisProcess()
    }

    /// This process's attachment: in a forked child not its parent's, but one of its own.
    @inline(__always)
    func reference() throws(SegmentError) -> AttachmentReference {
        if let reference = cell.reference { return reference }
        return try attachThisProcess()
    }

    /// The same, counted.
    var attachment: Attachment {
        get throws(SegmentError) { try reference().attachment }
    }

    /// Where to look whether an attachment is this process's.
    var attachedAddress: UnsafePointer<AtomicAddress> { unsafe cell.address }

    @inline(never)
    private func attachThisProcess() throws(SegmentError) -> AttachmentReference {
        try cell.fill { () throws(SegmentError) in try Attachment.attach(file, options) }
    }
}

// MARK: Attaching

extension Segment {
    /// Attaches to a segment, created if need be.
    ///
    /// - Parameters:
    ///   - name: 1 to 200 of `A-Z a-z 0-9 . _ -`, not beginning with a dot; nil for `SHAREDMEM_NAME`
    ///     of the environment, or `shared`.
    ///   - options: how, and what to create.
    /// - Throws: ``SegmentError``; ``SegmentError/busy(doing:)`` after a second in which others were in the way.
    public static func attach(
        _ name: String? = nil, _ options: AttachmentOptions = AttachmentOptions()
    ) throws(SegmentError) -> Segment {
        try Segment(SegmentFile(named: name, in: options.directory), options)
    }

    /// Attaches to a segment, created if need be, otherwise as ``AttachmentOptions`` says by default.
    public static func attach(
        _ name: String? = nil, access: Access = .readWrite, lifetime: Lifetime = .whileAttached
    ) throws(SegmentError) -> Segment {
        try attach(name, AttachmentOptions(access: access, lifetime: lifetime))
    }

    public var name: String { file.name.description }

    /// The absolute path of the segment's file.
    public var path: String { file.path }

    /// The most bytes a text can have.
    public var capacity: Int {
        get throws(SegmentError) { try reference().membership.view.capacity }
    }
}

// MARK: Reading

extension Segment {
    /// The text, as a copy of one's own.
    public func get() throws(SegmentError) -> String {
        defer { extendLifetime(self) }
        return String(copying: try borrowChecked())
    }

    /// The text with its version and the time it was set.
    public func snapshot() throws(SegmentError) -> Snapshot {
        defer { extendLifetime(self) }
        let borrow = try borrowChecked()
        let (version, time) = try identify(borrow)
        return Snapshot(text: String(copying: borrow), version: version, publicationTime: time)
    }

    /// The version of the present text.
    public var version: Version {
        get throws(SegmentError) {
            let membership = try reference().membership
            defer { extendLifetime(self) }
            return Version(instance: membership.instance, number: membership.view.loadCurrent().number)
        }
    }

    /// Reads the shared bytes in place; they do not change until `body` returns.
    ///
    /// A few nanoseconds whatever the text's length (a ``Reader`` takes one or two): no copy, no allocation, no system call, and
    /// writers go on meanwhile, in other slots. Attached for reading only, or with all 64 pins of the
    /// segment taken, `body` runs on a copy.
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
    /// As ``withBytes(_:)``; the first time this process sees a text, it checks that it is UTF-8.
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

    /// For the other doors: begins a borrow, which must end before the segment does.
    @usableFromInline
    package func borrow() throws(SegmentError) -> Borrow { try reference().borrow() }

    /// The same, of a text that this process has found to be UTF-8.
    @usableFromInline
    func borrowChecked() throws(SegmentError) -> Borrow {
        let reference = try reference()
        let borrow = try reference.borrow()
        unsafe try reference.check(borrow.text, of: borrow.current)
        return borrow
    }

    /// For the other doors: the version of a borrowed text, and the time it was set.
    package func identify(_ borrow: borrowing Borrow) throws(SegmentError) -> (Version, Timestamp) {
        try reference().membership.identify(borrow)
    }

    /// Shows the current text in place, with its version and the time it was set; for the HTTP interface.
    package func withPublication<Result>(
        _ body: (Span<UInt8>, Version, Timestamp) -> Result
    ) throws(SegmentError) -> Result {
        let borrow = try borrow()
        defer { extendLifetime(borrow) }
        let (version, time) = try identify(borrow)
        return unsafe body(Span(_bytes: borrow.text.bytes), version, time)
    }

    /// For the other doors: whether a borrow of this process's attachment holds a pin.
    package var holdsPins: Bool {
        defer { extendLifetime(self) }
        guard let membership = cell.reference?.membership, membership.mark != 0 else { return false }
        return membership.holdsPins
    }

    /// For the other doors: whether the segment's file still has a name.
    ///
    /// As ``isUnlinked`` but for a file that was moved, and faster, as no path is followed.
    package var hasName: Bool {
        get throws(SegmentError) {
            defer { extendLifetime(self) }
            let attachment = try reference().attachment
            return try fromSystem(attachment.open.descriptor.status()).linkCount > 0
        }
    }

    /// Whether the segment was unlinked, or another took its name: what is set here, only those still
    /// attached to it see.
    public var isUnlinked: Bool {
        get throws(SegmentError) {
            defer { extendLifetime(self) }
            return try reference().attachment.open.isUnlinked()
        }
    }
}

// MARK: Setting

extension Segment {
    /// Makes `text` the segment's text and returns its version.
    ///
    /// Lock-free across processes: a writer stopped anywhere in here delays no one else.
    ///
    /// - Parameters:
    ///   - text: without U+0000, at most ``capacity`` bytes of UTF-8.
    ///   - expected: if given, the version the text replaces, or nothing changes.
    /// - Throws: ``SegmentError/tooLong(byteCount:capacity:)``, ``SegmentError/containsNUL(offset:)``,
    ///   ``SegmentError/versionMismatch(current:)``, ``SegmentError/noSpace(path:byteCount:)``,
    ///   ``SegmentError/readOnly(name:)``.
    @discardableResult
    public func set(_ text: String, ifVersion expected: Version? = nil) throws(SegmentError) -> Version {
        try unsafe text.utf8Span.span.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes, isUTF8: true), if: Self.condition(expected))
        }
    }

    /// Makes UTF-8 bytes the segment's text and returns its version.
    ///
    /// - Throws: as ``set(_:ifVersion:)-(String,_)``, and ``SegmentError/notUTF8(offset:)``.
    @discardableResult
    public func set(utf8 bytes: Span<UInt8>, ifVersion expected: Version? = nil) throws(SegmentError) -> Version {
        try set(utf8: bytes, if: Self.condition(expected))
    }

    /// Sets the text under a condition that is judged again after each lost race; for the HTTP interface.
    @discardableResult
    package func set(utf8 bytes: Span<UInt8>, if condition: ((PublicationInfo) -> Bool)?) throws(SegmentError)
        -> Version
    {
        try unsafe bytes.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes, isUTF8: false), if: condition)
        }
    }

    /// Replaces the text by what `change` makes of it, again if others set it meanwhile.
    ///
    /// - Parameter change: may run several times; it must not set this segment itself.
    /// - Throws: as ``set(_:ifVersion:)-(String,_)``, or what `change` throws.
    @discardableResult
    public func update(_ change: (String) throws -> String) throws -> Version {
        for _ in 0..<1_000_000 {
            let old = try snapshot()
            let new = try change(old.text)
            do {
                return try set(new, ifVersion: old.version)
            } catch SegmentError.versionMismatch {
                continue
            }
        }
        throw SegmentError.busy(doing: "updating '\(name)'")
    }

    private func publish(_ draft: Draft, if condition: ((PublicationInfo) -> Bool)?) throws(SegmentError) -> Version {
        defer { extendLifetime(self) }
        return try reference().with { attachment throws(SegmentError) in try attachment.publish(draft, if: condition) }
    }

    private static func condition(_ expected: Version?) -> ((PublicationInfo) -> Bool)? {
        guard let expected else { return nil }
        return { $0.version == expected }
    }
}

extension AttachmentReference {
    /// Checks a text's UTF-8 when this process sees it for the first time: its writer did, but a
    /// process trusts only itself with what its `String`s are made of.
    @inline(__always)
    func check(_ text: UnsafeRawBufferPointer, of current: PublicationWord) throws(SegmentError) {
        if with({ $0.checkedNumber.load(ordering: .relaxed) }) != current.number {
            unsafe try validate(text, of: current)
        }
    }

    @inline(never)
    private func validate(_ text: UnsafeRawBufferPointer, of current: PublicationWord) throws(SegmentError) {
        if let offset = unsafe Text.firstInvalidOffset(text) {
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
