import ArgumentParser
import Foundation
import SharedMemory
import TestSupport

/// A process that uses the text through the Swift interface until it is told to end, or killed.
///
/// `CWorker` is its counterpart for the C interface.
struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Use the text until killed.", shouldDisplay: false)

    enum Action: String, ExpressibleByArgument {
        case set, grow, read, reread, copy, loop, unlink
        /// Watch the text, in a thread that waits or in a task.
        case wait, changes
        /// In C only: run as the command of `sharedmem watch --exec`.
        case told
    }

    /// The length of the text that `grow` sets.
    static let longByteCount = 400_000

    @Argument var directory: String
    @Argument var name: String
    @Argument var history: String
    @Argument var seed: UInt64
    @Argument var action: Action

    func run() throws {
        if action == .unlink { return try Segment.unlink(name, directory: directory) }
        let recorder = try Recorder(history, .swift)
        var random = SplitMix(state: seed)
        let onlyReads = action == .copy || [.wait, .changes].contains(action) && random.next() % 4 == 0
        let segment = try attach(onlyReads ? .readOnly : .readWrite)
        switch action {
        case .set: try recorder.set(segment, random.text())
        case .grow: try recorder.set(segment, ChecksummedText.make(byteCount: Self.longByteCount, seed: seed))
        case .read, .copy: try Bool.random(using: &random) ? recorder.get(segment) : recorder.borrow(segment)
        case .reread:
            var reader = try segment.makeReader()
            for _ in 0..<3 { try recorder.read(by: &reader) }
        case .loop: try loop(segment, recorder, &random)
        case .wait, .changes: Watcher(segment, recorder).watch(inTask: action == .changes)
        case .unlink, .told: break
        }
    }

    private func attach(_ access: Access) throws -> Segment {
        try Segment.attach(name, AttachmentOptions(access: access, directory: directory))
    }

    private func loop(_ segment: Segment, _ recorder: Recorder, _ random: inout SplitMix) throws {
        let readOnly = try attach(.readOnly)
        var reader = try segment.makeReader()
        var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        while poll(&input, 1, 0) == 0 {
            let choice = random.next() % 64
            switch choice {
            case ..<16: try recorder.set(segment, random.text())
            case ..<24: try recorder.setConditionally(segment, random.text())
            case ..<32: try recorder.get(readOnly)
            case ..<40: try recorder.read(by: &reader)
            case ..<46: try recorder.borrow(segment)
            case ..<47: reader.unpin()
            case ..<63: try recorder.get(segment)
            default:
                do {
                    try recorder.get(attach(.readWrite))
                } catch SegmentError.busy {}
            }
            if choice % 4 == 0 { usleep(UInt32(random.next() % 1000)) }
        }
    }
}
