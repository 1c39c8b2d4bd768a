/// The entity tags of `If-Match` or `If-None-Match`.
struct EntityTagList: Sendable {
    /// False if the request has no such header.
    private(set) var isPresent = false
    /// Whether the value is `*`.
    private(set) var isAny = false
    /// False if the value is neither `*` nor a list of entity tags.
    private(set) var isWellFormed = true
    /// Nearly always the only one; the others are in an array.
    private var first: Entry?
    private var others: [Entry] = []
    /// The tags that were read, those too long to match anything included.
    private var count = 0

    /// The strong tag that is the whole list; nil if there is another, or none.
    var only: EntityTag? {
        guard !isAny, count == 1, let first, !first.isWeak else { return nil }
        return first.tag
    }

    private typealias Entry = (tag: EntityTag, isWeak: Bool)

    /// Whether `tag` matches by the strong comparison.
    func matchesStrongly(_ tag: EntityTag) -> Bool { isAny || contains { !$0.isWeak && $0.tag == tag } }

    /// Whether `tag` matches by the weak comparison.
    func matchesWeakly(_ tag: EntityTag) -> Bool { isAny || names(tag) }

    /// Whether `tag` itself is in the list, or as a compressing proxy has altered it.
    func names(_ tag: EntityTag) -> Bool { contains { $0.tag == tag || $0.tag.isVariant(of: tag) } }

    /// Whether `tag` is in the list as a proxy has altered it.
    func hasAltered(_ tag: EntityTag) -> Bool { contains { $0.isWeak && $0.tag == tag || $0.tag.isVariant(of: tag) } }

    private func contains(_ isMeant: (Entry) -> Bool) -> Bool {
        first.map(isMeant) == true || others.contains(where: isMeant)
    }

    /// Reads a header value such as `"a", W/"b"`; called once for each field of a repeated header.
    mutating func add(_ value: Span<UInt8>) {
        isPresent = true
        var position = 0
        while true {
            while position < value.count, Span.isBlank(value[position]) || value[position] == UInt8(ascii: ",") {
                position += 1
            }
            guard position < value.count else { break }
            guard let end = addTag(of: value, at: position) else { return isWellFormed = false }
            position = value.trimmed(end..<value.count).lowerBound
            if position < value.count, value[position] != UInt8(ascii: ",") { isWellFormed = false }
        }
        if count == 0 || isAny && count > 1 { isWellFormed = false }
    }

    /// Reads one tag and returns where it ends; nil if there is none.
    private mutating func addTag(of value: Span<UInt8>, at start: Int) -> Int? {
        count += 1
        if value[start] == UInt8(ascii: "*") {
            isAny = true
            return start + 1
        }
        let isWeak = value.extracting(start..<value.count).starts(with: "W/")
        let quote = isWeak ? start + 2 : start
        guard quote < value.count, value[quote] == UInt8(ascii: "\""),
            let end = value.firstIndex(of: UInt8(ascii: "\""), from: quote + 1)
        else { return nil }
        let opaque = value.extracting(quote + 1..<end)
        if opaque.count <= EntityTag.maximumByteCount {
            let entry = (EntityTag(opaque: opaque), isWeak)
            if first == nil { first = entry } else { others.append(entry) }
        }
        return end + 1
    }
}
