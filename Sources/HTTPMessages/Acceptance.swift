/// Which of the two forms of the text a client asks for (`Accept`): the text itself, or a stream of its versions.
package struct Acceptance: Sendable {
    private var eventStream = 0
    private var plainText = 0

    /// True if the client prefers `text/event-stream` to `text/plain`.
    package var isEventStream: Bool { eventStream > plainText }

    /// Reads a header value such as `text/event-stream;q=0.5, */*`; called once for each field of a repeated header.
    mutating func add(_ value: Span<UInt8>) {
        var position = 0
        while position < value.count {
            let end = value.endOfElement(from: position, at: UInt8(ascii: ","))
            let element = value.extracting(position..<end)
            let type = element.extracting(element.trimmed(0..<element.endOfElement(from: 0, at: UInt8(ascii: ";"))))
            if type.equalsIgnoringCase("text/event-stream") {
                eventStream = max(eventStream, Self.quality(element))
            } else if type.equalsIgnoringCase("text/plain") {
                plainText = max(plainText, Self.quality(element))
            }
            position = end + 1
        }
    }

    /// The quality in thousandths; 1,000 if the element has none.
    private static func quality(_ element: Span<UInt8>) -> Int {
        var quality: Int?
        element.forEachElement(from: element.endOfElement(from: 0, at: UInt8(ascii: ";")) + 1, at: UInt8(ascii: ";")) {
            if quality == nil, $0.starts(with: "q=") || $0.starts(with: "Q=") {
                quality = thousandths($0.extracting(2..<$0.count))
            }
        }
        return quality ?? 1000
    }

    /// Reads `0.25` as 250; a value that is not such a number counts as 0.
    private static func thousandths(_ value: Span<UInt8>) -> Int {
        var (number, unit) = (0, 1000)
        for index in value.indices {
            switch value[index] {
            case UInt8(ascii: ".") where index == 1: continue
            case UInt8(ascii: "0")...UInt8(ascii: "9") where unit > 0:
                number += Int(value[index] - UInt8(ascii: "0")) * unit
                unit /= 10
            default: return 0
            }
        }
        return min(number, 1000)
    }
}
