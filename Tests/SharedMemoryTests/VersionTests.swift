import SharedMemory
import TestTraits
import Testing

@Suite("Versions", .fewAtATime)
struct VersionTests {
    @Test(
        "A version's text is its instance in sixteen hexadecimal digits, a hyphen, and its number",
        arguments: [
            (0, 0, "0000000000000000-0"), (0x0123_4567_89ab_cdef, 9, "0123456789abcdef-9"),
            (0xfedc_ba98_7654_3210, 10, "fedcba9876543210-10"), (.max, .max, "ffffffffffffffff-18446744073709551615"),
        ] as [(UInt64, UInt64, String)])
    func text(instance: UInt64, number: UInt64, text: String) {
        let version = Version(instance: instance, number: number)
        #expect(version.description == text)
        #expect(Version(text) == version)
    }

    @Test(
        "Text that no version has is not a version",
        arguments: [
            "", "-", "1-1", "0123456789abcdef", "0123456789ABCDEF-1", "0123456789abcdef-01", "0123456789abcdef--1",
            "0123456789abcdef-1-1", " 0123456789abcdef-1", "0123456789abcdef-18446744073709551616",
        ])
    func otherText(text: String) { #expect(Version(text) == nil) }
}
