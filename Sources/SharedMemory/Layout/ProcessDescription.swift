import LinuxSystem

/// A process, as it describes itself to people.
struct ProcessDescription: Sendable {
    /// The process id (low half) and the user id (high half).
    var process: UInt64
    /// The first 32 bytes of the program's name, padded with zeros.
    var program: InlineArray<4, UInt64>

    static let none = ProcessDescription(process: 0, program: [0, 0, 0, 0])

    static var current: ProcessDescription {
        var description = none
        description.process = UInt64(Host.effectiveUser) << 32 | UInt64(Host.processID)
        for (index, byte) in Host.programName.utf8.prefix(32).enumerated() {
            description.program[index / 8] |= UInt64(byte) << (8 * (index % 8))
        }
        return description
    }

    var processID: Int { Int(process & 0xffff_ffff) }
    var user: UInt32 { UInt32(process >> 32) }

    var programName: String {
        var bytes: [UInt8] = []
        for index in program.indices {
            for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: program[index] >> (8 * byte))) }
        }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
