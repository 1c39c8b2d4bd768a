// The other process of the tests: probe DIRECTORY NAME COMMAND [ARGUMENT …]

import Foundation
import SharedMemory
import TestSupport

@main
enum Probe {
    static func main() {
        do {
            try run()
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(1)
        }
    }

    static func run() throws {
        guard arguments.count > 3 else { fatalError("probe DIRECTORY NAME COMMAND [ARGUMENT …]") }
        switch command {
        case "get": try get()
        case "set": try set()
        case "hold": try hold()
        case "hold-pins": try holdPins()
        case "borrow": try borrow()
        case "write": try write()
        case "read": try read()
        case "increment": try increment()
        case "race": try race()
        case "read-once": try readOnce()
        case "unlink": try Segment.unlink(name, directory: arguments[1])
        case "create-at-once": try createAtOnce()
        case "exit-attached": try exitAttached()
        case "fill": try fill()
        case "lock-memory": try lockMemory()
        case "attach-as": try attachAs()
        case "fork-beside": try forkBeside()
        case "exit-in-handler": try exitInHandler()
        case "set-if": try setIf()
        case "set-checksummed": try setChecksummed()
        case "write-threads": try writeThreads()
        case "info": try say(Segment.info(name, directory: arguments[1]).version)
        case "list": try say(Segment.list(directory: arguments[1]).joined(separator: " "))
        case "set-lines": try setLines()
        case "set-under-signals": try setUnderSignals()
        case "keep-pins": try keepPins()
        case "keep-readers": try keepReaders()
        case "read-by-reader": try readByReader()
        case "damage-heads": try damageHeads()
        case "damage-bytes": try damageBytes()
        case "churn": try churn()
        case "wait": try wait()
        case "watch": try watch()
        case "wait-under-signals": try waitUnderSignals()
        case "signals-elsewhere": try signalsElsewhere()
        case "crowd": try crowd()
        case "come-and-go": try comeAndGo()
        case "drop": try drop()
        default: fatalError("no such command: \(command)")
        }
    }

    /// Without /proc Swift's own know no arguments.
    static let arguments =
        ProcessInfo.processInfo.environment["PROBE_ARGUMENTS"]?.components(separatedBy: " ") ?? CommandLine.arguments
    static let name = arguments[2]
    static let command = arguments[3]

    /// Prints a line that the test sees at once.
    static func say(_ text: some Any, terminator: String = "\n") {
        print(text, terminator: terminator)
        fflush(nil)
    }

    static func options(_ access: Access = .readWrite, _ lifetime: Lifetime = .whileAttached) -> AttachmentOptions {
        AttachmentOptions(access: access, lifetime: lifetime, directory: arguments[1])
    }

    static func argument(_ index: Int) -> String { arguments.count > 4 + index ? arguments[4 + index] : "" }

    /// Returns when the test closes our standard input.
    static func waitForEndOfInput() { while getchar() != EOF {} }

    static func readLine() -> String { Swift.readLine(strippingNewline: true) ?? "" }

    static func get() throws {
        try say(Segment.attach(name, options()).get(), terminator: "")
    }

    static func set() throws {
        try say(Segment.attach(name, options()).set(argument(0)))
    }

    /// Sets a text if that version is still there: `probe … set-if VERSION TEXT`.
    static func setIf() throws {
        guard let version = Version(argument(0)) else { fatalError("not a version: \(argument(0))") }
        try say(Segment.attach(name, options()).set(argument(1), ifVersion: version))
    }

    /// Sets a text that carries its checksum: `probe … set-checksummed BYTES SEED`.
    static func setChecksummed() throws {
        let text = ChecksummedText.make(byteCount: Int(argument(0)) ?? 1, seed: UInt64(argument(1)) ?? 0)
        try say(Segment.attach(name, options()).set(utf8: text.span))
    }

