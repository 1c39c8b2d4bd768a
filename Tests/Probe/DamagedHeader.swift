import TestSupport

/// Everything before the slots in a segment's file, broken at will.
struct DamagedHeader {
    var bytes: [UInt8]

    /// As few pins and rows as have every kind of neighbour: more would only make the tests longer.
    static let format = SegmentFormat(pinCount: 16, rowCount: 24)

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func fill(from start: Int, _ generator: inout SplitMix) {
        for offset in stride(from: start, to: bytes.count, by: 8) { put(generator.next(), at: offset) }
        // Every other time a possible slot and number, because a random word never gets past the first check.
        if generator.next() % 2 == 0 {
            put(generator.next() % 100 | generator.next() % 50 << 48, at: SegmentFormat.currentOffset)
        }
    }

    mutating func flipBit(_ generator: inout SplitMix) {
        bytes[Int.random(in: bytes.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    }

    mutating func put(_ value: UInt64, at offset: Int) {
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }

    /// Values on either side of the limits of a field.
    private static let boundaries: [UInt64] = [
        0, 1, 2, 15, 16, 17, 23, 24, 25, 40, 41, 42, 255, 256, 4095, 4096, 4097, 8192, 24_576, 1 << 20, 1 << 30,
        1 << 30 + 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 48 - 2, 1 << 48 - 1, 1 << 48, 1 << 63 - 1, 1 << 63, .max - 1,
        .max,
    ]

    mutating func breakField(_ generator: inout SplitMix) {
        let value = Self.boundaries.randomElement(using: &generator) ?? 0
        let other = Self.boundaries.randomElement(using: &generator) ?? 0
        let slot = Int.random(in: 0..<Self.format.slotCount, using: &generator)
        let row = Int.random(in: 0..<Self.format.rowCount, using: &generator)
        let pin = Int.random(in: 0..<Self.format.pinCount, using: &generator)
        let field = 8 * Int.random(in: 0..<8, using: &generator)
        let slotField = 8 * Int.random(in: 0..<5, using: &generator)
        let pins = 0..<Self.format.pinCount
        switch Int.random(in: 0..<13, using: &generator) {
        case 0: put(value, at: field)
        case 1: put(value << 48 | other & 0xffff, at: SegmentFormat.currentOffset)
        case 2: put(value, at: SegmentFormat.stateOffset + field)
        case 3: put(value << 32 | other, at: Self.format.pinOffset(pin))
        case 4: put(value, at: Self.format.slotHeaderOffset(slot) + slotField)
        case 5: put(value, at: Self.format.rowOffset(row) + field)
        case 6: for pin in pins { put(value << 32 | UInt64(pin + 1), at: Self.format.pinOffset(pin)) }
        case 7: for pin in pins { put((UInt64(pin) + 1) << 32 | UInt64(slot + 1), at: Self.format.pinOffset(pin)) }
        case 8: put(value, at: SegmentFormat.marksOffset + field)
        default:
            // One field of all slots: the claim, stamp, byte count, memory or time.
            for slot in 0..<Self.format.slotCount {
                put(value, at: Self.format.slotHeaderOffset(slot) + slotField)
            }
        }
    }
}
