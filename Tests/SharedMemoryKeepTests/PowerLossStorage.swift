import LinuxSystem
import SharedMemory
import SharedMemoryKeep
import Synchronization
import TestSupport

/// A directory in memory that knows what a loss of power may leave of it.
///
/// What POSIX promises, and no more: the content of a file is there once the file was synchronized; before that, any of it
/// may be missing, zero, or what the blocks contained before. A change of a name is there once the directory was
/// synchronized; before that, each may or may not have happened.
final class PowerLossStorage: KeepStorage {
    /// A fault of the keeper, as it looks to the directory.
    enum Fault { case noSyncOfFile, noSyncOfDirectory, renameBeforeSync, noChecksum }

    struct Content: Hashable {
        var bytes: [UInt8] = []
        var isDurable = false
    }

    enum Change: Hashable { case set(String, file: Int), remove(String), rename(String, to: String, file: Int) }

    struct State {
        var files: [Int: Content] = [:]
        var names: [String: Int] = [:]
        /// What the names are on disk for certain, and what has changed since.
        var durableNames: [String: Int] = [:]
        var changes: [Change] = []
        var lastFile = 0
        /// Files whose synchronization a fault puts off until after their renaming.
        var unsynchronized: Set<Int> = []
        /// Whether no file can be removed.
        var refusesToRemove = false
    }

    private let state: Mutex<State>
    private let faults: Set<Fault>
    /// Called after each operation.
    private let look: @Sendable (State) -> Void

    init(
        _ files: [String: [UInt8]] = [:], faults: Set<Fault> = [], look: @escaping @Sendable (State) -> Void = { _ in }
    ) {
        var state = State()
        for (index, (name, bytes)) in files.sorted(by: { $0.key < $1.key }).enumerated() {
            state.files[index] = Content(bytes: bytes, isDurable: true)
            state.names[name] = index
            state.lastFile = index
        }
        state.durableNames = state.names
        self.state = Mutex(state)
        self.faults = faults
        self.look = look
    }

    private func operate<Value>(_ body: (inout State) throws(SystemError) -> sending Value) throws(SystemError) -> Value
    {
        let value = try state.withLock { state throws(SystemError) in try body(&state) }
        look(state.withLock { $0 })
        return value
    }

    func names() throws(SystemError) -> [String] { state.withLock { Array($0.names.keys) } }

    func read<Result>(_ name: String, limit: Int, _ body: (Span<UInt8>) -> Result) throws(SystemError) -> Result {
        let bytes = state.withLock { state in state.names[name].flatMap { state.files[$0]?.bytes } }
        guard let bytes else { throw SystemError(call: "open", code: 2) }
        return body((faults.contains(.noChecksum) ? Self.repaired(bytes) : bytes).span)
    }

    /// The same file with the checksum that its content has, as if none were checked.
    private static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        let lines = String(decoding: bytes.prefix(512), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 8, lines[7].hasPrefix("crc64: ") else { return bytes }
        let checked = lines.prefix(7).map { $0 + "\n" }.joined()
        let textOffset = checked.utf8.count + 25
        guard bytes.count >= textOffset else { return bytes }
        var checksum = Checksum()
        checksum.add(Array(checked.utf8).span)
        checksum.add(bytes.span.extracting(textOffset..<bytes.count))
        let digits = String(checksum.value, radix: 16)
        let line = "crc64: " + String(repeating: "0", count: 16 - digits.count) + digits + "\n\n"
        return Array(checked.utf8) + Array(line.utf8) + bytes[textOffset...]
    }

    func create(_ name: String) throws(SystemError) -> any NewFile {
        let file = try operate { state throws(SystemError) in
            guard state.names[name] == nil else { throw SystemError(call: "open", code: 17) }
            state.lastFile += 1
            state.files[state.lastFile] = Content()
            state.names[name] = state.lastFile
            state.changes.append(.set(name, file: state.lastFile))
            return state.lastFile
        }
        return File(storage: self, file: file)
    }

