import Foundation
import SharedMemory
import TestSupport

/// Segments that are created, abandoned and removed by processes that are killed as they do so.
struct Lifetimes {
    /// The points that a process passes while it is alone with a segment, and the interfaces that lead there.
    static let victims: [(PausePoint, Interface)] =
        [
            PausePoint.attachBuilt, .attachNamed, .leftoverNotPersistent, .attachFoundLeftover, .unlinkLocked,
            .unlinkChecked, .unlinkDone,
        ]
        .flatMap { point in Interface.readingAndSetting.map { (point, $0) } }
        // A served segment is persistent, so the server never removes it as the last process to leave.
        + [(.detachFoundNobody, .swift), (.detachFoundNobody, .c)]

    let stage: Stage

    func kill(at point: PausePoint, _ interface: Interface) async throws {
        let name = "\(point)-\(interface)-\(stage.random(0..<Int.max))"
        switch point {
        case .attachBuilt, .attachNamed: try await killCreator(name, point, interface)
        case .leftoverNotPersistent, .attachFoundLeftover: try await killRemover(name, point, interface)
        case .detachFoundNobody: try await killLast(name, point, interface)
        default:
            // A name is removed by the last process to leave, by one that finds a leftover, or by an explicit unlink.
            switch stage.random(0..<3) {
            case 0 where interface != .http: try await killLast(name, point, interface)
            case 1 where interface == .swift: try await killUnlinker(name, point)
            default: try await killRemover(name, point, interface)
            }
        }
        try expect(!FileManager.default.fileExists(atPath: path(name)), "\(name) is still there")
    }

    private func path(_ name: String) -> String { "\(stage.directory)/\(name).sharedmem" }

    private func attach(_ name: String) throws -> Segment { try Segment.attach(name, stage.options()) }

    private func victim(_ name: String, _ point: PausePoint, _ interface: Interface) async throws -> ChildProcess {
        let process =
            interface == .http
            ? try stage.server(name, stoppingAt: [point]).process
            : try stage.worker(interface, name, .set, stoppingAt: [point])
        try await process.stopped()
        return process
    }

    /// While its creator is stopped, another process creates and uses the segment, and goes on when the creator is killed.
    private func killCreator(_ name: String, _ point: PausePoint, _ interface: Interface) async throws {
        let creator = try await victim(name, point, interface)
        let segment = try attach(name)
        try segment.set("mine")
        try await stage.kill(creator, at: point, interface)
        try expect(try attach(name).get() == "mine", "\(name): the text is gone")
        // A server's segment is persistent from the moment it has a name.
        if interface == .http && point == .attachNamed { try Segment.unlink(name, directory: stage.directory) }
    }

    /// A leftover is gone for the next process that attaches, even if the process that was removing it is killed.
    private func killRemover(_ name: String, _ point: PausePoint, _ interface: Interface) async throws {
        let other: Interface = stage.randomElement([.swift, .c])
        let last = try await victim(name, .detachDroppedLifetime, other)
        try await stage.kill(last, at: .detachDroppedLifetime, other)
        let remover = try await victim(name, point, interface)
        try await stage.kill(remover, at: point, interface)
        try expectEmpty(name)
    }

    private func killLast(_ name: String, _ point: PausePoint, _ interface: Interface) async throws {
        let last = try await victim(name, point, interface)
        try await stage.kill(last, at: point, interface)
        try expectEmpty(name)
    }

    private func killUnlinker(_ name: String, _ point: PausePoint) async throws {
        let segment = try attach(name)
        try segment.set("kept")
        let unlinker = try stage.worker(.swift, name, .unlink, stoppingAt: [point])
        try await unlinker.stopped()
        // A writer that looks at the name, as it does once a second, refuses to set.
        let isSet = (try? segment.set("still kept")) != nil
        try expect(isSet || point == .unlinkDone, "\(name): an attached process cannot set")
        try await stage.kill(unlinker, at: point, .swift)
        let kept = isSet ? "still kept" : "kept"
        try expect(try segment.get() == kept, "\(name): an attached process lost the text")
        try expect(
            try attach(name).get() == (point == .unlinkDone ? "" : "still kept"),
            "\(name): killed at \(point) of unlinking")
    }

    private func expectEmpty(_ name: String) throws {
        let segment = try attach(name)
        try expect(try segment.version.number == 0 && segment.get() == "", "\(name): a dead process's text")
        try segment.set("again")
        try expect(try attach(name).get() == "again", "\(name): the text is gone")
    }
}