    /// Sets checksummed texts in many threads of many attachments: `probe … write-threads ATTACHMENTS THREADS SETS SEED`,
    /// so many threads to each attachment, and so many sets to each thread.
    static func writeThreads() throws {
        let segments = try (0..<(Int(argument(0)) ?? 1)).map { _ in try Segment.attach(name, options()) }
        let threadCount = (Int(argument(1)) ?? 1) * segments.count
        let setCount = Int(argument(2)) ?? 1
        let seed = UInt64(argument(3)) ?? 0
        say("attached")
        _ = readLine()
        let group = DispatchGroup()
        for index in 0..<threadCount {
            group.enter()
            Thread.detachNewThread {
                do {
                    var generator = SplitMix(state: seed << 32 + UInt64(index))
                    for _ in 0..<setCount {
                        let byteCount = Int(generator.next() % 5000) + 1
                        let text = ChecksummedText.make(byteCount: byteCount, seed: generator.next())
                        try segments[index % segments.count].set(utf8: text.span)
                    }
                } catch {
                    say("failed \(error)")
                }
                group.leave()
            }
        }
        group.wait()
        say("done")
        extendLifetime(segments)
    }

    /// Sets a checksummed text for each line, which says `BYTES SEED`.
    static func setLines() throws {
        let segment = try Segment.attach(name, options())
        while let line = Swift.readLine() {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            say(try segment.set(utf8: ChecksummedText.make(byteCount: Int(numbers[0]), seed: numbers[1]).span))
        }
    }

