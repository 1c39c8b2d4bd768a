internal import CSharedMem
internal import Glibc
internal import LinuxSystem
internal import SharedMemory

@c @implementation
public func sharedmem_eventfd(_ segment: OpaquePointer?) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    var descriptor: CInt = -1
    let result = unsafe Handle.with(segment) { handle in
        attempt { () throws(SegmentError) in descriptor = try handle.eventDescriptor() }
    }
    return result == 0 ? descriptor : -1
}

/// Makes a descriptor readable whenever the text changes, by the library's thread.
final class ChangeEvent: Sendable {
    private let event: EventDescriptor
    private let segment: Segment
    /// The attachment with which the event began.
    let attachmentNumber: UInt

    init(_ segment: Segment) throws(SegmentError) {
        self.segment = segment
        attachmentNumber = segment.attachmentNumber
        do throws(SystemError) {
            event = try EventDescriptor()
        } catch {
            throw .system(call: error.call, code: error.code)
        }
    }

    var descriptor: CInt { event.descriptor }

    /// Makes the descriptor readable now, for the text that there is, and from then on with each change.
    func begin() -> CInt {
        signalChanges()
        return descriptor
    }

    private func signalChanges() {
        while true {
            // The version comes first: what is set after the signal is another one.
            let version = try? segment.version
            event.signal()
            // Nothing more will come; the signal leads the program to the error.
            guard let version, (try? segment.isUnlinked) == false else { return }
            let watch = Result { () throws(SegmentError) in
                try segment.onReplacement(of: version) { [weak self] in self?.signalChanges() }
            }
            guard case .success(nil) = watch else { return }
        }
    }
}
