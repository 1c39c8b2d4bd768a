import ArgumentParser
import LinuxSystem
import SharedMemory

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Show all segments in a directory as they change.",
        discussion: """
            Shows the bytes, the capacity and the version number of each segment, how often it changes, how many \
            attachments it has, and when and by which program it was set last. It attaches to nothing.

            Keys: n, c, b and a sort by name, changes, bytes and attachments; q quits.

            For scripts, --once prints the list once, and --batch COUNT prints it COUNT times, a second apart. Rates need two \
            measurements: the first list has none.
            """)

    @OptionGroup var location: SegmentLocation

    @Option(help: "What to sort by.")
    var sort = TopOrder.name

    @Flag(help: "Print the list once.")
    var once = false

    @Option(help: ArgumentHelp("Print the list this many times, a second apart.", valueName: "count"))
    var batch: Int?

    @Flag(help: "Print each list as a JSON object on one line; without --once and --batch, every second.")
    var json = false

    @OptionGroup var styling: StyleOptions

    func validate() throws {
        if once, batch != nil { throw ValidationError("Give --once or --batch, but not both.") }
        if let batch, batch < 1 { throw ValidationError("--batch must be at least 1.") }
    }

    func run() throws {
        if once || batch != nil || json { return try print(times: once ? 1 : batch ?? .max) }
        guard ByteStream.standardInput.isTerminal, ByteStream.standardOutput.isTerminal, Style.terminalIsCapable else {
            throw Failure(description: "top needs a terminal: elsewhere, give --once, --batch or --json.")
        }
        try show()
    }

    // MARK: For scripts

    private func print(times: Int) throws {
        var list = try TopList(location)
        for turn in 1...times {
            let page = TopPage(list: list, order: sort)
            try ByteStream.standardOutput.write(
                json ? page.json() : page.lines(nil, styling.style).map { $0 + "\n" }.joined())
            if turn == times { return }
            BackgroundThread.pause(milliseconds: 1000)
            if ByteStream.standardOutput.isAbandoned { return }
            _ = list.look()
            list.measure()
        }
    }

    // MARK: On a terminal

    private static let lookMilliseconds = 250

    private func show() throws {
        var (list, order) = (try TopList(location), sort)
        var terminal = try Terminal()
        var measured = Clock.coarseMilliseconds
        try draw(list, order)
        while true {
            let event = terminal.event(timeoutMilliseconds: CInt(Self.lookMilliseconds))
            switch event {
            case .end, .key(UInt8(ascii: "q")): return
            case .key(let key): order = TopOrder(key: key) ?? order
            case .redraw, nil: break
            }
            var isDue = list.look() || event != nil
            if Clock.coarseMilliseconds - measured >= 1000 {
                list.measure()
                (measured, isDue) = (Clock.coarseMilliseconds, true)
            }
            if isDue { try draw(list, order) }
        }
    }

    private func draw(_ list: TopList, _ order: TopOrder) throws {
        let size = Terminal.size
        let page = TopPage(list: list, order: order)
        // Each line replaces what was there, so that nothing flickers.
        let lines = page.lines(size, styling.style).prefix(size.rows - 1).map { $0 + "\u{1b}[K\n" }
        try ByteStream.standardOutput.write(
            "\u{1b}[H" + lines.joined() + "\u{1b}[J\u{1b}[\(size.rows);1H" + page.keys(size.columns, styling.style))
    }
}

extension TopOrder: ExpressibleByArgument {}
