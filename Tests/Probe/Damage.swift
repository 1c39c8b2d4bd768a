// A segment's file changed under the library: whatever is in it, a call ends with an error that has a type, or with a
// text that may be.

import Foundation
import SharedMemory
import TestSupport

extension Probe {
    /// Random heads and broken ones, each then put to every call: `probe … damage-heads SEED ROUNDS [FIRST]`.
    ///
    /// A round depends on the seed and its own number alone, so that one can be run again.
    static func damageHeads() throws {
        let seed = UInt64(argument(0)) ?? 0
        let rounds = Int(argument(1)) ?? 1
        let first = Int(argument(2)) ?? 0
        let damage = try Damage()
        for round in first..<first + rounds {
            var generator = SplitMix(state: seed &+ UInt64(round) &* 0x1_0000_0001)
            try damage.begin("round \(round) of seed \(seed)")
            var head = Head(damage.pristine)
            switch round % 4 {
            case 0: head.fill(from: 0, &generator)
            case 1: head.fill(from: 64, &generator)
            case 2: for _ in 0..<Int.random(in: 1...8, using: &generator) { head.breakField(&generator) }
            default:
                for _ in 0..<Int.random(in: 1...16, using: &generator) {
                    head.bytes[Int.random(in: 0..<Head.byteCount, using: &generator)] ^=
                        1 << UInt8.random(in: 0..<8, using: &generator)
                }
            }
            try damage.put(head)
            let rowsAreTaken = round % 8 == 6
            let locker = rowsAreTaken ? try damage.lockRows() : -1
            try damage.tryEverything()
            damage.tryUnlinking()
            if rowsAreTaken { close(locker) }
        }
        damage.report(rounds)
    }

    /// Each byte of a part of the head, with several values: `probe … damage-bytes FROM TO STEP attached|alone`.
    static func damageBytes() throws {
        let range = (Int(argument(0)) ?? 0)..<(Int(argument(1)) ?? Head.byteCount)
        let isAttached = argument(3) == "attached"
        let damage = try Damage()
        var count = 0
        let segment = isAttached ? try Segment.attach(name, options(.readWrite, .persistent)) : nil
        let readOnly = isAttached ? try Segment.attach(name, options(.readOnly)) : nil
        if isAttached { try damage.takeAsPristine() }
        say("begun")
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: Int(argument(2)) ?? 1) {
            let byte = damage.pristine[offset]
            for value in Set([0, 0xff, byte ^ 1, byte ^ 0x80]).subtracting([byte]).sorted() {
                try damage.begin("byte \(offset) = \(value)")
                var head = Head(damage.pristine)
                head.bytes[offset] = value
                try damage.put(head)
                for each in [segment, readOnly] {
                    guard let each else { continue }
                    damage.use(each)
                    damage.watch(each)
                }
                try damage.tryEverything()
                count += 1
            }
        }
        try damage.put(Head(damage.pristine))
        damage.report(count)
        extendLifetime((segment, readOnly))
    }

    /// All calls again and again until the input ends, whatever they say: `probe … churn`.
    static func churn() throws {
        let damage = try Damage(isGuest: true)
        var descriptor = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        var count = 0
        say("churning")
        while poll(&descriptor, 1, 0) == 0 {
            alarm(60)
            try damage.tryEverything()
            count += 1
        }
        damage.report(count)
    }
}

/// The first bytes of a segment's file: all that comes before the slots.
private struct Head {
    static let byteCount = 24_576
    static let capacity = 4096
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func fill(from start: Int, _ generator: inout SplitMix) {
        for offset in stride(from: start, to: Self.byteCount, by: 8) { put(generator.next(), at: offset) }
        // Also slots and numbers that may be, or a random one never gets past the first look.
        if generator.next() % 2 == 0 { put(generator.next() << 8 | generator.next() % 200, at: 64) }
    }

    mutating func put(_ value: UInt64, at offset: Int) {
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }

    /// Values on either side of what a field may be.
    static let boundaries: [UInt64] = [
        0, 1, 2, 63, 64, 65, 126, 127, 128, 190, 191, 192, 255, 256, 4095, 4096, 4097, 8192, 24_576, 1 << 20, 1 << 30,
        1 << 30 + 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 56 - 2, 1 << 56 - 1, 1 << 56, 1 << 63 - 1, 1 << 63, .max - 1,
        .max,
    ]

    mutating func breakField(_ generator: inout SplitMix) {
        let value = Self.boundaries.randomElement(using: &generator) ?? 0
        let other = Self.boundaries.randomElement(using: &generator) ?? 0
        let slot = Int.random(in: 0..<191, using: &generator)
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: put(value, at: 8 * Int.random(in: 0..<8, using: &generator))
        case 1: put(value << 8 | other & 0xff, at: 64)
        case 2: put(value, at: 128 + 8 * Int.random(in: 0..<8, using: &generator))
        case 3: put(value << 32 | other, at: 192 + 64 * Int.random(in: 0..<64, using: &generator))
        case 4: put(value, at: 4288 + 64 * slot + 8 * Int.random(in: 0..<5, using: &generator))
        case 5: put(value, at: 16_512 + 64 * Int.random(in: 0..<126, using: &generator) + 8 * Int(other % 8))
        case 6: for pin in 0..<64 { put(value << 32 | UInt64(pin + 1), at: 192 + 64 * pin) }
        case 7: for pin in 0..<64 { put((UInt64(pin) + 1) << 32 | UInt64(slot + 1), at: 192 + 64 * pin) }
        default:
            // One field of all slots: claim, stamp, count, mark, time.
            let field = Int.random(in: 0..<5, using: &generator)
            for slot in 0..<191 { put(value, at: 4288 + 64 * slot + 8 * field) }
        }
    }
}

