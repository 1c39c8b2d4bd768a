internal import Glibc

/// A process, as `/proc` shows it to this one; it may have ended by the time it is looked at.
package struct HostProcess: Hashable, Sendable {
    package let processID: Int

    private var place: String { "/proc/\(processID)" }

    /// - Returns: nil if there is no process with this id.
    package init?(_ processID: Int) {
        guard processID > 0, (try? FileStatus.ofPath("/proc/\(processID)")) ?? nil != nil else { return nil }
        self.processID = processID
    }

    /// All processes but this one, in order of their ids.
    package static var others: [HostProcess] {
        get throws(SystemError) {
            let own = Int(Host.processID)
            return try Directory.names(in: "/proc").compactMap { Int($0) }.filter { $0 != own }.sorted()
                .compactMap { HostProcess($0) }
        }
    }

    /// Its effective user, or root if it may not be dumped; nil if it has ended.
    package var user: UInt32? { (try? FileStatus.ofPath(place))??.owner }

    /// At most 15 bytes of its program's name, or `?` if it has ended.
    package var program: String {
        (try? wholeText(ofFile: place + "/comm"))?.split(separator: "\n").first.map(String.init) ?? "?"
    }

    /// Whether a signal or a debugger has stopped it.
    package var isStopped: Bool {
        // 812 (a program) T …; the program's name may contain anything.
        let state = (try? wholeText(ofFile: place + "/stat"))?.split(separator: ")").last?.drop { $0 == " " }.first
        return state == "T" || state == "t"
    }

    /// The variables that it was started with; nil if they may not be looked at.
    package var environment: [String: String]? {
        guard let text = try? wholeText(ofFile: place + "/environ") else { return nil }
        let pairs = text.split(separator: "\0").compactMap { setting -> (String, String)? in
            guard let end = setting.firstIndex(of: "=") else { return nil }
            return (String(setting[..<end]), String(setting[end...].dropFirst()))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Its command line.
    package var arguments: [String] {
        (try? wholeText(ofFile: place + "/cmdline"))?.split(separator: "\0").map(String.init) ?? []
    }

    /// What is at a path in its mount namespace; nil if that is nothing, or may not be looked at.
    package func file(at path: String) -> FileIdentity? {
        (try? FileStatus.ofPath(place + "/root" + path, followsLinks: true))??.identity
    }

    /// Identifies its mount namespace; nil if it may not be looked at.
    package var mountNamespace: String? { try? Directory.target(ofLink: place + "/ns/mnt") }

    /// The service of systemd that it belongs to, such as `app.service`.
    package var service: String? {
        let lines = (try? wholeText(ofFile: place + "/cgroup"))?.split(separator: "\n") ?? []
        return lines.lazy.compactMap { $0.split(separator: "/").last { $0.hasSuffix(".service") } }.first.map(
            String.init)
    }

    /// The files it shares with other processes by mapping them, if their names end with `suffix` or they were created without
    /// one; nil if they may not be looked at.
    package func mappedFiles(withSuffix suffix: String) -> Set<MappedFile>? {
        guard let maps = try? wholeText(ofFile: place + "/maps") else { return nil }
        let lines = maps.split(separator: "\n").lazy.filter { $0.contains(suffix) || $0.contains("/#") }
        return Set(lines.compactMap(MappedFile.init)).filter { $0.path.hasSuffix(suffix) || $0.isCreatedUnnamed }
    }

    /// The name of a file in a directory of its mount namespace; nil if the file has none there.
    package func name(of file: MappedFile, in directory: String, suffix: String) -> String? {
        var found: String?
        let place = place + "/root" + directory
        // Bounded: a directory may have any number of names.
        var looksLeft = 100_000
        try? Directory.forEachName(in: place) { name in
            looksLeft -= 1
            if name.hasSuffix(suffix), let status = (try? FileStatus.ofPath(place + "/" + name)) ?? nil,
                file.isFile(status.identity)
            {
                found = name
            }
            return found == nil && looksLeft > 0
        }
        return found
    }

    /// A file that it has mapped and has open; nil if it has not, or if that may not be looked at.
    package func openFile(_ file: MappedFile) -> OpenedFile? {
        guard let numbers = try? Directory.names(in: place + "/fd") else { return nil }
        for number in numbers {
            let path = place + "/fd/" + number
            guard let status = (try? FileStatus.ofPath(path, followsLinks: true)) ?? nil, file.isFile(status.identity)
            else { continue }
            return OpenedFile(path: path, linkCount: status.linkCount)
        }
        return nil
    }
}

/// A file that another process has open.
package struct OpenedFile: Sendable {
    fileprivate let path: String
    /// The number of names it has.
    package let linkCount: Int

    /// The first bytes of its content; nil if they may not be read.
    package func beginning(byteCount: Int) -> String? {
        guard let bytes = try? ByteStream.content(ofFile: path, limit: byteCount - 1, inspect: { _ in }) else {
            return nil
        }
        return bytes.text
    }
}

/// A file that a process has mapped.
package struct MappedFile: Hashable, Sendable {
    /// In the mount namespace of the process.
    package let path: String
    /// Whether the name by which the file was opened no longer leads to it.
    package let isRemoved: Bool
    private let deviceNumbers: String
    package let inode: UInt

    /// The same for all mappings of a file, by whatever name.
    package var key: String { "\(deviceNumbers) \(inode)" }

    /// Reads a line such as `7f00-7f01 rw-s 0000 00:1a 1234   /dev/shm/text.sharedmem (deleted)`.
    fileprivate init?(_ line: Substring) {
        let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard words.count == 6, words[1].hasSuffix("s"), let inode = UInt(words[4]) else { return nil }
        self.inode = inode
        deviceNumbers = String(words[3])
        let mark = " (deleted)"
        let path = words[5].drop { $0 == " " }
        isRemoved = path.hasSuffix(mark)
        self.path = String(isRemoved ? path.dropLast(mark.count) : path)
    }

    /// Whether the process has created it without a name: the kernel goes on to call it `#INODE (deleted)` when it has one.
    package var isCreatedUnnamed: Bool { isRemoved && path.hasSuffix("/#\(inode)") }

    package func isFile(_ identity: FileIdentity) -> Bool {
        inode == identity.inode && deviceNumbers == identity.deviceNumbers
    }
}
