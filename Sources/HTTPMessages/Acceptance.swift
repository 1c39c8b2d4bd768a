/// Which form of the text a client asks for (`Accept`, RFC 9110, section 12.5.1).
package struct Acceptance: Sendable {
    package enum Form {
        /// The text itself.
        case text
        /// A stream of its versions.
        case eventStream
        /// The page that shows it in a browser.
        case page
    }

    /// Whether the client names a form: wildcards alone prefer none.
    private var namesForm = false
    private var eventStream = Weight()
    private var html = Weight()
    /// A type that programs name if they do not want the page, even if they name `text/html` too.
    private var otherThanHTML = Weight()
    private var plainText = Weight()
    private var openMetrics = Weight()

    /// How much the client wants a form, by the most specific of the ranges that match it.
    private struct Weight {
        var specificity = Specificity.none
        /// In thousandths.
        var quality = 0

        func isPreferred(to other: Weight) -> Bool {
            quality > 0 && (quality, specificity.rawValue) > (other.quality, other.specificity.rawValue)
        }

        mutating func add(_ quality: Int, _ specificity: Specificity) {
            // Of several equally specific ranges, the best counts.
            if (specificity.rawValue, quality) > (self.specificity.rawValue, self.quality) {
                (self.specificity, self.quality) = (specificity, quality)
            }
        }
    }

    private enum Specificity: Int { case none, anyType, anySubtype, type, typeWithParameters }

    /// The form that the client prefers.
    ///
    /// Of two forms that it wants equally, it prefers the one that it names rather than one that a wildcard covers, and else
    /// the text. A client that also names `application/json` or `image/gif` is a browser only if it wants HTML more.
    package var form: Form {
        guard namesForm else { return .text }
        if html.isPreferred(to: plainText), html.isPreferred(to: eventStream), html.quality > otherThanHTML.quality {
            return .page
        }
        return eventStream.isPreferred(to: plainText) ? .eventStream : .text
    }

    package var isEventStream: Bool { form == .eventStream }

    /// True if the client names `application/openmetrics-text`, and does not prefer `text/plain`.
    package var isOpenMetrics: Bool { openMetrics.quality > 0 && openMetrics.quality >= plainText.quality }

    /// Reads a header value such as `text/event-stream;q=0.5, */*`; called once for each field of a repeated header.
    mutating func add(_ value: Span<UInt8>) {
        value.forEachElement(at: UInt8(ascii: ",")) { range in
            let end = range.endOfElement(from: 0, at: UInt8(ascii: ";"))
            let type = range.extracting(range.trimmed(0..<end))
            guard let (quality, hasParameters) = Self.parameters(range, from: end + 1) else { return }
            let named = hasParameters ? Specificity.typeWithParameters : .type
            if type.equalsIgnoringCase("text/event-stream") {
                namesForm = true
                eventStream.add(quality, named)
            } else if type.equalsIgnoringCase("application/openmetrics-text") {
                openMetrics.add(quality, named)
            } else if type.equalsIgnoringCase("text/plain") {
                namesForm = true
                plainText.add(quality, named)
            } else if let wildcard = Self.wildcard(type) {
                eventStream.add(quality, wildcard)
                plainText.add(quality, wildcard)
            } else if type.equalsIgnoringCase("text/html") {
                namesForm = true
                html.add(quality, named)
            } else if type.equalsIgnoringCase("application/json") || type.equalsIgnoringCase("image/gif") {
                // Java's HttpURLConnection always asks for "text/html, image/gif, …", whatever the program wants.
                otherThanHTML.add(quality, named)
            }
        }
    }

    private static func wildcard(_ type: Span<UInt8>) -> Specificity? {
        if type.equalsIgnoringCase("text/*") { return .anySubtype }
        return type == "*/*" ? .anyType : nil
    }

    /// The quality in thousandths, 1,000 if there is none, and whether there are parameters of the type itself.
    ///
    /// - Returns: nil if the client asks for a charset other than UTF-8, which neither form has.
    private static func parameters(_ range: Span<UInt8>, from start: Int) -> (quality: Int, hasParameters: Bool)? {
        var quality: Int?
        var (hasParameters, isUTF8) = (false, true)
        range.forEachElement(from: start, at: UInt8(ascii: ";")) {
            if quality != nil || $0.isEmpty { return }
            if $0.starts(with: "q=") || $0.starts(with: "Q=") {
                quality = thousandths($0.extracting(2..<$0.count))
            } else {
                hasParameters = true
                if let charset = $0.value(ofParameter: "charset"), !$0.extracting(charset).equalsIgnoringCase("utf-8") {
                    isUTF8 = false
                }
            }
        }
        return isUTF8 ? (quality ?? 1000, hasParameters) : nil
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
