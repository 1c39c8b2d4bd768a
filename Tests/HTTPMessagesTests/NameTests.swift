import Testing

@testable import HTTPMessages

@Suite("Header names")
struct HeaderNameTests {
    func recognize(_ name: [UInt8]) -> HeaderName? { HeaderName(received: name.span) }

    static let read: [HeaderName] = [
        .accept, .authorization, .contentEncoding, .contentLength, .contentRange, .contentType, .cookie, .expect, .host,
        .ifMatch, .ifModifiedSince, .ifNoneMatch, .ifUnmodifiedSince, .lastEventID, .prefer, .transferEncoding,
    ]

    @Test("A name is recognized in any case of its letters", arguments: read)
    func recognized(_ name: HeaderName) {
        let text = name.rawValue
        let alternating = text.enumerated().map { $0 % 2 == 0 ? $1.lowercased() : $1.uppercased() }.joined()
        for variant in [text, text.lowercased(), text.uppercased(), alternating] {
            #expect(recognize(variant.bytes) == name, "\(variant)")
        }
    }

    @Test("A name that differs in one byte is another name", arguments: read)
    func oneByte(_ name: HeaderName) {
        let bytes = name.rawValue.bytes
        for index in bytes.indices {
            for bit in 0..<8 where bit != 5 || bytes[index] == UInt8(ascii: "-") {
                var other = bytes
                other[index] ^= 1 << bit
                #expect(recognize(other) == nil, "\(other)")
            }
        }
        #expect(recognize(bytes.dropLast()) == nil)
        #expect(recognize(bytes + [0x61]) == nil)
    }

    @Test(
        "A header that only responses have, or that the service does not read, is not recognized",
        arguments: ["", "ETag", "Allow", "Date", "Vary", "Last-Modified", "Retry-After", "Range", "If-Range", "Server"])
    func notRead(_ name: String) {
        #expect(recognize(name.bytes) == nil)
    }
}

@Suite("Methods")
struct MethodTests {
    func recognize(_ name: String) -> HTTPMessages.Method? { HTTPMessages.Method(name.bytes.span) }

    @Test(
        "A known method is recognized",
        arguments: [
            ("GET", Method.get), ("HEAD", .head), ("PUT", .put), ("OPTIONS", .options), ("POST", .other),
            ("DELETE", .delete), ("PATCH", .other), ("TRACE", .other), ("CONNECT", .other), ("QUERY", .other),
        ])
    func known(_ name: String, _ method: HTTPMessages.Method) {
        #expect(recognize(name) == method)
    }

    @Test(
        "Any other method is unknown",
        arguments: ["", "get", "Get", "GE", "GETT", "GET ", " GET", "GET\0", "BREW", "PROPFIND", "PUTS", "G(T"])
    func unknown(_ name: String) {
        #expect(recognize(name) == nil)
    }

    @Test("Allow lists the methods that a resource has")
    func allowed() {
        #expect(AllowedMethods.read.rawValue == "GET, HEAD, OPTIONS")
        #expect(AllowedMethods.readAndWrite.rawValue == "GET, HEAD, PUT, OPTIONS")
        for methods in AllowedMethods.allCases {
            for name in methods.rawValue.split(separator: ", ") {
                let method = recognize(String(name))
                #expect(method != nil && method != .other, "\(name)")
            }
        }
    }
}
