internal import Glibc

/// The mounts that this process sees, in the order in which they were made.
package struct MountTable: Sendable {
    package struct Entry: Hashable, Sendable {
        /// The mounted directory or file, from the root of its file system; it ends with `//deleted` if it was removed.
        package let root: String
        package let mountPoint: String
        package let kind: String

        package var isOfRemovedFile: Bool { root.hasSuffix("//deleted") }
    }

    package let entries: [Entry]

    /// Has no entries if they cannot be read.
    package init() {
        // 36 35 98:0 /root /mount/point rw,noatime master:1 - tmpfs source rw
        let lines = (try? wholeText(ofFile: "/proc/self/mountinfo"))?.split(separator: "\n") ?? []
        entries = lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let dash = words.firstIndex(of: "-"), dash + 1 < words.count, words.count > 5 else { return nil }
            return Entry(
                root: Self.unescaped(words[3]), mountPoint: Self.unescaped(words[4]), kind: String(words[dash + 1]))
        }
    }

    /// The mount at a path itself; nil if there is none.
    package func mount(at path: String) -> Entry? { entries.last { $0.mountPoint == path } }

    /// The mount that a resolved path is in.
    package func mount(containing path: String) -> Entry? {
        let candidates = entries.filter {
            $0.mountPoint == "/" || path == $0.mountPoint || path.hasPrefix($0.mountPoint + "/")
        }
        let longest = candidates.map(\.mountPoint.utf8.count).max()
        return candidates.last { $0.mountPoint.utf8.count == longest }
    }

    /// The kernel writes blanks and backslashes as octal numbers.
    private static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = word.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let number = UInt8(String(rest.prefix(3)) ?? "", radix: 8) {
                bytes.append(number)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
