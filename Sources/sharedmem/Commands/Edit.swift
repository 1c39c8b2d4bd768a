import ArgumentParser
import LinuxSystem
import SharedMemory

struct EditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit", abstract: "Change the text in an editor.",
        discussion: """
            Opens the text in $VISUAL, $EDITOR or vi, and sets it when the editor ends. If the segment does not exist, it is \
            created with what you write. Without a terminal, only $EDITOR is used.

            The text is set only if no other process has set it meanwhile. Otherwise, you see what differs and can edit a \
            merge of both, overwrite the other text, or abandon your changes. If both have changed the same lines, the merge \
            has both, between markers like those of diff3 -m.

            If the text is unchanged, nothing is set. If the text did not end with a line feed, one that the editor adds is \
            left out. If the editor fails, or you abandon your changes, the command exits with status 1 and prints where \
            your text is kept.
            """)

    @OptionGroup var segment: SegmentArguments
    @OptionGroup var remote: RemoteOptions
    @OptionGroup var creation: CreationOptions
    @OptionGroup var outcome: OutcomeOptions
    @OptionGroup var styling: StyleOptions

    func run() throws {
        let edited = try edited
        var session = try EditSession(edited, try Editor.choose(), Style(styling.color, for: .standardError))
        guard let version = try session.run() else {
            return try ByteStream.standardError.write("The text is unchanged, so nothing was set.\n")
        }
        try outcome.report(version, of: edited.name)
    }

    private var edited: any EditedText {
        get throws {
            let localOptions = segment.localOptions + creation.localOptions
            if let text = try remote.text(segment.chosenName, localOptions) { return text }
            let options = try segment.location.options(creating: creation)
            let place = try Segment.place(segment.chosenName, directory: options.directory)
            // Before the user begins to write, rather than when the text is set.
            let info = try? Segment.info(place.name, directory: place.directory, trustedOwners: options.trustedOwners)
            if let replication = info?.replication {
                throw SegmentError.replicated(
                    name: place.name, directory: place.directory, url: replication.isUnderWay ? replication.url : nil)
            }
            return EditedSegment(name: place.name, options: options)
        }
    }
}
