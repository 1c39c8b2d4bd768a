import Foundation
import SharedMemory
import TestSupport

extension Members {
    /// Sets through every interface in turn, and reads through the others.
    func checkInterfaces(_ server: Server) async throws {
        let client = try RawClient(socketPath: server.socketPath)
        let throughHTTP = try stage.recorder(.http)
        try recorder.set(segment, stage.randomText())
        try client.set(stage.randomText(), throughHTTP)
        for interface in [Interface.swift, .c] {
            let setter = try await stage.worker(interface, name, .set).finish()
            try expect(setter.status == 0, "\(setter)")
        }
        let text = try await setThroughCommandLine()
        try expect(try segment.get().utf8.elementsEqual(text), "set through the command line, read through Swift")
        try expect(try client.get(throughHTTP) == text, "set through the command line, read through HTTP")
        let get = try await stage.sharedmem(["get", name])
        try expect(get.status == 0 && Array(get.output) == text, "read through the command line: \(get)")
        for (interface, action) in [(Interface.swift, Worker.Action.read), (.swift, .copy), (.c, .read), (.c, .copy)] {
            let reader = try await stage.worker(interface, name, action).finish()
            try expect(reader.status == 0, "\(reader)")
        }
    }

    private func setThroughCommandLine() async throws -> [UInt8] {
        let text = stage.randomText()
        recorder.willSet(text)
        let start = HistoryFile.now
        let set = try await stage.sharedmem(["set", name, "-v"], input: text)
        guard let version = Version(set.errors.trimmingCharacters(in: .newlines)) else {
            throw Failed(description: "sharedmem set: \(set)")
        }
        try stage.recorder(.commandLine).record(
            .set, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes))
        return text
    }

    /// Ends the round for every watcher, which must have the last version by then or soon after.
    func end(_ watchers: [any RoundWatcher]) async throws {
        if stage.random(0..<4) == 0 { try await killBeforeWaking() }
        let last = try segment.version
        try await inParallel(watchers, width: watchers.count) { try await $0.end(last) }
    }

    /// Has the last version set by a process that is killed before it wakes a waiter.
    private func killBeforeWaking() async throws {
        let interface: Interface = stage.randomElement([.swift, .c])
        let point: PausePoint = stage.randomElement([.setPublished, .setUnclaimed])
        let publisher = try stage.worker(interface, name, .set, stoppingAt: [point])
        try await publisher.stopped()
        try await stage.kill(publisher, at: point, interface)
    }

    /// Everything recorded since the last time is consistent, and the current version is no older.
    func checkHistory(after before: Version) throws {
        let history = try stage.takeHistory()
        stage.tally.checked(history)
        let violations = history.violations()
        try expect(violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
        let after = try segment.version
        let last = max(before.number, history.lastNumber(ofInstance: after.instance))
        try expect(
            after.instance == before.instance && after.number >= last,
            "number \(last) was current, but now \(after) is")
    }

    /// After a sweep, the only row is this process's, and no pin or claim is left.
    func checkNothingIsLeft() async throws {
        // One of its own, which has not swept a moment ago.
        var options = stage.options()
        options.sharesAttachment = false
        let other = try Segment.attach(name, options)
        try other.sweep()
        let (pins, claims) = try SegmentFormat.usage(ofFile: "\(stage.directory)/\(name).sharedmem")
        let attached = try Segment.info(name, directory: stage.directory).attached.count
        try expect((pins, claims, attached) == (0, 0, 1), "left: \(pins) pins, \(claims) claims, \(attached) rows")
        extendLifetime(other)
    }
}
