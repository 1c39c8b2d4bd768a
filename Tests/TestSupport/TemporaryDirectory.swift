import Foundation

/// A directory on a tmpfs for one test, removed with its contents when the test ends.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init(under parent: String = "/dev/shm") throws {
        var template = Array("\(parent)/sharedmem-test-XXXXXX".utf8CString)
        let made = mkdtemp(&template) != nil
        guard made else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func path(of name: String) -> String { "\(path)/\(name).sharedmem" }

    /// The names of the files in it.
    public var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}