/// A persistent segment's file, its head put back or broken at will, and what the calls said to it.
private final class Damage {
    private(set) var pristine: [UInt8] = []
    private let path: String
    private let progress: CInt
    private var errors: [String: Int] = [:]
    private var textCount = 0

    init(isGuest: Bool = false) throws {
        path = "\(Probe.arguments[1])/\(Probe.name).sharedmem"
        progress = open("\(Probe.arguments[1])/progress", O_CREAT | O_WRONLY, 0o600)
        if isGuest { return }
        var options = Probe.options(.readWrite, .persistent)
        options.capacity = Head.capacity
        let segment = try Segment.attach(Probe.name, options)
        for round in 0..<12 { try segment.set("round \(round)") }
        extendLifetime(segment)
        try takeAsPristine()
    }

    func takeAsPristine() throws {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        pristine = [UInt8](repeating: 0, count: Head.byteCount)
        guard pread(file, &pristine, pristine.count, 0) == pristine.count else { throw Unexpected("no whole head") }
    }

    /// Leaves word of what comes now, in case it is the last, and has a hang end.
    func begin(_ what: String) throws {
        let line = what + String(repeating: " ", count: 60) + "\n"
        guard pwrite(progress, line, line.utf8.count, 0) > 0 else { throw Unexpected("progress can not be written") }
        alarm(60)
    }

    func put(_ head: Head) throws {
        let file = open(path, O_CREAT | O_RDWR, 0o600)
        defer { close(file) }
        guard ftruncate(file, off_t(Head.byteCount + 191 * Head.capacity)) == 0,
            pwrite(file, head.bytes, head.bytes.count, 0) == head.bytes.count
        else { throw Unexpected("the head can not be written") }
    }

    /// Takes all rows, as another process would.
    func lockRows() throws -> CInt {
        let file = open(path, O_RDWR)
        var range = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 16_512, l_len: 126 * 64, l_pid: 0)
        // F_OFD_SETLK
        guard fcntl(file, 37, &range) == 0 else { throw Unexpected("the rows can not be locked") }
        return file
    }

    /// Every call but unlinking.
    func tryEverything() throws {
        attempt("list") { _ = try Segment.list(directory: Probe.arguments[1]) }
        attempt("info") { _ = try Segment.info(Probe.name, directory: Probe.arguments[1]) }
        attempt("read") { try count(Segment.read(Probe.name, directory: Probe.arguments[1]).text) }
        for options in [Probe.options(), Probe.options(.readOnly)] {
            let before = inode
            var wasLeft = false
            attempt("attach") {
                do throws(SegmentError) {
                    let segment = try Segment.attach(Probe.name, options)
                    use(segment)
                } catch {
                    wasLeft = mustBeLeft(after: error)
                    throw error
                }
            }
            if wasLeft, inode != before { throw Unexpected("what was not recognised was unlinked") }
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
        attempt("set") { try segment.set(String(repeating: "x", count: Head.capacity)) }
        attempt("set if") { try segment.set("conditional", ifVersion: segment.version) }
        attempt("get") { try count(segment.get()) }
        attempt("wait") { _ = try segment.wait(after: segment.version, timeout: .microseconds(100)) }
        attempt("wait") { _ = try segment.wait(after: Version(instance: 0, number: 0), timeout: .zero) }
        attempt("isUnlinked") { _ = try segment.isUnlinked }
    }

    /// Has the library's thread look for a while.
    func watch(_ segment: Segment) {
        attempt("watch") { try segment.onReplacement(of: segment.version) {}.map(segment.cancel) }
    }

    func tryUnlinking() {
        let before = inode
        attempt("unlink") {
            do throws(SegmentError) {
                try Segment.unlink(Probe.name, directory: Probe.arguments[1])
            } catch {
                if mustBeLeft(after: error), inode != before { fatalError("what was not recognised was unlinked") }
                throw error
            }
        }
    }

    func report(_ count: Int) {
        for (error, times) in errors.sorted(by: { $0.key < $1.key }) { Probe.say("\(times)\t\(error)") }
        Probe.say("done \(count), \(textCount) texts")
    }

    private func count(_ text: String) {
        guard text.utf8.count <= Head.capacity else { fatalError("a text of \(text.utf8.count) bytes") }
        textCount += 1
    }

    /// Anything but the library's own errors is the end.
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
        case .notASegment, .otherKernel, .untrustedOwner, .notInMemory: true
        default: false
        }
    }

    private var inode: ino_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_ino : nil
    }
}

private struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
