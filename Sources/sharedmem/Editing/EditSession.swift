import LinuxSystem
import SharedMemory

/// A person's changes to the text, from the first look into the editor until they are set or abandoned.
struct EditSession {
    private let edited: any EditedText
    private let editor: Editor
    private let file: PrivateFile
    private let style: Style
    /// The text that the person's changes are made to.
    private var base: EditedState
    /// Whether the text had no line feed at its end, so that the one that editors add is not a change.
    private var endsOpen: Bool

    init(_ edited: any EditedText, _ editor: Editor, _ style: Style) throws {
        (self.edited, self.editor, self.style) = (edited, editor, style)
        base = try edited.state()
        endsOpen = Self.endsOpen(base.text)
        file = try PrivateFile(
            named: Editor.fileName(edited.name, base.text), in: Environment["TMPDIR"] ?? "/tmp",
            content: base.text)
    }

    /// - Returns: nil if the text is unchanged, so that nothing was set.
    mutating func run() throws -> Version? {
        do {
            try editor.run(file.path)
            while true {
                switch try save() {
                case .done(let version):
                    file.remove()
                    return version
                case .unchanged:
                    file.remove()
                    return nil
                case .again: try editor.run(file.path)
                case .saveAgain: continue
                case .abandoned: throw Failure(description: "Nothing was set.")
                }
            }
        } catch {
            throw kept(error)
        }
    }

    private static func endsOpen(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.last != UInt8(ascii: "\n")
    }

    /// The error, and where the person's text is.
    ///
    /// An editor that fails may have left it in a file of its own, or have moved the file.
    private func kept(_ error: any Error) -> any Error {
        let words = (error as? SystemError).map { "\($0.call): \($0.reason)." } ?? "\(error)"
        guard file.isAlone else { return Failure(description: "\(words) Your text is in \(file.directory).") }
        if let text = try? file.read(limit: Segment.maximumCapacity), text.text.utf8.elementsEqual(base.text.utf8) {
            file.remove()
            return Failure(description: words)
        }
        return Failure(description: "\(words) Your text is in \(file.path).")
    }

    private enum Step {
        case done(Version)
        case unchanged, again, saveAgain, abandoned
    }

    private mutating func save() throws -> Step {
        let text = try read()
        if text.text.utf8.elementsEqual(base.text.utf8) { return .unchanged }
        if Merge.hasMarkers(text.text), !Merge.hasMarkers(base.text), try !confirmsMarkers() { return .again }
        let outcome: EditOutcome
        do {
            outcome = try edited.set(text, inPlaceOf: base)
        } catch  where error is SegmentError || error is RemoteError {
            return try choice("\(error)", [.again, .abandon]) == .again ? .again : .abandoned
        }
        switch outcome {
        case .set(let version): return .done(version)
        case .conflict(let current): return try resolve(text.text, current)
        }
    }

    /// The text as the person left it, without the line feed that the editor added.
    private func read() throws -> ReadBytes {
        var text = try file.read(limit: Segment.maximumCapacity)
        if endsOpen { text.removeLineFeed() }
        return text
    }

    // MARK: Conflicts

    private mutating func resolve(_ mine: String, _ current: EditedState) throws -> Step {
        let diff = UnifiedDiff(from: current.text, to: mine)
        let difference = diff.text(
            from: .init(name: "current", remark: current.label), to: .init(name: "yours"), style)
        try ByteStream.standardError.write(difference)
        let line =
            current.version.map { "Another process set the text while you edited it: its version is now \($0)." }
            ?? "Another process unlinked the segment while you edited its text."
        switch try choice(line, [.merge, .overwrite, .abandon]) {
        case .merge:
            let merge = Merge(
                mine: mine, "yours", base: base.text, base.label, theirs: current.text, current.label)
            try file.write(merge.text)
            (base, endsOpen) = (current, Self.endsOpen(merge.text))
            return .again
        case .overwrite:
            // Only what was shown: if the text changes again, there is another question.
            base = current
            return .saveAgain
        default: return .abandoned
        }
    }

    private func confirmsMarkers() throws -> Bool {
        switch try choice("The text still contains conflict markers.", [.again, .save, .abandon]) {
        case .again: return false
        case .save: return true
        default: throw Failure(description: "Nothing was set.")
        }
    }

    // MARK: Questions

    private enum Choice: String {
        case again = "edit again"
        case merge = "edit a merge"
        case overwrite = "overwrite"
        case save = "save it"
        case abandon = "abandon"
    }

    /// Asks what to do; without a terminal, the changes are abandoned.
    private func choice(_ problem: String, _ choices: [Choice]) throws -> Choice {
        guard ByteStream.standardInput.isTerminal, ByteStream.standardError.isTerminal else {
            throw Failure(description: problem)
        }
        let list = choices.map { "\(style.bold(String($0.rawValue.prefix(1))))  \($0.rawValue)" }.joined(
            separator: "\n")
        try ByteStream.standardError.write("\(problem)\nYour text is in \(file.path).\n\(list)\n")
        while true {
            try ByteStream.standardError.write("? ")
            guard let answer = try ByteStream.standardInput.typedLine() else { return .abandon }
            if let choice = choices.first(where: { $0.rawValue.hasPrefix(answer.lowercased()) && !answer.isEmpty }) {
                return choice
            }
        }
    }
}
