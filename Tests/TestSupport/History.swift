import Foundation

/// The reads and sets of many processes through every interface, with their times, to be checked against the order of versions.
public struct History: Sendable {
    public struct Operation: Sendable {
        public enum Kind: UInt8, Sendable {
            case read, set
            /// A process is about to set text, and may be killed before it can record that it did.
            case setting
            /// A watcher saw a version other than the one it had.
            case watch
            /// A watcher has ended, with the last version it saw.
            case ended
        }

        public enum Interface: UInt8, CaseIterable, Sendable {
            case swift, c, http, commandLine
        }

        public var kind: Kind
        public var interface: Interface
        public var processID: UInt32
        /// The times before and after the call, by the host's monotonic clock, in nanoseconds.
        public var start, end: UInt64
        public var instance, number: UInt64
        /// The text's checksum, by ``ChecksummedText/digest(of:)``; nil if the text is torn.
        public var digest: UInt64?
        /// The number that a conditional set replaced, or that a watcher had before.
        public var replaced: UInt64?

        public init(
            _ kind: Kind, _ interface: Interface, processID: UInt32 = UInt32(getpid()), start: UInt64, end: UInt64,
            instance: UInt64, number: UInt64, digest: UInt64?, replaced: UInt64? = nil
        ) {
            (self.kind, self.interface, self.processID) = (kind, interface, processID)
            (self.start, self.end) = (start, end)
            (self.instance, self.number, self.digest, self.replaced) = (instance, number, digest, replaced)
        }
    }

    /// Why the operations cannot have happened to one text, each at one instant between its start and its end.
    public enum Violation: Sendable {
        case notWhole(Operation)
        /// The second began after the first had ended, but has a lower version, or set the same one.
        case backwards(Operation, Operation)
        case setTwice(Operation, Operation)
        /// One version had two texts.
        case different(Operation, Operation)
        /// A conditional set replaced another version than the expected one.
        case conditionBroken(Operation)
        /// Text was seen that no process set.
        case neverSet(Operation)
        /// A watcher was given the version it had, or an older one.
        case notNewer(Operation)
        /// A watcher stayed to the end, and never saw the first of the two.
        case missed(Operation, Operation)
    }

    public private(set) var operations: [Operation] = []

    public init(_ operations: [Operation] = []) { self.operations = operations }

    public mutating func append(_ operation: Operation) { operations.append(operation) }

    /// The highest version of an instance that was read or set.
    public func lastNumber(ofInstance instance: UInt64) -> UInt64 {
        operations.lazy.filter { $0.instance == instance }.map(\.number).max() ?? 0
    }

    public func violations() -> [Violation] {
        let done = operations.filter { $0.kind != .setting }
        return neverSet(done) + Dictionary(grouping: done, by: \.instance).values.flatMap { Self.violations($0) }
    }

    /// Checks only histories that record what is about to be set, because a killed process may have set its text.
    private func neverSet(_ done: [Operation]) -> [Violation] {
        guard done.count < operations.count else { return [] }
        let texts = Set(operations.filter { $0.kind == .set || $0.kind == .setting }.map(\.digest))
        let seen = done.filter { $0.number > 0 && ($0.kind == .read || $0.kind == .watch) }
        return seen.filter { !texts.contains($0.digest) }.map { .neverSet($0) }
    }

    private static func violations(_ operations: [Operation]) -> [Violation] {
        var found: [Violation] = []
        var setters: [UInt64: Operation] = [:]
        var texts: [UInt64: Operation] = [:]
        for operation in operations where operation.kind != .ended {
            if operation.digest == nil { found.append(.notWhole(operation)) }
            if let replaced = operation.replaced {
                if operation.kind == .set, operation.number != replaced + 1 {
                    found.append(.conditionBroken(operation))
                }
                if operation.kind == .watch, operation.number <= replaced { found.append(.notNewer(operation)) }
            }
            if operation.kind == .set, let other = setters.updateValue(operation, forKey: operation.number) {
                found.append(.setTwice(other, operation))
            }
            if let other = texts.updateValue(operation, forKey: operation.number), other.digest != operation.digest {
                found.append(.different(other, operation))
            }
        }
        return found + backwards(operations)
    }

    /// Compares each operation with the highest version of all operations that had ended when it began.
    private static func backwards(_ operations: [Operation]) -> [Violation] {
        let finished = operations.filter { $0.kind != .ended }.sorted { $0.end < $1.end }
        var found: [Violation] = []
        var next = 0
        var highest: Operation?
        for operation in operations.sorted(by: { $0.start < $1.start }) {
            while next < finished.count, finished[next].end < operation.start {
                if finished[next].number >= highest?.number ?? 0 { highest = finished[next] }
                next += 1
            }
            guard let highest else { continue }
            let least = operation.kind == .set ? highest.number + 1 : highest.number
            guard operation.number < least else { continue }
            found.append(operation.kind == .ended ? .missed(highest, operation) : .backwards(highest, operation))
        }
        return found
    }
}

extension History.Operation: CustomStringConvertible {
    public var description: String {
        let text = digest.map { "text \(String($0, radix: 16))" } ?? (kind == .ended ? "its last" : "A TORN TEXT")
        let condition = replaced.map { kind == .watch ? ", after \($0)" : ", to replace \($0)" } ?? ""
        return """
            \(kind) of number \(number) (\(text)\(condition)) by process \(processID) through \(interface), \
            from \(start) to \(end) ns
            """
    }
}

extension History.Violation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notWhole(let operation): "not whole: \(operation)"
        case .backwards(let first, let second): "backwards: \(first); and after that \(second)"
        case .setTwice(let first, let second): "one version set twice: \(first); \(second)"
        case .different(let first, let second): "one version, two texts: \(first); \(second)"
        case .conditionBroken(let operation): "replaced another: \(operation)"
        case .neverSet(let operation): "never set: \(operation)"
        case .notNewer(let operation): "not newer: \(operation)"
        case .missed(let first, let second): "missed: \(first); \(second)"
        }
    }
}
