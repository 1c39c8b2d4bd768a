// What reading a 64-byte text in place costs, beside LMDB's read transaction, in turns in one run.
//
//     swift run -c release borrow [ROUNDS]
//
// With a second argument, one of `borrow`, `get` and `lmdb`, it only does 100,000 of these: for callgrind.

import Glibc
import SharedMemory

@main
enum BorrowBenchmark {
    static let text = String(repeating: "x", count: 64)

    static func main() throws {
        var template = Array("/dev/shm/sharedmem-benchmark-XXXXXX".utf8CString)
        guard let directory = mkdtemp(&template).map({ String(cString: $0) }) else { fatalError("mkdtemp: \(errno)") }
        defer { rmdir(directory) }
        let segment = try Segment.attach("benchmark", AttachmentOptions(directory: directory))
        try segment.set(text)
        let database = LMDBText(text, in: directory)
        defer { database.close() }

        let arguments = CommandLine.arguments
        if arguments.count > 2 {
            switch arguments[2] {
            case "borrow": print(try borrow(segment, 100_000))
            case "get": print(try get(segment, 100_000))
            default: print(database.read(100_000))
            }
            return
        }
        var ours: [Double] = []
        var copies: [Double] = []
        var theirs: [Double] = []
        for _ in 0..<(arguments.count > 1 ? Int(arguments[1]) ?? 9 : 9) {
            ours.append(try nanoseconds(5_000_000) { try borrow(segment, $0) })
            theirs.append(nanoseconds(1_000_000) { database.read($0) })
            copies.append(try nanoseconds(1_000_000) { try get(segment, $0) })
        }
        for (name, values) in [("borrow", ours), ("get as String", copies), ("LMDB read transaction", theirs)] {
            print(
                "\(name): median \(rounded(median(values))) ns (\(rounded(values.min() ?? 0)) to",
                "\(rounded(values.max() ?? 0))); LMDB takes \(rounded(median(theirs) / median(values))) times that")
        }
    }

    static func borrow(_ segment: Segment, _ count: Int) throws -> Int {
        var sum = 0
        for _ in 0..<count {
            sum &+= try segment.withBytes { Int($0.unsafeLoad(as: UInt8.self)) + $0.byteCount }
        }
        return sum
    }

    static func get(_ segment: Segment, _ count: Int) throws -> Int {
        var sum = 0
        for _ in 0..<count { sum &+= try segment.get().utf8.count }
        return sum
    }

    static func nanoseconds(_ count: Int, _ body: (Int) throws -> Int) rethrows -> Double {
        var sum = 0
        let duration = try ContinuousClock().measure { sum = try body(count) }
        precondition(sum > 0, "nothing was read")
        return duration / .nanoseconds(1) / Double(count)
    }

    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
