import LinuxSystem

/// The name and the place of a segment's file.
struct SegmentFile: Hashable, Sendable {
    let name: SegmentName
    /// An absolute path, as a process may change its working directory while it is attached.
    let directory: String
    let path: String

    private static let suffix = ".sharedmem"

    init(_ name: SegmentName, in directory: String?) {
        self.name = name
        let directory = directory ?? Environment["SHAREDMEM_DIRECTORY"] ?? "/dev/shm"
        let workingDirectory = directory.hasPrefix("/") ? nil : Host.workingDirectory
        self.directory = (workingDirectory.map { $0 + "/" } ?? "") + directory
        path = self.directory + "/" + name.description + Self.suffix
    }

    /// - Throws: ``SegmentError/invalidName(_:)``
    init(named name: String?, in directory: String?) throws(SegmentError) {
        let name = if let name { try SegmentName(name) } else { try SegmentName.inEnvironment() }
        self.init(name, in: directory)
    }

    /// The names of the segments in the directory, sorted.
    func neighbours() throws(SegmentError) -> [String] {
        try fromSystem(Directory.names(in: directory)).filter { $0.hasSuffix(Self.suffix) }
            .compactMap { try? SegmentName(String($0.dropLast(Self.suffix.count))).description }.sorted()
    }

    var notFound: SegmentError {
        .notFound(name: name.description, directory: directory, found: (try? neighbours()) ?? [])
    }

    /// Whether the name leads to the file with this identity.
    func leads(to identity: FileIdentity) throws(SegmentError) -> Bool {
        try fromSystem(FileStatus.ofPath(path))?.identity == identity
    }
}
