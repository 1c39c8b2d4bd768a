import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What each interface makes of a segment's file that is moved, copied or linked while it is in use.
@Suite("Changes of the file", .fewAtATime)
struct FileChangesTests {
    let directory: TemporaryDirectory
    let segment: Segment
    let server: ChildProcess
    let watch: ChildProcess

    init() async throws {
        directory = try TemporaryDirectory()
        segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        try segment.set("before\n")
        let location = ["--directory", directory.path]
        server = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "text", "--listen", "unix:\(directory.path)/socket"] + location)
        _ = try await server.line(beginning: "listening on ")
        watch = try ChildProcess(ChildProcess.product("sharedmem"), ["watch", "text"] + location)
        _ = try await watch.line(beginning: "before")
    }

    var path: String { directory.path(of: "text") }

    func sharedmem(_ arguments: String...) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path])
    }

    func served() throws -> String { try RawClient(socketPath: "\(directory.path)/socket").request().text }

    /// Whatever was attached notices that the name leads to its file no more, and is not disturbed otherwise.
    func nameIsLost() async throws {
        let version = try segment.version
        #expect(try segment.get() == "before\n")
        #expect(throws: SegmentError.unlinked(name: "text")) { try segment.wait(after: version, timeout: .seconds(60)) }
        let error = try await eventually("the end of setting") {
            do throws(SegmentError) {
                try segment.set("into a file that is not found\n")
                return nil as SegmentError?
            } catch {
                return error
            }
        }
        #expect(error == .unlinked(name: "text"))
        let end = try await watch.finish()
        #expect(end.status == 1 && end.errors.contains("unlinked"), "\(end)")
    }

    @Test("A file that is removed or moved away ends setting and waiting; all interfaces go on with the next segment")
    func removedOrMoved() async throws {
        let moved = directory.path(of: "moved")
        #expect(rename(path, moved) == 0)
        try await nameIsLost()
        #expect(try await sharedmem("set", "text", "--text", "after").status == 0)
        #expect(try await sharedmem("get", "text").text == "after")
        let _: Bool = try await eventually("the new text from the server") { try served() == "after" ? true : nil }
        // The file is the same segment by its other name.
        #expect(try await sharedmem("set", "moved", "--text", "by another name").status == 0)
        #expect(try segment.get() == "by another name")
        #expect(try await sharedmem("get", "text").text == "after")
    }

    @Test("A copy in place of the file is refused by all interfaces, and left where it is")
    func replacedByCopy() async throws {
        let copy = directory.path(of: "copy")
        #expect(try await ChildProcess.run("cp", ["--sparse=always", path, copy]).status == 0)
        #expect(try await sharedmem("get", "copy").errors.contains("a copy of another segment"))
        #expect(rename(copy, path) == 0)
        try await nameIsLost()
        for command in [["get", "text"], ["set", "text", "--text", "x"], ["info", "text"]] {
            let end = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), command + ["--directory", directory.path])
            #expect(end.status == 1 && end.errors.contains("a copy of another segment"), "\(command): \(end.errors)")
        }
        let _: Bool = try await eventually("the server's error") {
            try RawClient(socketPath: "\(directory.path)/socket").request().status == 503 ? true : nil
        }
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test("By a second hard link, it is the same segment, which the removal of one name leaves to the other")
    func hardLink() async throws {
        #expect(link(path, directory.path(of: "other")) == 0)
        #expect(try await sharedmem("get", "other").text == "before\n")
        #expect(try await sharedmem("unlink", "other").status == 0)
        // Longer than any of them leaves the name unlooked at.
        for number in 1...3 {
            try segment.set("\(number)\n")
            _ = try await watch.line(beginning: "\(number)")
            #expect(try await sharedmem("get", "text").text == "\(number)\n")
            #expect(try served() == "\(number)\n")
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
