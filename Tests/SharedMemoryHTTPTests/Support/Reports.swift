import Foundation
import Logging

/// What a server logs.
final class Reports: Sendable {
    struct Entry: Sendable {
        let level: Logger.Level
        let message: String
        let metadata: [String: String]
    }

    private let lock = NSLock()
    nonisolated(unsafe) private var reported: [Entry] = []

    var entries: [Entry] { lock.withLock { reported } }

    var logger: Logger { Logger(label: "test") { _ in Handler(reports: self) } }

    private struct Handler: LogHandler {
        let reports: Reports
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let entry = Entry(
                level: event.level, message: event.message.description,
                metadata: (event.metadata ?? [:]).mapValues { "\($0)" })
            reports.lock.withLock { reports.reported.append(entry) }
        }
    }
}
