import LinuxSystem
import SharedMemory

/// A process that has a segment mapped, and how that segment is related to the one in question.
struct SegmentUser {
    let process: HostProcess
    let file: MappedFile
    let directory: String
    /// Nil if the process has created the file and it has lost its name: then nothing shows which name that was.
    private(set) var name: String?
    /// Whether the file no longer has a name in the directory.
    let isRemoved: Bool
    private(set) var relation = Relation.anotherName

    enum Relation: Equatable {
        case same
        /// The file had the name in the same directory, and has lost it.
        case removed
        /// The file had a name in the same directory, but nothing shows which.
        case removedUnknown
        /// The file has the name in the same directory, where something else is mounted over it.
        case hidden
        /// The process sees the directory too, and uses another one.
        case anotherDirectory
        /// The process sees another directory at the path.
        case privateMemory
        /// The process was to use this name, and its file has another one.
        case renamed
        /// A segment of another name, of the process that was asked about.
        case anotherName
    }

    /// What this process sees.
    struct View {
        let place: Segment.Place
        /// Without symbolic links.
        let directory: String
        let directoryIdentity: FileIdentity?
        let file: FileIdentity?
        let mountNamespace: String?
    }

    /// Such as `process 812 (probe)`.
    var description: String { "process \(process.processID) (\(process.program))" }

    var path: String { directory + "/" + (name.map { $0 + Segment.Place.suffix } ?? "?") }

    /// Whether it is `sharedmem serve`, which attaches to another segment of the name when it is asked next.
    var isServer: Bool {
        let words = process.arguments.prefix(2)
        return words.first?.split(separator: "/").last == "sharedmem" && words.last == "serve"
    }

    /// What ends the process, so that it attaches again when it is started again.
    var restart: String {
        process.service.map { "systemctl restart " + Shell.word($0) } ?? "kill \(process.processID)"
    }

    /// Looks at every process once.
    ///
    /// - Returns: the processes that may concern the segment, and the number of those that may not be looked at.
    static func all(_ view: View, _ other: HostProcess?) -> ([SegmentUser], unseen: Int) {
        let first = look(view, other)
        // A server or a follower that is about to attach to another segment does so within a second.
        guard first.0.contains(where: { $0.relation == .removed || $0.relation == .removedUnknown }) else {
            return first
        }
        BackgroundThread.pause(milliseconds: 1200)
        return look(view, other)
    }

    private static func look(_ view: View, _ other: HostProcess?) -> ([SegmentUser], unseen: Int) {
        var (users, unseen): ([SegmentUser], Int) = ([], 0)
        for process in (try? HostProcess.others) ?? [] {
            guard let files = process.mappedFiles(withSuffix: Segment.Place.suffix) else {
                // The kernel's own threads have no command line, nor have processes that have ended.
                if !process.arguments.isEmpty { unseen += 1 }
                continue
            }
            users += files.compactMap { SegmentUser(process, $0) }
        }
        // A process that opened a removed file by its name shows the name for the one that created it.
        let names = Dictionary(users.compactMap { user in user.name.map { (user.file.key, $0) } }) { first, _ in first }
        for index in users.indices where users[index].name == nil { users[index].name = names[users[index].file.key] }
        // A server maps a file once more, for its list, and may have opened it by its name then.
        var seen: [HostProcess: Set<String>] = [:]
        users = users.filter { seen[$0.process, default: []].insert($0.file.key).inserted }
        users = users.compactMap { $0.related(to: view, isAskedAbout: $0.process == other) }
        let named = Set(users.filter { !$0.relation.isOfAnotherName }.map(\.process))
        return (users.filter { !$0.relation.isOfAnotherName || !named.contains($0.process) }, unseen)
    }

    /// Nil if the file is not a segment.
    private init?(_ process: HostProcess, _ file: MappedFile) {
        self.process = process
        self.file = file
        let end = file.path.lastIndex(of: "/") ?? file.path.startIndex
        directory = String(file.path[..<end])
        let suffix = Segment.Place.suffix
        let fileName: String?
        if file.isCreatedUnnamed {
            fileName = process.name(of: file, in: directory, suffix: suffix)
            let start = Segment.Place.beginning
            let opened = fileName == nil ? process.openFile(file) : nil
            guard fileName != nil || opened?.beginning(byteCount: start.utf8.count) == start else { return nil }
            // A file system that was mounted over the directory hides the name.
            isRemoved = opened?.linkCount == 0
        } else {
            fileName = String(file.path[end...].dropFirst())
            isRemoved = file.isRemoved
        }
        name = fileName.map { String($0.dropLast(suffix.count)) }
    }

    private func being(_ relation: Relation) -> SegmentUser {
        var user = self
        user.relation = relation
        return user
    }

    /// Nil if the file has nothing to do with the segment in question.
    private func related(to view: View, isAskedAbout: Bool) -> SegmentUser? {
        if let own = view.file, file.isFile(own) { return being(.same) }
        // Nil without the right to look.
        let theirs = process.file(at: view.directory)
        let seesSame = theirs == nil || view.directoryIdentity == nil || theirs == view.directoryIdentity
        let isHere = directory == view.directory && seesSame
        guard let name else {
            guard isAskedAbout || isHere else { return nil }
            if isAskedAbout || asksFor(view.place.name) { return being(isRemoved ? .removed : .hidden) }
            return isRemoved ? being(.removedUnknown) : nil
        }
        guard name == view.place.name else {
            if isHere, !isRemoved, asksFor(view.place.name) { return being(.renamed) }
            return isAskedAbout ? self : nil
        }
        if directory == view.directory {
            guard seesSame else { return being(.privateMemory) }
            return being(isRemoved ? .removed : .hidden)
        }
        if isRemoved { return isAskedAbout ? being(.removed) : nil }
        return being(seesSame ? .anotherDirectory : .privateMemory)
    }

    /// Whether its command line or its environment has the name of a segment.
    private func asksFor(_ name: String) -> Bool {
        process.environment?["SHAREDMEM_NAME"] == name || process.arguments.dropFirst().contains(name)
    }
}

extension SegmentUser.Relation {
    fileprivate var isOfAnotherName: Bool { self == .renamed || self == .anotherName }
}
