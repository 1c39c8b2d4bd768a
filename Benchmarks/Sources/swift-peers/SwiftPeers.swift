import Timing

// The operations of Swift programs. timing.c has the command line.
@main
enum SwiftPeers {
    static func main() {
        let peers = [
            Ours.borrow, Ours.text, Ours.get, Ours.reader, Ours.readerText, Ours.readerGet, PlainString.peer,
            LMDBString.peer,
        ]
        _ = measure_peers(CommandLine.argc, CommandLine.unsafeArgv, peers, peers.count)
    }
}
