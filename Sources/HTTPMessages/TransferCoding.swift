/// `Transfer-Encoding`: how a body is framed (RFC 9112, section 6).
enum TransferCoding {
    enum Framing: Equatable {
        case chunked
        /// The body is coded in a way that this service does not know, and then sent in chunks.
        case unknown
        /// Where the body ends cannot be told: the last coding is not `chunked`, or another one is.
        case ambiguous
    }

    /// - Parameter value: as it was received, blanks after it included.
    static func framing(_ value: Span<UInt8>) -> Framing {
        if value.equalsIgnoringCase("chunked") { return .chunked }
        var (isLastChunked, chunkedCount) = (false, 0)
        value.forEachElement(at: UInt8(ascii: ",")) { element in
            if element.isEmpty { return }
            isLastChunked = element.equalsIgnoringCase("chunked")
            chunkedCount += isLastChunked ? 1 : 0
        }
        // libmicrohttpd does not recognize the coding between blanks or empty elements, and would wait forever.
        return isLastChunked && chunkedCount == 1 ? .unknown : .ambiguous
    }
}
