import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("Many processes", .fewAtATime, .serialized)
struct ManyProcessesTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func probe(_ command: ProbeCommand) throws -> ChildProcess { try ChildProcess.probe(command, directory, name) }

    @Test(
        "With 8 writers and 8 readers for 10 s, and 1 byte to 1 MiB, no text is torn, no version goes backwards and no set is lost"
    )
    func writersAndReaders() async throws {
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        let readers = try (0..<8).map { try probe(.read($0 < 5 ? .readWrite : .readOnly)) }
        let writers = try (0..<8).map { try probe(.write(seconds: 10, maximumByteCount: 1 << 20, seed: $0)) }
        for child in readers + writers { _ = try await child.line(beginning: "attached", within: 60) }
        for writer in writers { try writer.write(Data("\n".utf8)) }
        var sets: UInt64 = 0
        for writer in writers {
            let result = try await writer.finish(within: 60)
            #expect(result.status == 0 && result.errors == "", "\(result.errors)")
            #expect(!result.text.contains("BACKWARDS"))
            sets += try number(after: "sets ", in: result.text)
        }
        for reader in readers {
            let result = try await reader.finish(within: 60)
            #expect(result.status == 0 && result.errors == "", "\(result.errors)")
            #expect(!result.text.contains("TORN") && !result.text.contains("BACKWARDS"), "\(result.text)")
            #expect(try number(after: "reads ", in: result.text) > 0)
        }
        #expect(sets > 0)
        #expect(try segment.version.number == sets)
    }

    @Test("No compare-and-set by 8 processes is lost")
    func updates() async throws {
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        let children = try (0..<8).map { _ in try probe(.increment(times: 500)) }
        for child in children { #expect(try await child.finish(within: 60).status == 0) }
        #expect(try segment.get() == "4000")
        #expect(try segment.version.number == 4000)
    }

    @Test("Exactly one of two conditional sets on one version succeeds, 1,000 times")
    func races() async throws {
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        let child = try probe(.race("theirs"))
        _ = try await child.line(beginning: "attached")
        for round in 0..<1000 {
            let version = try segment.version
            try child.write(Data("\(version)\n".utf8))
            let iWon = try wins(segment, version)
            let answer = try await child.line(beginning: "won \(version)", orBeginning: "lost \(version)")
            #expect(answer != iWon, "round \(round)")
            #expect(try segment.get() == (iWon ? "mine" : "theirs"))
            #expect(try segment.version.number == version.number + 1)
        }
    }

    private func wins(_ segment: Segment, _ version: Version) throws -> Bool {
        do {
            try segment.set("mine", ifVersion: version)
            return true
        } catch SegmentError.versionMismatch {
            return false
        }
    }

    private func number(after prefix: String, in text: String) throws -> UInt64 {
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(prefix) })
        return try #require(UInt64(line.dropFirst(prefix.count)))
    }
}

extension ChildProcess {
    /// Waits for one of two lines, and returns true for the first one.
    fileprivate func line(beginning first: String, orBeginning second: String) async throws -> Bool {
        try await eventually("'\(first)' or '\(second)'") {
            let text = self.outputSoFar
            return text.contains(first + "\n") ? true : text.contains(second + "\n") ? false : nil
        }
    }
}
