import LinuxSystem

/// The name and the place of a segment's file.
struct SegmentFile: Hashable, Sendable {
    let name: SegmentName
    /// An absolute path, as a process may change its working directory while it is attached.
    let directory: String
    let path: String
    /// The file's name in the directory.
    let fileName: String

    static let suffix = ".sharedmem"

    init(_ name: SegmentName, in directory: String?) {
        self.name = name
        let directory = directory ?? Environment["SHAREDMEM_DIRECTORY"] ?? "/dev/shm"
        let workingDirectory = directory.hasPrefix("/") ? nil : Host.workingDirectory
        self.directory = (workingDirectory.map { $0 + "/" } ?? "") + directory
        fileName = name.description + Self.suffix
        path = self.directory + "/" + fileName
    }

    /// - Throws: ``SegmentError/invalidName(_:)``
    init(named name: String?, in directory: String?) throws(SegmentError) {
        let name = if let name { try SegmentName(name) } else { try SegmentName.inEnvironment() }
        self.init(name, in: directory)
    }

    /// The names of the segments in the directory, sorted, including those that cannot be opened.
    func segments() throws(SegmentError) -> [String] {
        // Left out: a segment that was removed since it was listed, or that killed processes left behind.
        try names().filter { (try? isAlive($0) == true) ?? true }
    }

    /// The names of the segments in the directory that killed processes left behind, sorted.
    func leftovers() throws(SegmentError) -> [String] { try names().filter { (try? isAlive($0) == false) ?? false } }

    /// The names of the segments' files in the directory, sorted.
    func names() throws(SegmentError) -> [String] {
        try fromSystem(Directory.names(in: directory)).compactMap(Self.name(ofFile:)).sorted()
    }

    /// The name of the segment that a file contains, if it does.
    static func name(ofFile fileName: String) -> String? {
        guard fileName.hasSuffix(suffix) else { return nil }
        return try? SegmentName(String(fileName.dropLast(suffix.count))).description
    }

    /// Whether the segment in the directory is more than a leftover; nil if there is none.
    func isAlive(_ name: String) throws(SegmentError) -> Bool? {
        let file = try SegmentFile(named: name, in: directory)
        return try OpenFile.open(file, AttachmentOptions(access: .readOnly), forListing: true)?.isAlive()
    }

    var notFound: SegmentError {
        .notFound(name: name.description, directory: directory, found: someSegments())
    }

    /// Some of the segments in the directory, sorted: one more than a message names, if there are so many.
    ///
    /// It looks at few files, as this is part of every try to attach to a segment that does not exist.
    private func someSegments() -> [String] {
        var found: [String] = []
        var looksLeft = 100
        try? Directory.forEachName(in: directory) { fileName in
            guard let name = Self.name(ofFile: fileName) else { return true }
            looksLeft -= 1
            if (try? isAlive(name)) ?? true { found.append(name) }
            return looksLeft > 0 && found.count <= SegmentError.namedSegmentCount
        }
        return found.sorted()
    }

    var leftover: SegmentError { .leftover(name: name.description, directory: directory) }
}
