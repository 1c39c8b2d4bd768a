/// Which of the two forms of a text a client asks for (`Accept`): the text itself, or the stream of its changes.
struct Acceptance {
    private var eventStream: Int?
    private var plainText: Int?

    /// Events only for who names them, and does not name plain text at least as gladly.
    var isEventStream: Bool {
        guard let eventStream, eventStream > 0 else { return false }
        return eventStream > plainText ?? 0
    }

    /// Reads a field value: `text/event-stream;q=0.5, */*`; once more for a repeated field.
    mutating func read(_ value: Span<UInt8>) {
        var position = 0
        while position < value.count {
            let end = value.endOfElement(from: position, at: UInt8(ascii: ","))
            let element = value.extracting(position..<end)
            let type = element.extracting(element.trimmed(0..<element.endOfElement(from: 0, at: UInt8(ascii: ";"))))
            if type.equalsIgnoringCase("text/event-stream") {
                eventStream = max(eventStream ?? 0, Self.quality(element))
            } else if type.equalsIgnoringCase("text/plain") {
                plainText = max(plainText ?? 0, Self.quality(element))
            }
            position = end + 1
        }
    }

    /// In thousandths; 1,000 where nothing is said.
    private static func quality(_ element: Span<UInt8>) -> Int {
        var position = element.endOfElement(from: 0, at: UInt8(ascii: ";")) + 1
        while position < element.count {
            let end = element.endOfElement(from: position, at: UInt8(ascii: ";"))
            let parameter = element.extracting(element.trimmed(position..<end))
            if parameter.starts(with: "q=") || parameter.starts(with: "Q=") {
                return thousandths(parameter.extracting(2..<parameter.count))
            }
            position = end + 1
        }
        return 1000
    }

    /// Of `0.25`; what is no such number counts as 0.
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
