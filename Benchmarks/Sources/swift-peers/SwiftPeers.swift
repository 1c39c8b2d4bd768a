import Timing

// What Swift programs do with a text; the command line is timing.c's.
@main
enum SwiftPeers {
    static func main() {
        let peers = [Ours.borrow, Ours.text, Ours.get, LMDBString.peer]
        _ = measure_peers(CommandLine.argc, CommandLine.unsafeArgv, peers, peers.count)
    }
}
