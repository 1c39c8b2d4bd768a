import Foundation
import SharedMemory
import TestSupport

/// Segments that processes create, leave behind and remove, killed as they do.
struct Births {
    /// Where a process that is alone with a segment can be killed, and through which doors it comes there.
    static let victims: [(PausePoint, Door)] =
        [
            PausePoint.attachBuilt, .attachNamed, .leftoverNotPersistent, .attachFoundLeftover, .unlinkLocked,
            .unlinkChecked,
            .unlinkDone,
        ]
        .flatMap { step in Door.readingAndSetting.map { (step, $0) } }
        // What is served is persistent: the server never finds itself the last one.
        + [(.detachFoundNobody, .swift), (.detachFoundNobody, .c)]

    let stage: Stage

    func kill(at step: PausePoint, _ door: Door) async throws {
        let name = "\(step)-\(door)-\(stage.random(0..<Int.max))"
        switch step {
        case .attachBuilt, .attachNamed: try await killCreator(name, step, door)
        case .leftoverNotPersistent, .attachFoundLeftover: try await killRemover(name, step, door)
        case .detachFoundNobody: try await killLast(name, step, door)
        default:
            // A name is removed by the last to leave, by who finds a leftover, and by who is told to.
            switch stage.random(0..<3) {
            case 0 where door != .http: try await killLast(name, step, door)
            case 1 where door == .swift: try await killUnlinker(name, step)
            default: try await killRemover(name, step, door)
            }
        }
        try expect(!FileManager.default.fileExists(atPath: path(name)), "\(name) is still there")
    }

    private func path(_ name: String) -> String { "\(stage.directory)/\(name).sharedmem" }

    private func attach(_ name: String) throws -> Segment { try Segment.attach(name, stage.options()) }

    private func victim(_ name: String, _ step: PausePoint, _ door: Door) async throws -> ChildProcess {
        let process =
            door == .http
            ? try stage.server(name, stoppingAt: [step]).process
            : try stage.worker(door, name, .set, stoppingAt: [step])
        try await process.stopped()
        return process
    }

    /// Another creates and uses the segment while its creator is stopped, and goes on when it is killed.
    private func killCreator(_ name: String, _ step: PausePoint, _ door: Door) async throws {
        let creator = try await victim(name, step, door)
        let segment = try attach(name)
        try segment.set("mine")
        try await stage.kill(creator, at: step, door)
        try expect(try attach(name).get() == "mine", "\(name): what was set is not there")
        // A server's is persistent from the moment it has a name.
        if door == .http && step == .attachNamed { try Segment.unlink(name, directory: stage.directory) }
    }

    /// What is left behind is gone for whoever comes next, also when those are killed who remove it.
    private func killRemover(_ name: String, _ step: PausePoint, _ door: Door) async throws {
        let other: Door = stage.randomElement([.swift, .c])
        let last = try await victim(name, .detachDroppedLifetime, other)
        try await stage.kill(last, at: .detachDroppedLifetime, other)
        let remover = try await victim(name, step, door)
        try await stage.kill(remover, at: step, door)
        try expectEmpty(name)
    }

    private func killLast(_ name: String, _ step: PausePoint, _ door: Door) async throws {
        let last = try await victim(name, step, door)
        try await stage.kill(last, at: step, door)
        try expectEmpty(name)
    }

    private func killUnlinker(_ name: String, _ step: PausePoint) async throws {
        let segment = try attach(name)
        try segment.set("kept")
        let unlinker = try stage.worker(.swift, name, .unlink, stoppingAt: [step])
        try await unlinker.stopped()
        try segment.set("kept on")
        try await stage.kill(unlinker, at: step, .swift)
        try expect(try segment.get() == "kept on", "\(name): those attached have lost it")
        try expect(
            try attach(name).get() == (step == .unlinkDone ? "" : "kept on"), "\(name): killed at \(step) of unlinking")
    }

    private func expectEmpty(_ name: String) throws {
        let segment = try attach(name)
        try expect(try segment.version.number == 0 && segment.get() == "", "\(name): a dead one's text")
        try segment.set("anew")
        try expect(try attach(name).get() == "anew", "\(name): what was set is not there")
    }
}
