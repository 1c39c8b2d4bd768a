/// A strong entity tag (RFC 9110, 8.8.3), held in place: making and comparing one allocates nothing.
package struct EntityTag: Equatable, Sendable {
    /// The longest opaque tag that the service makes; a longer one in a request matches none of them.
    static let maximumByteCount = 40

    /// The tag with its quotes, and zeros behind.
    private var bytes = InlineArray<43, UInt8>(repeating: 0)
    private let count: Int

    /// - Parameter opaque: at most ``maximumByteCount`` bytes, without quotes.
    package init(opaque: Span<UInt8>) {
        precondition(opaque.count <= Self.maximumByteCount)
        bytes[0] = UInt8(ascii: "\"")
        for index in opaque.indices { bytes[index &+ 1] = opaque[index] }
        bytes[opaque.count + 1] = UInt8(ascii: "\"")
        count = opaque.count + 2
    }

    package init(opaque: String) { self.init(opaque: opaque.utf8Span.span) }

    /// The tag without its quotes.
    func withOpaque<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(bytes.span.extracting(1..<count - 1)) }

    package var opaque: String { withOpaque { $0.text ?? "" } }

    /// The tag as in a header, and a zero behind.
    package func withQuotedAndZero<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(first: count + 1))
    }

    package var quoted: String { "\"" + opaque + "\"" }

    /// Whether this is `original` with a content coding behind it, such as `-gzip`, `--br` or `;deflate`.
    func isVariant(of original: EntityTag) -> Bool {
        withOpaque { variant in
            original.withOpaque { original in
                guard variant.count > original.count, variant.extracting(first: original.count).equals(original)
                else { return false }
                let rest = variant.extracting(original.count..<variant.count)
                var start = 0
                while start < rest.count, rest[start] == UInt8(ascii: "-") || rest[start] == UInt8(ascii: ";") {
                    start += 1
                }
                return start > 0 && start < rest.count
                    && rest.extracting(start..<rest.count).allSatisfy { Span.isLetter($0) }
            }
        }
    }

    package static func == (left: EntityTag, right: EntityTag) -> Bool {
        left.withOpaque { left in right.withOpaque { left.equals($0) } }
    }
}
