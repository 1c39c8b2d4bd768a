import Foundation
import SharedMemory
import TestSupport

extension Probe {
    func get() throws { try Self.say(attach().get(), terminator: "") }

    func readOnce(_ access: ProbeCommand.Access) throws {
        let snapshot = try attach(access).snapshot()
        Self.say("\(snapshot.version) \(ChecksummedText.isWhole(snapshot.text.utf8Span.span.bytes))")
    }

    func read(_ access: ProbeCommand.Access) throws {
        let segment = try attach(access)
        Self.say("attached")
        var isDone = false
        var count = 0
        var last: UInt64 = 0
        while !isDone {
            let before = try segment.version.number
            do {
                if count % 2 == 0 {
                    let isWhole = try segment.withBytes { ChecksummedText.isWhole($0) }
                    if !isWhole { Self.say("TORN") }
                } else {
                    let snapshot = try segment.snapshot()
                    let isWhole = ChecksummedText.isWhole(snapshot.text.utf8Span.span.bytes)
                    if !isWhole { Self.say("TORN \(snapshot.version)") }
                    if snapshot.version.number < before { Self.say("BACKWARDS \(before) \(snapshot.version)") }
                }
            } catch SegmentError.busy {
                Self.say("busy")
            }
            if before < last { Self.say("BACKWARDS \(last) \(before)") }
            last = before
            count += 1
            isDone = Self.hasInput
        }
        Self.say("reads \(count)")
    }

    func readByReader() throws {
        let segment = try attach()
        var reader = try segment.makeReader()
        for turn in ["first", "then"] {
            let isWhole = try reader.withText { ChecksummedText.isWhole($0.span.bytes) }
            Self.say("\(turn) \(reader.version.map { "\($0)" } ?? "none") \(isWhole)")
            Self.waitForEndOfInput()
        }
    }

    func borrow() throws {
        try attach().withBytes { bytes in
            let before = bytes.withUnsafeBytes { Array($0) }
            Self.say("borrowed \(before.count)")
            _ = readLine()
            Self.say("unchanged \(bytes.withUnsafeBytes { Array($0) } == before)")
        }
    }

    func keepPins(_ count: Int) throws {
        let segment = try attach()
        func keep(_ count: Int) throws -> Bool {
            if count == 0 {
                Self.say("kept")
                _ = readLine()
                return true
            }
            return try segment.withBytes { bytes in
                let before = bytes.withUnsafeBytes { Array($0) }
                return try keep(count - 1) && bytes.withUnsafeBytes { Array($0) } == before
            }
        }
        Self.say("unchanged \(try keep(count))")
    }

    func keepReaders(_ count: Int) throws {
        let segment = try attach()
        func keep(_ count: Int) throws {
            if count == 0 {
                Self.say("kept")
                return Self.waitForEndOfInput()
            }
            var reader = try segment.makeReader()
            _ = try reader.get()
            try keep(count - 1)
            _ = try reader.get()
        }
        try keep(count)
    }

    func holdPins(_ count: Int) throws {
        let segment = try attach()
        for _ in 0..<count {
            Thread.detachNewThread {
                do {
                    try segment.withBytes { bytes in
                        Self.say("pinned \(bytes.byteCount)")
                        while true { pause() }
                    }
                } catch {
                    Self.say("failed \(error)")
                }
            }
        }
        Self.waitForEndOfInput()
    }
}
