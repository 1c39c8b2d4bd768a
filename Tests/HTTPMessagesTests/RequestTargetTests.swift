import Testing

@testable import HTTPMessages

@Suite("Request targets")
struct RequestTargetTests {
    static let unreserved = Set("-._~".utf8).union(0x30...0x39).union(0x41...0x5a).union(0x61...0x7a)

    func isWellFormed(_ target: [UInt8]) -> Bool { RequestTarget.byteCountBeforeQuery(target.span) != nil }

    func decoded(_ target: String) -> String {
        var bytes = target.bytes
        var span = bytes.mutableSpan
        let count = RequestTarget.decode(&span)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    // MARK: Form

    @Test("A target is visible ASCII")
    func visible() {
        for byte in UInt8.min...UInt8.max where byte != UInt8(ascii: "%") {
            let isVisible = (0x21...0x7e).contains(byte)
            for target in [[byte], "/a".bytes + [byte], "/".bytes + [byte] + "b".bytes, "/a?".bytes + [byte]] {
                #expect(isWellFormed(target) == isVisible, "\(target)")
            }
        }
    }

    @Test("A percent sign is followed by two hexadecimal digits")
    func percent() {
        for first in UInt8(0x21)...0x7e {
            for second in UInt8(0x21)...0x7e {
                let digits = [first, second].map { Character(Unicode.Scalar($0)) }
                let isHexadecimal = digits.allSatisfy(\.isHexDigit)
                #expect(isWellFormed("/%".bytes + [first, second]) == isHexadecimal, "\(digits)")
            }
        }
        for target in ["%", "/%", "/%4", "/a%4", "/?%", "/%%41"] { #expect(!isWellFormed(target.bytes), "\(target)") }
        for target in ["", "*", "/", "/%41", "/%41%42", "http://a/?b=%20#c"] {
            #expect(isWellFormed(target.bytes), "\(target)")
        }
    }

    // MARK: Decoding

    @Test(
        "A target is measured up to its query, the question mark included",
        arguments: [("/shared", 7), ("/shared?", 8), ("/shared?a=b?c", 8), ("?", 1), ("", 0), ("*", 1), ("/%3Fa", 5)])
    func query(_ target: String, _ byteCount: Int) {
        #expect(RequestTarget.byteCountBeforeQuery(target.bytes.span) == byteCount)
    }

    @Test("A character is decoded only if it is unreserved")
    func decoding() {
        for byte in UInt8.min...UInt8.max {
            for digits in [hexadecimal(byte), hexadecimal(byte).uppercased()] {
                let expected = Self.unreserved.contains(byte) ? String(Unicode.Scalar(byte)) : "%\(digits)"
                #expect(decoded("/a%\(digits)b") == "/a\(expected)b")
                #expect(decoded("%\(digits)") == expected)
            }
        }
    }

    @Test(
        "A target without encoded unreserved characters stays as it is",
        arguments: ["", "/", "/shared", "*", "/shared%2Ftext", "/a%00", "/%C3%A9", "/%", "/%4", "/%zz", "/%4g", "/%%"])
    func unchanged(_ target: String) {
        #expect(decoded(target) == target)
    }

    @Test(
        "Decoding happens once, wherever the characters are",
        arguments: [
            ("/sh%61red", "/shared"), ("%2Fshared%2d", "%2Fshared-"), ("/%61%62%63", "/abc"), ("/%2541", "/%2541"),
            ("/%%41", "/%A"), ("/%4%31", "/%41"), ("/%7E%7e", "/~~"), ("/%41%", "/A%"), ("/%41%4", "/A%4"),
        ])
    func once(_ target: String, _ expected: String) {
        #expect(decoded(target) == expected)
    }
}
