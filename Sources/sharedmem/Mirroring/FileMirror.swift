import LinuxSystem
import SharedMemory

/// A segment whose text is that of a file.
struct FileMirror {
    private var file: RestingFile
    private let target: SegmentTarget
    /// Whether an empty file is text, and not a file that is about to be written.
    private let takesEmpty: Bool
    private var segment: Segment?
    /// Whether the segment could ever be used as the options say: then its errors are not mistakes in them.
    private var hasAttached = false
    /// Whether the last attempt failed for a reason that may pass without a change of the file.
    private var isDue = true
    /// The capacity for which the text was too long.
    private var exceededCapacity: Int?

    init(_ path: String, in target: SegmentTarget, takesEmpty: Bool) {
        (file, self.target, self.takesEmpty) = (RestingFile(path), target, takesEmpty)
    }

    /// Whether there is anything to do that the system has not reported.
    var isBehind: Bool {
        if isDue || file.hasChanged || isOfRemovedSegment { return true }
        // Another process has created the segment again.
        return exceededCapacity != nil && (try? target.capacity()) != exceededCapacity
    }

    private var isOfRemovedSegment: Bool { segment.map { (try? $0.isUnlinked) ?? true } ?? false }

    /// Sets the file's text, unless the segment has it already.
    ///
    /// - Returns: the new version; nil if nothing was set.
    /// - Throws: `Failure` if the file cannot be set as it is; any other error is the segment's.
    mutating func update() throws -> Version? {
        (isDue, exceededCapacity) = (false, nil)
        if isOfRemovedSegment { segment = nil }
        do {
            let capacity = try segment?.capacity ?? target.capacity()
            let content = try file.read(limit: capacity)
            if content.count > capacity { exceededCapacity = capacity }
            return try content.withSpan { text in try set(text, capacity) }
        } catch let fault as RestingFile.Fault {
            isDue = fault.isShort
            throw failure(fault.words)
        } catch let error as SegmentError where error.isOfText {
            throw failure("\(error)")
        } catch let error as SegmentError where hasAttached {
            isDue = true
            throw failure("\(error)")
        }
    }

    private mutating func set(_ text: Span<UInt8>, _ capacity: Int) throws -> Version? {
        guard text.count <= capacity else {
            throw failure(
                "It is longer than the segment's capacity of \(capacity) bytes: shorten it, or unlink the segment and "
                    + "create it again with a larger --capacity.")
        }
        guard !text.isEmpty || takesEmpty else {
            throw failure("It is empty: write the text to it, or give --empty to set the empty text.")
        }
        try Segment.check(utf8: text)
        let attached = try segment ?? target.attach(for: text, capacity: capacity)
        (segment, hasAttached) = (attached, true)
        let isSame = try attached.withText { current in
            current.span.count == text.count && text.indices.allSatisfy { current.span[$0] == text[$0] }
        }
        if isSame, try attached.version.number > 0 { return nil }
        return try attached.set(utf8: text)
    }

    private func failure(_ reason: String) -> Failure { Failure(description: "\(file.path) was not set. \(reason)") }
}

extension RestingFile.Fault {
    fileprivate var words: String {
        switch self {
        case .unreadable(let error): "It cannot be read: \(error.reason). It is set as soon as it can be read."
        case .notRegular: "It is not a regular file: replace it by one."
        case .restless: "It is written to all the time. It is set once it is left alone for a moment."
        }
    }

    /// Whether it may be over without a change of the file.
    fileprivate var isShort: Bool { if case .restless = self { true } else { false } }
}

extension SegmentError {
    /// Whether the text is the reason, and not the segment.
    fileprivate var isOfText: Bool {
        switch self {
        case .tooLong, .notUTF8, .containsNUL: true
        default: false
        }
    }
}
