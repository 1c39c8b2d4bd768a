import TestSupport

/// Everything before the slots in a segment's file, broken at will.
struct DamagedHeader {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func fill(from start: Int, _ generator: inout SplitMix) {
        for offset in stride(from: start, to: bytes.count, by: 8) { put(generator.next(), at: offset) }
        // Every other time a possible slot and number, because a random word never gets past the first check.
        if generator.next() % 2 == 0 {
            put(generator.next() << 8 | generator.next() % 200, at: SegmentFormat.currentOffset)
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
        0, 1, 2, 63, 64, 65, 126, 127, 128, 190, 191, 192, 255, 256, 4095, 4096, 4097, 8192, 24_576, 1 << 20, 1 << 30,
        1 << 30 + 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 56 - 2, 1 << 56 - 1, 1 << 56, 1 << 63 - 1, 1 << 63, .max - 1,
        .max,
    ]

    mutating func breakField(_ generator: inout SplitMix) {
        let value = Self.boundaries.randomElement(using: &generator) ?? 0
        let other = Self.boundaries.randomElement(using: &generator) ?? 0
        let slot = Int.random(in: 0..<SegmentFormat.slotCount, using: &generator)
        let row = Int.random(in: 0..<SegmentFormat.rowCount, using: &generator)
        let pin = Int.random(in: 0..<SegmentFormat.pinCount, using: &generator)
        let field = 8 * Int.random(in: 0..<8, using: &generator)
        let slotField = 8 * Int.random(in: 0..<5, using: &generator)
        let pins = 0..<SegmentFormat.pinCount
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: put(value, at: field)
        case 1: put(value << 8 | other & 0xff, at: SegmentFormat.currentOffset)
        case 2: put(value, at: SegmentFormat.stateOffset + field)
        case 3: put(value << 32 | other, at: SegmentFormat.pinOffset(pin))
        case 4: put(value, at: SegmentFormat.slotHeaderOffset(slot) + slotField)
        case 5: put(value, at: SegmentFormat.rowOffset(row) + field)
        case 6: for pin in pins { put(value << 32 | UInt64(pin + 1), at: SegmentFormat.pinOffset(pin)) }
        case 7: for pin in pins { put((UInt64(pin) + 1) << 32 | UInt64(slot + 1), at: SegmentFormat.pinOffset(pin)) }
        default:
            // One field of all slots: the claim, stamp, byte count, memory or time.
            for slot in 0..<SegmentFormat.slotCount {
                put(value, at: SegmentFormat.slotHeaderOffset(slot) + slotField)
            }
        }
    }
}