    /// Sets a text while a signal comes every so often: `probe … set-under-signals MICROSECONDS BYTES`.
    static func setUnderSignals() throws {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: Int(argument(1)) ?? 1)
        let segment = try Segment.attach(name, AttachmentOptions(capacity: bytes.count, directory: arguments[1]))
        // Without SA_RESTART, so that a call is interrupted.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGALRM, &action, nil)
        var interval = itimerval()
        interval.it_value.tv_usec = suseconds_t(Int(argument(0)) ?? 1000)
        interval.it_interval = interval.it_value
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &interval, nil)
        let version = try segment.set(utf8: bytes.span)
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timerOff, nil)
        say(version)
    }

    nonisolated(unsafe) private static var timerOff = itimerval()

    /// Keeps as many pins as asked in one thread, until a line comes; then says whether the bytes are
    /// still what they were.
    static func keepPins() throws {
        let segment = try Segment.attach(name, options())
        func keep(_ count: Int) throws -> Bool {
            if count == 0 {
                say("kept")
                _ = readLine()
                return true
            }
            return try segment.withBytes { bytes in
                let before = bytes.withUnsafeBytes { Array($0) }
                return try keep(count - 1) && bytes.withUnsafeBytes { Array($0) } == before
            }
        }
        say("unchanged \(try keep(Int(argument(0)) ?? 1))")
    }

    /// The same with readers, to the end of the input.
    static func keepReaders() throws {
        let segment = try Segment.attach(name, options())
        func keep(_ count: Int) throws {
            if count == 0 {
                say("kept")
                return waitForEndOfInput()
            }
            var reader = try segment.makeReader()
            _ = try reader.get()
            try keep(count - 1)
            _ = try reader.get()
        }
        try keep(Int(argument(0)) ?? 1)
    }

    /// Reads checksummed texts by one reader: one at once, and one when the input has ended.
    static func readByReader() throws {
        let segment = try Segment.attach(name, options())
        var reader = try segment.makeReader()
        for turn in ["first", "then"] {
            let isWhole = try reader.withText { ChecksummedText.isWhole($0.span.bytes) }
            say("\(turn) \(reader.version.map { "\($0)" } ?? "none") \(isWhole)")
            waitForEndOfInput()
        }
    }

    /// Stays attached, and says so.
    static func hold() throws {
        let lifetime: Lifetime = argument(0) == "persistent" ? .persistent : .whileAttached
        let segment = try Segment.attach(name, options(.readWrite, lifetime))
        say("attached \(try segment.version)")
        waitForEndOfInput()
        extendLifetime(segment)
    }

    /// Holds as many pins as asked, each in a thread of its own, all in the midst of a borrow.
    static func holdPins() throws {
        let segment = try Segment.attach(name, options())
        for _ in 0..<(Int(argument(0)) ?? 1) {
            Thread.detachNewThread {
                do {
                    try segment.withBytes { bytes in
                        say("pinned \(bytes.byteCount)")
                        while true { pause() }
                    }
                } catch {
                    say("failed \(error)")
                }
            }
        }
        waitForEndOfInput()
    }

    /// Holds a borrow until a line comes, then says whether the bytes are still what they were.
    static func borrow() throws {
        let segment = try Segment.attach(name, options())
        try segment.withBytes { bytes in
            let before = bytes.withUnsafeBytes { Array($0) }
            say("borrowed \(before.count)")
            _ = readLine()
            say("unchanged \(bytes.withUnsafeBytes { Array($0) } == before)")
        }
    }

    /// Sets checksummed texts for some seconds: `probe … write SECONDS MAXIMUM SEED`.
    static func write() throws {
        let segment = try Segment.attach(name, options())
        let maximum = Int(argument(1)) ?? 1
        var generator = SplitMix(state: UInt64(argument(2)) ?? 0)
        let texts = (0..<24).map { index in
            // Sizes over all magnitudes, the smallest and the largest among them.
            let byteCount =
                index == 0 ? 1 : index == 1 ? maximum : Int(generator.next() % UInt64(1 << (index % 21))) + 1
            return ChecksummedText.make(byteCount: min(byteCount, maximum), seed: generator.next())
        }
        say("attached")
        _ = readLine()
        let end = ContinuousClock.now + .seconds(Double(argument(0)) ?? 1)
        var count = 0
        var last: UInt64 = 0
        while ContinuousClock.now < end {
            let text = texts[Int(generator.next() % UInt64(texts.count))]
            let version = try segment.set(utf8: text.span)
            if version.number <= last { say("BACKWARDS \(last) \(version)") }
            last = version.number
            count += 1
        }
        say("sets \(count)")
    }

    /// Reads and checks until its input ends: `probe … read readWrite|readOnly`.
    static func read() throws {
        let segment = try Segment.attach(name, options(argument(0) == "readOnly" ? .readOnly : .readWrite))
        say("attached")
        var isDone = false
        var count = 0
        var last: UInt64 = 0
        var descriptor = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        while !isDone {
            let before = try segment.version.number
            do {
                if count % 2 == 0 {
                    let isWhole = try segment.withBytes { ChecksummedText.isWhole($0) }
                    if !isWhole { say("TORN") }
                } else {
                    let snapshot = try segment.snapshot()
                    if !ChecksummedText.isWhole(snapshot.text.utf8Span.span.bytes) { say("TORN \(snapshot.version)") }
                    if snapshot.version.number < before { say("BACKWARDS \(before) \(snapshot.version)") }
                }
            } catch SegmentError.busy {
                say("busy")
            }
            if before < last { say("BACKWARDS \(last) \(before)") }
            last = before
            count += 1
            isDone = poll(&descriptor, 1, 0) > 0
        }
        say("reads \(count)")
    }

    /// Reads one checksummed text: `probe … read-once readWrite|readOnly`.
    static func readOnce() throws {
        let segment = try Segment.attach(name, options(argument(0) == "readOnly" ? .readOnly : .readWrite))
        let snapshot = try segment.snapshot()
        say("\(snapshot.version) \(ChecksummedText.isWhole(snapshot.text.utf8Span.span.bytes))")
    }

    /// Compare-and-set: adds one to the number that the text is, some times.
    static func increment() throws {
        let segment = try Segment.attach(name, options())
        for _ in 0..<(Int(argument(0)) ?? 0) { try segment.update { String((Int($0) ?? 0) + 1) } }
        say("done")
    }

    /// Attaches at the moment when someone opens a FIFO for writing, and says to what.
    static func createAtOnce() throws {
        close(open(argument(0), O_RDONLY))
        while true {
            do throws(SegmentError) {
                let segment = try Segment.attach(name, options(.readWrite, .persistent))
                return say("\(try segment.version)")
            } catch {
                // A thousand are more than there are rows, and than a second is long enough for.
                switch error {
                case .tooManyAttached, .busy: continue
                default: throw error
                }
            }
        }
    }

    /// Ends by exit(3) while attached.
    static func exitAttached() throws {
        let segment = try Segment.attach(name, options())
        try segment.set("to the end")
        say("attached")
        exit(0)
    }

    /// On a tmpfs of 1 MiB: sets until it is full, and on.
    static func fill() throws {
        let segment = try Segment.attach(name, options())
        let junk = argument(0)
        for round in 0..<20 { try segment.set(String(repeating: "\(round % 10)", count: 300_000)) }
        // Takes what is left, so that nothing new can be had.
        let descriptor = open(junk, O_CREAT | O_WRONLY, 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while Foundation.write(descriptor, block, block.count) > 0 {}
        for round in 0..<20 { try segment.set(String(repeating: "\(round % 10)", count: 300_000)) }
        say("same size: set")
        // Larger: there is memory for it only behind slots that are not in use.
        try segment.set(String(repeating: "L", count: 400_000))
        say("larger: set")
        let version = try segment.version
        do throws(SegmentError) {
            try segment.set(String(repeating: "H", count: 900_000))
        } catch {
            say("too large: \(error)")
        }
        let text = try segment.get()
        say("still there: \(try segment.version == version && text == String(repeating: "L", count: 400_000))")
        while Foundation.write(descriptor, block, block.count) > 0 {}
        do throws(SegmentError) {
            _ = try Segment.attach("another", options())
        } catch {
            say("another: \(error)")
        }
        close(descriptor)
        unlink(junk)
        try segment.set(String(repeating: "F", count: 500_000))
        say("freed: set")
    }

    /// As real-time programs do, has all memory filled that is ever mapped.
    static func lockMemory() throws {
        guard mlockall(CInt(MCL_CURRENT | MCL_FUTURE)) == 0 else { return say("not permitted") }
        let segment = try Segment.attach(name, options())
        try segment.set("x")
        say("memory \(try Segment.info(name, directory: arguments[1]).memoryByteCount)")
        extendLifetime(segment)
    }

    /// Attaches as another user.
    static func attachAs() throws {
        guard let user = uid_t(argument(0)), setuid(user) == 0 else { return say("not permitted") }
        _ = try Segment.attach(name, options())
        say("attached")
    }

    /// Forks while other threads attach, set, detach, list and unlink: counts the children that have a
    /// descriptor of a segment.
    static func forkBeside() throws {
        for index in 0..<3 {
            Thread.detachNewThread {
                let options = AttachmentOptions(lifetime: .persistent, directory: arguments[1])
                while true {
                    _ = try? Segment.attach("\(name)\(index)", options).set("x")
                    _ = try? Segment.list(directory: arguments[1])
                    try? Segment.unlink("\(name)\(index)", directory: arguments[1])
                }
            }
        }
        var count = 0
        for _ in 0..<(Int(argument(0)) ?? 0) {
            let child = forkProcess()
            if child == 0 { while true { raise(SIGSTOP) } }
            // Stopped, it has been through what it does at a fork.
            waitpid(child, nil, WUNTRACED)
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child)/fd")
            let files = descriptors.compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/fd/\($0)")
            }
            if files.contains(where: { $0.contains(arguments[1] + "/") }) { count += 1 }
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
        }
        say("with descriptors: \(count)")
        exit(0)
    }

    /// Ends by exit(3) in a signal handler, in the midst of whatever attaching and detaching does then.
    static func exitInHandler() throws {
        signal(SIGALRM) { _ in exit(0) }
        var interval = itimerval()
        interval.it_value.tv_usec = suseconds_t(Int(argument(0)) ?? 1000)
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &interval, nil)
        while true { try Segment.attach(name, options()).set("x") }
    }

    /// For each line with a version: one conditional set from it; says who won.
    static func race() throws {
        let segment = try Segment.attach(name, options())
        say("attached")
        while let line = Swift.readLine() {
            guard let version = Version(line) else { fatalError("not a version: \(line)") }
            say("\(try wins(segment, version) ? "won" : "lost") \(line)")
        }
    }

    static func wins(_ segment: Segment, _ version: Version) throws -> Bool {
        do {
            try segment.set(argument(0), ifVersion: version)
            return true
        } catch SegmentError.versionMismatch {
            return false
        }
    }
}

/// Swift hides it; the tests are about it.
@_silgen_name("fork") private func forkProcess() -> pid_t
