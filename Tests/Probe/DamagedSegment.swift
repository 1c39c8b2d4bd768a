import Foundation
import SharedMemory
import TestSupport

/// A persistent segment whose header is broken and restored at will, and a count of the errors that calls ended with.
final class DamagedSegment {
    /// The header before any damage.
    private(set) var pristine: [UInt8] = []
    private let probe: Probe
    private let progress: CInt
    private var errors: [String: Int] = [:]
    private var textCount = 0

    private static let capacity = 4096
    private static let fileByteCount =
        DamagedHeader.format.headerByteCount + DamagedHeader.format.slotCount * capacity

    /// The segment of another probe, which is the one that damages it.
    init(guest probe: Probe) throws {
        self.probe = probe
        progress = open("\(probe.directory)/progress", O_CREAT | O_WRONLY, 0o600)
    }

    convenience init(_ probe: Probe) throws {
        try self.init(guest: probe)
        var options = probe.options(.readWrite, .persistent)
        options.capacity = Self.capacity
        options.pinCount = DamagedHeader.format.pinCount
        options.rowCount = DamagedHeader.format.rowCount
        let segment = try Segment.attach(probe.name, options)
        for round in 0..<12 { try segment.set("round \(round)") }
        extendLifetime(segment)
        try takeAsPristine()
    }

    func takeAsPristine() throws {
        let file = open(probe.path, O_RDONLY)
        defer { close(file) }
        pristine = [UInt8](repeating: 0, count: DamagedHeader.format.headerByteCount)
        guard pread(file, &pristine, pristine.count, 0) == pristine.count else {
            throw Failure(description: "the header is cut off")
        }
    }

    /// Notes the damage in a file, in case the process crashes, and ends the process if it hangs.
    func begin(_ description: String) throws {
        let line = description + String(repeating: " ", count: 60) + "\n"
        guard pwrite(progress, line, line.utf8.count, 0) > 0 else {
            throw Failure(description: "cannot write the progress file")
        }
        alarm(60)
    }

    func put(_ header: DamagedHeader) throws {
        let file = open(probe.path, O_CREAT | O_RDWR, 0o600)
        defer { close(file) }
        guard ftruncate(file, off_t(Self.fileByteCount)) == 0,
            pwrite(file, header.bytes, header.bytes.count, 0) == header.bytes.count
        else { throw Failure(description: "cannot write the header") }
    }

    /// Locks all rows, as other processes would.
    func lockRows() throws -> CInt {
        let file = open(probe.path, O_RDWR)
        var range = flock(
            l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: off_t(DamagedHeader.format.rowOffset(0)),
            l_len: off_t(64 * DamagedHeader.format.rowCount), l_pid: 0)
        // F_OFD_SETLK
        guard fcntl(file, 37, &range) == 0 else { throw Failure(description: "cannot lock the rows") }
        return file
    }

    /// Every call but unlinking.
    func tryEverything() throws {
        attempt("list") { _ = try Segment.list(directory: probe.directory) }
        attempt("info") { _ = try Segment.info(probe.name, directory: probe.directory) }
        attempt("read") { try count(Segment.read(probe.name, directory: probe.directory).text) }
        for options in [probe.options(), probe.options(.readOnly)] {
            let before = inode
            var wasLeft = false
            attempt("attach") {
                do throws(SegmentError) {
                    let segment = try Segment.attach(probe.name, options)
                    use(segment)
                } catch {
                    wasLeft = mustBeLeft(after: error)
                    throw error
                }
            }
            if wasLeft, inode != before { throw Failure(description: "a file that is no segment was unlinked") }
        }
    }

    /// Every call of one attachment.
    func use(_ segment: Segment) {
        attempt("get") { try count(segment.get()) }
        attempt("snapshot") { try count(segment.snapshot().text) }
        attempt("withText") { try segment.withText { count(String(copying: $0)) } }
        attempt("withBytes") { _ = try segment.withBytes { $0.withUnsafeBytes { $0.reduce(0) { $0 &+ Int($1) } } } }
        attempt("version") { _ = try segment.version }
        attempt("set") { try segment.set("short") }
        attempt("set") { try segment.set(String(repeating: "x", count: Self.capacity)) }
        attempt("set if") { try segment.set("conditional", ifVersion: segment.version) }
        attempt("get") { try count(segment.get()) }
        attempt("wait") { _ = try segment.wait(after: segment.version, timeout: .microseconds(100)) }
        attempt("wait") { _ = try segment.wait(after: Version(instance: 0, number: 0), timeout: .zero) }
        attempt("isUnlinked") { _ = try segment.isUnlinked }
    }

    /// Lets the library's thread watch the segment for a while.
    func watch(_ segment: Segment) {
        attempt("watch") { try segment.onReplacement(of: segment.version) {}.map(segment.cancel) }
    }

    func tryUnlinking() {
        let before = inode
        attempt("unlink") {
            do throws(SegmentError) {
                try Segment.unlink(probe.name, directory: probe.directory)
            } catch {
                if mustBeLeft(after: error), inode != before { fatalError("a file that is no segment was unlinked") }
                throw error
            }
        }
    }

    func report(_ count: Int) {
        for (error, times) in errors.sorted(by: { $0.key < $1.key }) { Probe.say("\(times)\t\(error)") }
        Probe.say("done \(count), \(textCount) texts")
    }

    private func count(_ text: String) {
        guard text.utf8.count <= Self.capacity else { fatalError("\(text.utf8.count) bytes of text") }
        textCount += 1
    }

    /// Counts an error of the library; any other ends the process.
    private func attempt(_ call: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch let error as SegmentError {
            errors["\(call): \(Mirror(reflecting: error).children.first?.label ?? "\(error)")", default: 0] += 1
        } catch {
            fatalError("\(call): \(error)")
        }
    }

    private func mustBeLeft(after error: SegmentError) -> Bool {
        switch error {
        case .notASegment, .otherLayout, .otherKernel, .untrustedOwner, .notInMemory: true
        default: false
        }
    }

    private var inode: ino_t? {
        var status = stat()
        return lstat(probe.path, &status) == 0 ? status.st_ino : nil
    }
}