    func rename(_ name: String, to other: String) throws(SystemError) {
        let file = try operate { state throws(SystemError) in
            guard let file = state.names.removeValue(forKey: name) else { throw SystemError(call: "rename", code: 2) }
            state.names[other] = file
            state.changes.append(.rename(name, to: other, file: file))
            return file
        }
        guard faults.contains(.renameBeforeSync) else { return }
        try operate { state in
            if state.unsynchronized.remove(file) != nil { state.files[file]?.isDurable = true }
        }
    }

    func refuseToRemove(_ isRefused: Bool) { state.withLock { $0.refusesToRemove = isRefused } }

    func remove(_ name: String) throws(SystemError) {
        try operate { state throws(SystemError) in
            if state.refusesToRemove { throw SystemError(call: "unlink", code: 5) }
            guard state.names.removeValue(forKey: name) != nil else { throw SystemError(call: "unlink", code: 2) }
            state.changes.append(.remove(name))
        }
    }

    func synchronize() throws(SystemError) {
        try operate { state in
            guard !faults.contains(.noSyncOfDirectory) else { return }
            (state.durableNames, state.changes) = (state.names, [])
        }
    }

    private struct File: NewFile {
        let storage: PowerLossStorage
        let file: Int

        func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
            let added = bytes.indices.map { bytes[$0] }
            try storage.operate { state in
                state.files[file]?.isDurable = false
                state.files[file]?.bytes.append(contentsOf: added)
            }
        }

        func synchronize() throws(SystemError) {
            try storage.operate { state in
                if storage.faults.contains(.renameBeforeSync) {
                    state.unsynchronized.insert(file)
                } else if !storage.faults.contains(.noSyncOfFile) {
                    state.files[file]?.isDurable = true
                }
            }
        }
    }
}

// MARK: What is left

extension PowerLossStorage.State {
    /// Each directory that a loss of power may leave now.
    var remains: [[String: [UInt8]]] {
        precondition(changes.count < 12, "too many states")
        var remains: [[String: [UInt8]]] = []
        for chosen in 0..<1 << changes.count {
            var names = durableNames
            for (index, change) in changes.enumerated() where chosen >> index & 1 == 1 {
                switch change {
                case .set(let name, let file): names[name] = file
                case .remove(let name): names[name] = nil
                case .rename(let name, let other, let file):
                    names[name] = nil
                    names[other] = file
                }
            }
            remains += withContents(names)
        }
        return remains
    }

    /// The files of these names, with each content that a file may have.
    private func withContents(_ names: [String: Int]) -> [[String: [UInt8]]] {
        var known: [String: [UInt8]] = [:]
        var variants: [[String: [UInt8]]] = [[:]]
        for (name, file) in names {
            guard let content = files[file] else { continue }
            if content.isDurable {
                known[name] = content.bytes
            } else {
                variants = variants.flatMap { variant in
                    Self.leftovers(content.bytes).map { variant.merging([name: $0]) { $1 } }
                }
            }
        }
        return variants.map { $0.merging(known) { $1 } }
    }

    /// What may be left of bytes that were not synchronized.
    static func leftovers(_ bytes: [UInt8]) -> [[UInt8]] {
        let (half, count) = (bytes.count / 2, bytes.count)
        let zeros = [UInt8](repeating: 0, count: count)
        // The end of the blocks is what another file left there.
        let stale = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        let last = max(0, count - 1)
        func joined(_ first: [UInt8], _ second: [UInt8], at cut: Int) -> [UInt8] {
            Array(first.prefix(cut)) + Array(second.dropFirst(cut))
        }
        return [
            bytes, [], Array(bytes.prefix(half)), Array(bytes.prefix(last)), zeros, joined(bytes, zeros, at: half),
            joined(zeros, bytes, at: half), joined(bytes, stale, at: last), joined(bytes, stale, at: half),
        ]
    }
}
