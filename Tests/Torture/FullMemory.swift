import Foundation
import SharedMemory
import TestSupport

/// A tmpfs without a free page, where a longer text takes the memory of slots that are not in use.
struct FullMemory {
    static let points: [PausePoint] = [.punchUnstamped, .punchMarked, .punchDone]
    /// The size of the tmpfs, which has room for a header and nine texts, but not for the long one as well.
    static let byteCount = 2 << 20

    /// A stage whose directory is the tmpfs.
    let stage: Stage

    func kill(at point: PausePoint, _ interface: Interface) async throws {
        // A process that is starting holds this process's open files until it runs its program.
        try await eventually("an empty tmpfs") { isEmpty ? () : nil }
        let segment = try Segment.attach("full", stage.options(.persistent))
        defer { try? Segment.unlink("full", directory: stage.directory) }
        var text: [UInt8] = []
        for _ in 0..<9 {
            text = ChecksummedText.make(byteCount: 100_000, seed: UInt64(stage.random(0..<Int.max)))
            try segment.set(utf8: text.span)
        }
        let server = interface == .http ? try stage.server("full", stoppingAt: [point]) : nil
        let client = try await server?.connect()
        try fill()
        defer { unlink("\(stage.directory)/junk") }
        let process = try server?.process ?? stage.worker(interface, "full", .grow, stoppingAt: [point])
        if let client {
            try client.sendRequest("PUT", body: ChecksummedText.make(byteCount: Worker.longByteCount, seed: 1))
        }
        try await process.stopped()
        try expect(try segment.get().utf8.elementsEqual(text), "the text is gone before the kill")
        try await stage.kill(process, at: point, interface)
        try expect(try segment.get().utf8.elementsEqual(text), "the text is gone after the kill")
        text = ChecksummedText.make(byteCount: 100_000, seed: 2)
        try segment.set(utf8: text.span)
        try expect(try Segment.read("full", directory: stage.directory).text.utf8.elementsEqual(text), "not set")
    }

    private var isEmpty: Bool {
        var status = statvfs()
        return statvfs(stage.directory, &status) == 0 && status.f_bfree == status.f_blocks
    }

    /// Takes the memory that is left.
    private func fill() throws {
        let descriptor = open("\(stage.directory)/junk", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        try expect(descriptor >= 0 && errno == ENOSPC, "could not fill the tmpfs: errno \(errno)")
    }
}
