import HTTPMessages
import Testing

@Suite("JSON, read")
struct JSONValueTests {
    @Test(
        "Each value is read as it is written",
        arguments: [
            ("null", .null), (" true\n", .bool(true)), ("false", .bool(false)), ("0", .number("0")),
            ("-12.5e+3", .number("-12.5e+3")), ("\"\"", .string("")), ("[]", .array([])), ("{}", .object([:])),
            (#""ü\u00fc\"\\\/\b\f\n\r\t\ud83d\ude42""#, .string("üü\"\\/\u{8}\u{C}\n\r\t🙂")),
            (#"[1, "a",[null ]]"#, .array([.number("1"), .string("a"), .array([.null])])),
            (
                #"{"a":{"b":[]} , "c" :"d","c":"e"}"#,
                .object(["a": .object(["b": .array([])]), "c": .string("e")])
            ),
        ] as [(String, JSONValue)])
    func valid(text: String, value: JSONValue) { #expect(JSONValue(Array(text.utf8)) == value) }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "", " ", "nul", "tru", "01", "-", "1.", ".5", "1e", "+1", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"",
            "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "[", "[1", "[1,]", "[1 2]", "{", "{\"a\"}", "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}", "1 2", "[]]", String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
        ])
    func invalid(text: String) { #expect(JSONValue(Array(text.utf8)) == nil) }

    @Test("Text that is not UTF-8 is refused")
    func notUTF8() { #expect(JSONValue([0x22, 0xFF, 0x22]) == nil) }

    @Test("What is written is read as it was")
    func roundTrip() {
        let text = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) })) + "🙂\u{2028}"
        var json: [UInt8] = []
        json.append(jsonString: text)
        #expect(JSONValue(json)?.string == text)
    }

    @Test("Integers of 64 bits are read from strings and from numbers")
    func integers() {
        let value = JSONValue(Array(#"{"a":"18446744073709551615","b":7,"c":"x","d":1.5}"#.utf8))
        #expect(value?["a"]?.integer(UInt64.self) == .max && value?["b"]?.integer(Int.self) == 7)
        #expect(value?["c"]?.integer(Int.self) == nil && value?["d"]?.integer(Int.self) == nil && value?["e"] == nil)
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test(
        "The test vectors of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, encoded: String) {
        #expect(Base64.encode(text.utf8) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test("All bytes come back, at any length")
    func roundTrip() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
        for count in 0..<bytes.count {
            #expect(Base64.decode(Base64.encode(bytes.prefix(count))) == Array(bytes.prefix(count)))
        }
    }

    @Test(
        "What is not Base64 is refused",
        arguments: ["Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z=g=", "Zh==", "Zm9=", "Zm-_", "Zm 9", "Zm9v\n"])
    func invalid(text: String) { #expect(Base64.decode(text) == nil) }
}
