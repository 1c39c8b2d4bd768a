import Foundation
import TestSupport
import TestTraits
import Testing

/// The check of histories finds every fault that it looks for.
@Suite("Histories", .fewAtATime)
struct HistoryTests {
    typealias Operation = History.Operation

    func operation(
        _ kind: Operation.Kind, _ number: UInt64, _ times: ClosedRange<UInt64>, digest: UInt64? = nil,
        replaced: UInt64? = nil, instance: UInt64 = 1
    ) -> Operation {
        Operation(
            kind, .swift, start: times.lowerBound, end: times.upperBound, instance: instance, number: number,
            digest: digest ?? number * 100, replaced: replaced)
    }

    func violations(_ operations: Operation...) -> [String] {
        History(operations).violations().map { String("\($0)".prefix { $0 != ":" }) }
    }

    @Test("Operations that overlap may have happened in any order; others happened in sequence")
    func inOrder() {
        #expect(
            violations(
                operation(.set, 1, 10...20), operation(.set, 2, 15...16), operation(.read, 1, 12...40),
                operation(.read, 2, 17...18), operation(.set, 3, 30...40, replaced: 2), operation(.read, 0, 1...11),
                operation(.read, 3, 41...50)
            ) == [])
    }

    @Test("A read that begins after a newer text was set or read, and returns an older one, goes backwards")
    func readBackwards() {
        #expect(violations(operation(.set, 2, 1...2), operation(.read, 1, 3...4)) == ["backwards"])
        #expect(violations(operation(.read, 2, 1...2), operation(.read, 1, 3...4)) == ["backwards"])
        // Others in between, of which some overlap.
        #expect(
            violations(
                operation(.read, 5, 1...100), operation(.set, 4, 2...3), operation(.set, 3, 2...50),
                operation(.read, 3, 4...5)) == ["backwards"])
    }

    @Test("A set whose version is not above one that existed before it goes backwards")
    func setBackwards() {
        #expect(violations(operation(.set, 2, 1...2), operation(.set, 1, 3...4)) == ["backwards"])
        // Read before it was set.
        #expect(violations(operation(.read, 1, 1...2), operation(.set, 1, 3...4)) == ["backwards"])
    }

    @Test("A version that was set twice, has two texts, is torn or replaced another one is found")
    func others() {
        #expect(violations(operation(.set, 1, 1...4), operation(.set, 1, 2...3)) == ["one version set twice"])
        #expect(
            violations(operation(.set, 1, 1...4), operation(.read, 1, 2...3, digest: 5)) == ["one version, two texts"])
        #expect(violations(operation(.set, 3, 1...4, replaced: 1)) == ["replaced another"])
        var torn = operation(.read, 1, 1...2)
        torn.digest = nil
        #expect(violations(torn) == ["not whole"])
    }

    @Test("Texts that watchers saw are in order if each is newer than the one before")
    func watchersInOrder() {
        #expect(
            violations(
                operation(.setting, 0, 1...1, digest: 100, instance: 0), operation(.set, 1, 1...4),
                operation(.watch, 0, 1...1), operation(.watch, 1, 1...5, replaced: 0),
                // A process that was killed after a set could not record it; one that was killed before set nothing.
                operation(.setting, 0, 6...6, digest: 300, instance: 0),
                operation(.setting, 0, 6...6, digest: 700, instance: 0),
                operation(.watch, 3, 5...9, replaced: 1), operation(.ended, 3, 12...12)
            ) == [])
    }

    @Test("A watcher that gets the version it has, or an older one, is found")
    func notNewer() {
        #expect(
            violations(
                operation(.set, 1, 1...2), operation(.watch, 1, 1...3), operation(.watch, 1, 4...5, replaced: 1))
                == ["not newer"])
        #expect(violations(operation(.watch, 1, 1...9, replaced: 2)) == ["not newer"])
    }

    @Test("A watcher that gets an older version than the current one when it asked goes backwards")
    func watchBackwards() {
        #expect(
            violations(operation(.set, 1, 1...2), operation(.set, 2, 3...4), operation(.watch, 1, 5...6, replaced: 0))
                == ["backwards"])
    }

    @Test("A watcher that gets torn text, or the text of another version, is found")
    func watchedText() {
        var torn = operation(.watch, 1, 1...2)
        torn.digest = nil
        #expect(violations(torn) == ["not whole"])
        #expect(
            violations(operation(.set, 1, 1...4), operation(.watch, 1, 2...3, digest: 5)) == ["one version, two texts"])
    }

    @Test(
        "Text that no process set is found if each process records what it is about to set",
        arguments: [Operation.Kind.read, .watch])
    func neverSet(_ kind: Operation.Kind) {
        let begun = operation(.setting, 0, 1...1, digest: 100, instance: 0)
        #expect(violations(begun, operation(kind, 7, 2...3)) == ["never set"])
        #expect(violations(begun, operation(kind, 7, 2...3, digest: 100)) == [])
        #expect(violations(operation(kind, 7, 2...3)) == [])
    }

    @Test("A watcher that ends with an older version than the last one is found")
    func missed() {
        #expect(
            violations(
                operation(.set, 1, 1...2), operation(.watch, 1, 1...3), operation(.set, 2, 4...5),
                operation(.ended, 1, 9...9)) == ["missed"])
        #expect(violations(operation(.set, 2, 4...9), operation(.ended, 1, 8...8)) == [], "it was not there yet")
    }

    @Test("Versions of different instances are not compared")
    func instances() {
        #expect(violations(operation(.set, 2, 1...2), operation(.read, 1, 3...4, instance: 2)) == [])
    }

    @Test("The report names the pair of operations")
    func report() {
        let history = History([
            operation(.set, 1, 1...2), operation(.set, 9, 3...4), operation(.read, 1, 5...6),
        ])
        #expect(
            history.violations().map(\.description) == [
                """
                backwards: set of number 9 (text 384) by process \(pid) through swift, from 3 to 4 ns; \
                and after that read of number 1 (text 64) by process \(pid) through swift, from 5 to 6 ns
                """
            ])
    }

    @Test("Records that processes wrote to files are read back, except for an incomplete last one")
    func files() throws {
        let directory = try TemporaryDirectory()
        let written = [
            operation(.set, 1, 1...2, replaced: 0), operation(.read, 1, 3...4),
            Operation(.read, .http, processID: 7, start: 1, end: 2, instance: .max, number: 3, digest: nil),
        ]
        let file = try HistoryFile("\(directory.path)/history")
        for operation in written { file.append(operation) }
        let handle = try #require(FileHandle(forWritingAtPath: "\(directory.path)/history"))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data([1, 2, 3]))
        let history = try History(readingFilesIn: directory.path)
        #expect(history.operations.map(\.description) == written.map(\.description))
        #expect(history.lastNumber(ofInstance: .max) == 3)
    }

    private var pid: UInt32 { UInt32(getpid()) }
}
