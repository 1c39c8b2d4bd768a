import LinuxSystem
import Synchronization

/// A named segment of shared memory, whose text every process on the host can read and set.
///
/// ```swift
/// let segment = try Segment.attach("shared")
/// try segment.set("Esta es una cadena de prueba")
/// print(try segment.get())
/// ```
///
/// The process is attached from ``attach(_:_:)`` until the last reference to the segment is gone. Any thread may use a
/// segment at any time. No attached process waits for another: there is no lock that a stopped or killed process could
/// hold.
///
/// After `fork` without `exec`, the child may use the segment too: it attaches again at its first use. Do not fork inside
/// ``withBytes(_:)`` or ``withText(_:)``, and do not use a segment in a signal handler.
public final class Segment: Sendable {
    /// The largest capacity a segment can have: 1 GiB.
    public static let maximumCapacity = 1 << 30

    private let file: SegmentFile
    private let options: AttachmentOptions
    let cell: AttachmentCell
    /// The file that the process which created this object has attached to.
    private let identity: FileIdentity

    private init(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) {
        self.file = file
        self.options = options
        cell = try AttachmentCell()
        let reference = try cell.fill { () throws(SegmentError) in try Attachment.attach(file, options) }
        identity = reference.with { $0.open.status.identity }
    }

    /// This process's attachment; a forked child gets one of its own.
    @inline(__always)
    func reference() throws(SegmentError) -> AttachmentReference {
        if let reference = cell.reference { return reference }
        return try preservingErrno { () throws(SegmentError) in try attachChild() }
    }

    /// This process's attachment, retained.
    var attachment: Attachment { get throws(SegmentError) { try reference().attachment } }

    /// Attaches a forked child, which may lack the rights that its parent had: then it reads what it can still read.
    @inline(never)
    private func attachChild() throws(SegmentError) -> AttachmentReference {
        // The parent has seen to the mode and the group, and they may have been changed since.
        var options = options
        options.leavesPermissions = true
        return try cell.fill { () throws(SegmentError) in
            do throws(SegmentError) {
                return try Attachment.attach(file, options)
            } catch {
                return try Attachment.attachToRead(file, options, identity, inPlaceOf: error)
            }
        }
    }

    // MARK: Attaching

    /// Attaches to a segment, and creates it if it does not exist.
    ///
    /// - Parameters:
    ///   - name: 1 to 200 of the characters `A-Z a-z 0-9 . _ -`, the first of which is not a dot; nil for the environment
    ///     variable `SHAREDMEM_NAME`, or `shared` if that is not set.
    ///   - options: how to attach, and what to create.
    /// - Throws: ``SegmentError``; ``SegmentError/busy(doing:)`` if the segment stayed busy for a second.
    public static func attach(
        _ name: String? = nil, _ options: AttachmentOptions = AttachmentOptions()
    ) throws(SegmentError) -> Segment {
        try Segment(SegmentFile(named: name, in: options.directory), options)
    }

    /// Attaches to a segment with this access and lifetime and otherwise default options, and creates it if need be.
    public static func attach(
        _ name: String? = nil, access: Access = .readWrite, lifetime: Lifetime = .whileAttached
    ) throws(SegmentError) -> Segment {
        try attach(name, AttachmentOptions(access: access, lifetime: lifetime))
    }

    public var name: String { file.name.description }

    /// The byte of the file on which the server that replicates another server's text holds a lock.
    package static var followerLock: Int { Layout.followerLock }

    /// The absolute path of the segment's file.
    public var path: String { file.path }

    /// The most bytes that the text can have.
    public var capacity: Int { get throws(SegmentError) { try reference().membership.view.geometry.capacity } }
}
