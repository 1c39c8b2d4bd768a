import CLinux
import LinuxSystem
public import Synchronization

/// A segment's attachment in this process; a forked child finds none, and attaches again at its first use.
///
/// A child must not use its parent's attachment: neither the locks of the descriptor that both share, nor a mutex that
/// another thread of the parent was holding. So the reference is on a page that the kernel wipes in the child, and every
/// use looks there.
struct AttachmentCell: ~Copyable, Sendable {
    private static let none: UInt = 0
    private static let attaching: UInt = 1

    /// 0 if this process has no attachment, 1 while a thread attaches, else the attachment, in use.
    private let page: WipedOnFork<AtomicAddress>

    init() throws(SegmentError) { page = try fromSystem(WipedOnFork(AtomicAddress.self)) }

    deinit { reference?.endUse() }

    var reference: AttachmentReference? {
        @inline(__always) get {
            // Acquiring: pairs with the store by the thread that attached.
            let word = page.content.word.load(ordering: .acquiring)
            return word > Self.attaching ? AttachmentReference(bits: word) : nil
        }
    }

    /// The word that shows whether an attachment is this process's.
    var address: UnsafePointer<AtomicAddress> { unsafe page.address }

    /// Attaches this process, unless another of its threads does so.
    func fill(_ attach: () throws(SegmentError) -> AttachmentReference) throws(SegmentError) -> AttachmentReference {
        // Attaching takes a second at most.
        let deadline = Clock.coarseMilliseconds + 2000
        repeat {
            let (won, word) = page.content.word.compareExchange(
                expected: Self.none, desired: Self.attaching, ordering: .acquiring)
            if word > Self.attaching { return AttachmentReference(bits: word) }
            guard won else {
                BackgroundThread.pause()
                continue
            }
            do throws(SegmentError) {
                let reference = try attach()
                page.content.word.store(reference.bits, ordering: .releasing)
                return reference
            } catch {
                page.content.word.store(Self.none, ordering: .releasing)
                throw error
            }
        } while Clock.coarseMilliseconds < deadline
        throw .busy(doing: "attaching in a forked process")
    }
}

@frozen @usableFromInline struct AtomicAddress: ~Copyable { @usableFromInline let word: Atomic<UInt> }

/// An attachment that is used without counting references, as its cell keeps it alive.
@safe struct AttachmentReference: Sendable {
    let bits: UInt

    private var unmanaged: Unmanaged<Attachment> {
        @inline(__always) get { unsafe Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: bits).unsafelyUnwrapped) }
    }

    @inline(__always)
    func with<Result>(_ body: (Attachment) -> Result) -> Result { unsafe unmanaged._withUnsafeGuaranteedRef(body) }

    var membership: Membership { @inline(__always) get { with { $0.membership } } }

    /// The attachment, retained.
    var attachment: Attachment { unsafe unmanaged.takeUnretainedValue() }

    /// Ends the use that ``Attachment/attach(_:_:)`` began, and the attachment with its last use.
    func endUse() {
        if unsafe clinux_stop_sharing(unmanaged.toOpaque()) { unsafe unmanaged.release() }
    }
}
