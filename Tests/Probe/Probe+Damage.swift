import Foundation
import SharedMemory
import TestSupport

// A segment's file is changed under the library. Whatever is in it, each call ends with an error of the library's or with
// valid text.

extension Probe {
    func damageHeaders(_ seed: UInt64, _ rounds: Range<Int>) throws {
        let segment = try DamagedSegment(self)
        for round in rounds {
            var generator = SplitMix(state: seed &+ UInt64(round) &* 0x1_0000_0001)
            try segment.begin("round \(round) of seed \(seed)")
            var header = DamagedHeader(segment.pristine)
            switch round % 4 {
            case 0: header.fill(from: 0, &generator)
            case 1: header.fill(from: SegmentFormat.currentOffset, &generator)
            case 2: for _ in 0..<Int.random(in: 1...8, using: &generator) { header.breakField(&generator) }
            default: for _ in 0..<Int.random(in: 1...16, using: &generator) { header.flipBit(&generator) }
            }
            try segment.put(header)
            let rowsAreTaken = round % 8 == 6
            let locker = rowsAreTaken ? try segment.lockRows() : -1
            try segment.tryEverything()
            segment.tryUnlinking()
            if rowsAreTaken { close(locker) }
        }
        segment.report(rounds.count)
    }

    func damageBytes(at offsets: StrideTo<Int>, _ presence: ProbeCommand.Presence) throws {
        let damaged = try DamagedSegment(self)
        var attached: [Segment] = []
        if presence == .attached {
            attached = [
                try Segment.attach(name, options(.readWrite, .persistent)),
                try Segment.attach(name, options(.readOnly)),
            ]
            try damaged.takeAsPristine()
        }
        Self.say("begun")
        var count = 0
        for offset in offsets {
            let byte = damaged.pristine[offset]
            for value in Set([0, 0xff, byte ^ 1, byte ^ 0x80]).subtracting([byte]).sorted() {
                try damaged.begin("byte \(offset) = \(value)")
                var header = DamagedHeader(damaged.pristine)
                header.bytes[offset] = value
                try damaged.put(header)
                for segment in attached {
                    damaged.use(segment)
                    damaged.watch(segment)
                }
                try damaged.tryEverything()
                count += 1
            }
        }
        try damaged.put(DamagedHeader(damaged.pristine))
        damaged.report(count)
        extendLifetime(attached)
    }

    func churn() throws {
        let segment = try DamagedSegment(guest: self)
        var count = 0
        Self.say("churning")
        while !Self.hasInput {
            Foundation.alarm(60)
            try segment.tryEverything()
            count += 1
        }
        segment.report(count)
    }
}
