import ArgumentParser
import HTTPMessages
import LinuxSystem
import Logging

/// How the log is written.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json

    /// For people on a terminal, and for programs elsewhere.
    static var `default`: LogFormat { ByteStream.standardError.isTerminal ? .text : .json }
}

/// The lowest level that is logged.
struct LogLevel: ExpressibleByArgument {
    let level: Logger.Level

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }

    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
}

/// Writes each entry of the log on a line.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let format: LogFormat
    private let writer: LogWriter

    init(_ format: LogFormat, _ level: Logger.Level, _ writer: LogWriter) {
        (self.format, logLevel, self.writer) = (format, level, writer)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = InternetDate.format(millisecondsSince1970: Clock.realtimeNanoseconds / 1_000_000)
        let entries = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        switch format {
        case .json:
            var line = Array("{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\",\"message\":".utf8)
            line.append(jsonString: event.message.description)
            for (key, value) in entries {
                line.append(UInt8(ascii: ","))
                line.append(jsonString: key)
                line.append(UInt8(ascii: ":"))
                line.append(jsonString: "\(value)")
            }
            writer.write(String(decoding: line + Array("}\n".utf8), as: UTF8.self))
        case .text:
            let pairs = entries.map { " \($0.key)=\(printable("\($0.value)"))" }.joined()
            writer.write("\(time) \(event.level.rawValue): \(printable(event.message.description))\(pairs)\n")
        }
    }
}
