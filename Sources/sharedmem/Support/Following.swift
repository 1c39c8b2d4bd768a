internal import Glibc
import SharedMemory

/// The texts of whatever segment has the name, each newer than the one before.
struct Following {
    private let name: String?
    private let location: SegmentLocation
    private let waits: Bool
    private let output: StandardStream?
    private var segment: Segment?
    /// What the caller has.
    private var version: Version?

    /// - Parameters:
    ///   - known: what the caller has already.
    ///   - waits: whether to wait where there is no segment.
    ///   - output: where the texts go, if they end with its reader.
    init(_ segment: SegmentArguments, known: Version?, waits: Bool, output: StandardStream?) {
        name = segment.chosenName
        location = segment.location
        self.waits = waits
        self.output = output
        version = known
    }

    /// Waits for the next one; nil when it is time to end.
    mutating func next() throws(SegmentError) -> Snapshot? {
        // A signal that comes before the waiting begins is seen when it ends, as a reader is that left.
        while !TerminationSignals.wereReceived, output?.isAbandoned != true {
            if let snapshot = try look() { return snapshot }
        }
        return nil
    }

    /// Waits a second for it at most.
    private mutating func look() throws(SegmentError) -> Snapshot? {
        do throws(SegmentError) {
            let segment = if let segment { segment } else { try attach() }
            self.segment = segment
            return try newer(in: segment)
        } catch {
            guard waits, error.mayPass else { throw error }
            segment = nil
            usleep(100_000)
            return nil
        }
    }

    private mutating func newer(in segment: Segment) throws(SegmentError) -> Snapshot? {
        if let version {
            let end = try segment.waitInterruptibly(after: version, timeout: .seconds(1))
            guard case .replaced = end else { return nil }
        }
        let snapshot = try Self.snapshot(of: segment)
        version = snapshot?.version ?? version
        // Who waits for a segment may come between its creation and its first text.
        return waits && snapshot?.version.number == 0 ? nil : snapshot
    }

    /// The present text; nil when writers overtook us again and again.
    private static func snapshot(of segment: Segment) throws(SegmentError) -> Snapshot? {
        do throws(SegmentError) {
            return try segment.snapshot()
        } catch {
            if case .busy = error { return nil }
            throw error
        }
    }
}

// MARK: Attaching

extension Following {
    /// To set nothing, but who is attached for reading only may have to look every 10 ms instead of being woken.
    private func attach() throws(SegmentError) -> Segment {
        do throws(SegmentError) {
            return try attach(.readWrite)
        } catch {
            guard error.leavesReading else { throw error }
            return try attach(.readOnly)
        }
    }

    private func attach(_ access: Access) throws(SegmentError) -> Segment {
        let options = AttachmentOptions(
            access: access, directory: location.directory, creates: false, trustedOwners: location.trusted)
        return try Segment.attach(name, options)
    }
}

extension SegmentError {
    /// Whether another try later may do.
    fileprivate var mayPass: Bool {
        switch self {
        case .notFound, .unlinked, .busy: true
        default: false
        }
    }

    /// Whether it keeps from attaching for reading and writing, but not for reading only.
    fileprivate var leavesReading: Bool {
        switch self {
        case .tooManyAttached, .leftBehind, .system(_, EACCES), .system(_, EPERM), .system(_, EROFS): true
        default: false
        }
    }
}
