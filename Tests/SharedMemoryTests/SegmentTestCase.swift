import Foundation
import LinuxSystem
import TestSupport
import Testing

@testable import SharedMemory

/// Helpers for tests of one segment, which has a directory of its own.
protocol SegmentTestCase {
    var directory: TemporaryDirectory { get }
    var name: String { get }
}

extension SegmentTestCase {
    /// The words of the pins that are not free: the owner's row + 1 in the high half, the slot + 1 in the low half.
    func pinWords() throws -> [UInt64] {
        try withView { view in
            (0..<view.mark(of: .pins)).map { view.pins[$0].word.load(ordering: .relaxed) }.filter { $0 != 0 }
        }
    }

    var path: String { directory.path(of: name) }

    /// Attaches to the segment, which has 64 pins and 126 rows if this creates it: few enough to take them all.
    func attach(_ access: Access = .readWrite, _ lifetime: Lifetime = .whileAttached) throws -> Segment {
        try Segment.attach(
            name,
            AttachmentOptions(
                access: access, lifetime: lifetime, rowCount: 126, pinCount: 64, directory: directory.path))
    }

    /// An attachment that is not shared with the test's others, as another process's would not be, and has a row.
    func attachApart() throws -> Segment {
        var options = AttachmentOptions(rowCount: 126, pinCount: 64, directory: directory.path)
        options.sharesAttachment = false
        let segment = try Segment.attach(name, options)
        try segment.takeRow()
        return segment
    }

    func probe(_ command: ProbeCommand) throws -> ChildProcess { try ChildProcess.probe(command, directory, name) }

    /// Starts a probe and waits until it has stopped at a step.
    ///
    /// - Parameter then: the step at which it stops next, once it continues.
    func probe(
        stoppedAt step: PausePoint, then next: PausePoint? = nil, _ command: ProbeCommand, closingInput: Bool = true
    ) async throws -> ChildProcess {
        let child = try ChildProcess.probe(
            command, directory, name,
            environment: ["SHAREDMEM_PAUSE_AT": [step, next].compactMap { $0?.rawValue }.joined(separator: ",")])
        if closingInput { child.closeInput() }
        try await child.stopped()
        return child
    }

    /// Continues a probe and waits until it stops at its next step.
    func goOn(_ child: ChildProcess) async throws {
        child.send(SIGCONT)
        try await child.stopped()
    }

    /// Leaves a whole file behind, without attachments, as a killed process does.
    func leaveBehind(_ text: String) async throws {
        let child = try probe(.hold())
        _ = try await child.line(beginning: "attached ")
        try attach().set(text)
        child.kill()
        _ = try await child.finish()
    }

    /// Maps the file and looks at its header directly.
    func withView<Result>(_ look: (SegmentView) throws -> Result) throws -> Result {
        let info = try Segment.info(name, directory: directory.path)
        let geometry = Geometry(capacity: info.capacity, rowCount: info.rowLimit, pinCount: info.pinLimit)
        let file = try FileDescriptor.open(path, .readWrite)
        let mapping = try SegmentMapping(file, geometry, writable: true)
        defer { extendLifetime(mapping) }
        return try look(mapping.view)
    }

    /// Expects that no pin and no claim is left.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try withView { view in
            let pins = (0..<view.mark(of: .pins)).count { view.pins[$0].word.load(ordering: .relaxed) != 0 }
            let claims = (0..<view.mark(of: .slots)).count { view.slots[$0].claim.load(ordering: .relaxed) != 0 }
            #expect((pins, claims) == (0, 0), sourceLocation: sourceLocation)
        }
    }
}
