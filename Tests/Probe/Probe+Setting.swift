import Foundation
import SharedMemory
import TestSupport

extension Probe {
    func set(_ text: String) throws { try Self.say(attach().set(text)) }

    func setIf(_ version: Version, _ text: String) throws { try Self.say(attach().set(text, ifVersion: version)) }

    func setChecksummed(_ byteCount: Int, _ seed: UInt64) throws {
        let text = ChecksummedText.make(byteCount: byteCount, seed: seed)
        try Self.say(attach().set(utf8: text.span))
    }

    func setLines() throws {
        let segment = try attach()
        while let line = readLine() {
            let words = line.split(separator: " ")
            guard words.count == 2, let byteCount = Int(words[0]), let seed = UInt64(words[1]) else {
                throw Failure(description: "'\(line)' is not 'BYTES SEED'")
            }
            Self.say(try segment.set(utf8: ChecksummedText.make(byteCount: byteCount, seed: seed).span))
        }
    }

    func setUnderSignals(every microseconds: Int, _ byteCount: Int) throws {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: byteCount)
        let segment = try Segment.attach(name, AttachmentOptions(capacity: byteCount, directory: directory))
        Self.countSignals(SIGALRM)
        Self.alarm(afterMicroseconds: microseconds, repeats: true)
        let version = try segment.set(utf8: bytes.span)
        Self.alarm(afterMicroseconds: 0)
        Self.say(version)
    }

    func increment(times: Int) throws {
        let segment = try attach()
        for _ in 0..<times {
            try segment.update { text in
                // The empty text of a new segment counts as zero.
                guard let number = text.isEmpty ? 0 : Int(text) else { fatalError("'\(text)' is not a number") }
                return "\(number + 1)"
            }
        }
        Self.say("done")
    }

    func race(_ text: String) throws {
        let segment = try attach()
        Self.say("attached")
        while let line = readLine() {
            do {
                try segment.set(text, ifVersion: Self.version(line))
                Self.say("won \(line)")
            } catch SegmentError.versionMismatch {
                Self.say("lost \(line)")
            }
        }
    }

    func write(seconds: Double, _ maximum: Int, _ seed: UInt64) throws {
        let segment = try attach()
        var generator = SplitMix(state: seed)
        let texts = (0..<24).map { index in
            // Sizes over all magnitudes, the smallest and the largest among them.
            let byteCount =
                index == 0 ? 1 : index == 1 ? maximum : Int(generator.next() % UInt64(1 << (index % 21))) + 1
            return ChecksummedText.make(byteCount: min(byteCount, maximum), seed: generator.next())
        }
        Self.say("attached")
        _ = readLine()
        let end = ContinuousClock.now + .seconds(seconds)
        var count = 0
        var last: UInt64 = 0
        while ContinuousClock.now < end {
            let text = texts[Int(generator.next() % UInt64(texts.count))]
            let version = try segment.set(utf8: text.span)
            if version.number <= last { Self.say("BACKWARDS \(last) \(version)") }
            last = version.number
            count += 1
        }
        Self.say("sets \(count)")
    }

    func writeThreads(_ attachmentCount: Int, _ threadCount: Int, _ setCount: Int, _ seed: UInt64) throws {
        let segments = try (0..<attachmentCount).map { _ in try attach() }
        Self.say("attached")
        _ = readLine()
        let group = DispatchGroup()
        for index in 0..<threadCount * attachmentCount {
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
                    Self.say("failed \(error)")
                }
                group.leave()
            }
        }
        group.wait()
        Self.say("done")
        extendLifetime(segments)
    }

    func fill(_ junk: String) throws {
        let segment = try attach()
        for round in 0..<20 { try segment.set(String(repeating: "\(round % 10)", count: 300_000)) }
        // Take the free memory, so that the segment can have no more.
        let descriptor = open(junk, O_CREAT | O_WRONLY, 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while Foundation.write(descriptor, block, block.count) > 0 {}
        for round in 0..<20 { try segment.set(String(repeating: "\(round % 10)", count: 300_000)) }
        Self.say("same size: set")
        // For a larger text, the only memory is in slots that are not in use.
        try segment.set(String(repeating: "L", count: 400_000))
        Self.say("larger: set")
        let version = try segment.version
        do throws(SegmentError) {
            try segment.set(String(repeating: "H", count: 900_000))
        } catch {
            Self.say("too large: \(error)")
        }
        let text = try segment.get()
        Self.say("still there: \(try segment.version == version && text == String(repeating: "L", count: 400_000))")
        while Foundation.write(descriptor, block, block.count) > 0 {}
        do throws(SegmentError) {
            _ = try Segment.attach("another", options())
        } catch {
            Self.say("another: \(error)")
        }
        close(descriptor)
        Foundation.unlink(junk)
        try segment.set(String(repeating: "F", count: 500_000))
        Self.say("freed: set")
    }
}
