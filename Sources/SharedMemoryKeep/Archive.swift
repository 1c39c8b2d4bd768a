package import LinuxSystem
package import SharedMemory

/// The kept versions of one segment, and the order of the steps that add one.
///
/// A version is written to a temporary file, which is synchronized before it gets its name; then the directory is
/// synchronized, and only then are older versions removed. Wherever this is cut short, a whole version has its name.
package struct Archive {
    package let name: String
    let storage: any KeepStorage
    private let limit: Int
    /// Oldest first.
    package internal(set) var versions: [KeptVersion]
    /// Those that have their names, which may not be on disk yet.
    var published: [KeptVersion] = []
    private var lastSequence: UInt64
    /// The version that the segment was restored from, and the one that it became.
    var restored: (from: KeptVersion, to: Version)?
    /// Whether the next version begins a new history: those of other instances then go.
    var startsAnew = false

    private var temporaryName: String { ".\(name).new" }

    /// Finds the existing versions.
    ///
    /// Sets damaged files aside, and removes what a killed process left behind.
    ///
    /// - Parameters:
    ///   - limit: how many versions to keep.
    ///   - report: called with a line about each damaged file.
    /// - Throws: if a file cannot be read: it may be the newest version.
    package init(
        _ name: String, _ storage: any KeepStorage, limit: Int, report: (String) -> Void
    ) throws(SystemError) {
        try self.init(name, storage, limit: limit, files: try Self.files(of: name, storage), report: report)
        try? storage.remove(temporaryName)
    }

    /// Finds the segment's versions among these files.
    init(
        _ name: String, _ storage: any KeepStorage, limit: Int, files: [String], report: (String) -> Void
    ) throws(SystemError) {
        (self.name, self.storage, self.limit) = (name, storage, limit)
        (versions, lastSequence) = ([], 0)
        versions = try Self.survey(files, storage) { Self.setAside($0, $1, storage, report) }
        lastSequence = versions.last?.sequence ?? 0
    }

    /// An archive without versions.
    init(newNamed name: String, _ storage: any KeepStorage, limit: Int) {
        (self.name, self.storage, self.limit) = (name, storage, limit)
        (versions, lastSequence) = ([], 0)
    }

    private static func files(of name: String, _ storage: any KeepStorage) throws(SystemError) -> [String] {
        try storage.names().filter { KeptVersion.isName($0, of: name) }
    }

    private static let damagedSuffix = ".damaged"

    /// The whole versions of a segment, oldest first.
    package static func survey(
        _ name: String, _ storage: any KeepStorage, damaged: (String, Damage) -> Void
    ) throws(SystemError) -> [KeptVersion] {
        try survey(files(of: name, storage), storage, damaged: damaged)
    }

    private static func survey(
        _ files: [String], _ storage: any KeepStorage, damaged: (String, Damage) -> Void
    ) throws(SystemError) -> [KeptVersion] {
        var versions: [KeptVersion] = []
        for file in files.sorted() {
            switch try read(file, storage, { kept, _ in kept }) {
            case .success(let kept): versions.append(kept)
            case .failure(let damage): damaged(file, damage)
            case nil: continue
            }
        }
        return versions.sorted { $0.sequence < $1.sequence }
    }

    /// Reads a file, and shows `body` the version and its text; nil if the file has just been removed.
    private static func read<Value>(
        _ file: String, _ storage: any KeepStorage, _ body: (KeptVersion, Span<UInt8>) -> Value
    ) throws(SystemError) -> Result<Value, Damage>? {
        do throws(SystemError) {
            let limit = Segment.maximumCapacity + KeptVersion.maximumHeaderByteCount
            return try storage.read(file, limit: limit) { bytes in
                Result { () throws(Damage) in
                    let (kept, offset) = try KeptVersion.parse(bytes)
                    guard kept.fileName == file else { throw Damage(reason: "its content is that of \(kept.fileName)") }
                    return body(kept, bytes.extracting(offset..<bytes.count))
                }
            }
        } catch let error where error.isForMissingFile {
            return nil
        }
    }

    /// Shows `body` the text of a kept version; nil if its file has just been removed.
    package static func withText<Value>(
        of kept: KeptVersion, in storage: any KeepStorage, _ body: (Span<UInt8>) -> Value
    ) throws(SystemError) -> Result<Value, Damage>? {
        try read(kept.fileName, storage) { _, text in body(text) }
    }

    /// Shows `body` the text of a version; nil if it is not kept.
    ///
    /// A damaged file is set aside.
    package mutating func withText<Value>(
        of version: Version, report: (String) -> Void, _ body: (KeptVersion, Span<UInt8>) -> Value
    ) throws(SystemError) -> Value? {
        guard let kept = self[version] else { return nil }
        switch try Self.withText(of: kept, in: storage, { body(kept, $0) }) {
        case .success(let value): return value
        case .failure(let damage):
            Self.setAside(kept.fileName, damage, storage, report)
            versions.removeAll { $0 == kept }
            return nil
        case nil:
            versions.removeAll { $0 == kept }
            return nil
        }
    }

    private static func setAside(
        _ file: String, _ damage: Damage, _ storage: any KeepStorage, _ report: (String) -> Void
    ) {
        do throws(SystemError) {
            try storage.rename(file, to: file + damagedSuffix)
            report(
                "the kept file \(file) is damaged (\(damage.reason)): it was renamed to \(file)\(damagedSuffix), "
                    + "and an older version takes its place if there is one")
        } catch {
            report("the kept file \(file) is damaged (\(damage.reason)), and cannot be renamed: \(error)")
        }
    }

    package var newest: KeptVersion? { versions.last }

    package subscript(version: Version) -> KeptVersion? { versions.first { $0.version == version } }

    /// Notes that the segment now has the newest version's text, under another version.
    package mutating func noteRestored(as version: Version) {
        if let newest { restored = (newest, version) }
    }
}

// MARK: Adding a version

extension Archive {
    /// A version whose content is written, and may not be on disk yet.
    package struct Draft {
        package let kept: KeptVersion
        fileprivate let file: any NewFile
    }

    /// Writes a version to a temporary file.
    package mutating func write(
        _ text: Span<UInt8>, _ version: Version, _ time: Timestamp, capacity: Int
    ) throws(SystemError) -> Draft {
        lastSequence += 1
        let kept = KeptVersion(
            name: name, version: version, sequence: lastSequence, publicationTime: time,
            capacity: capacity, byteCount: text.count)
        // A failed attempt may have left it.
        try? storage.remove(temporaryName)
        let file = try storage.create(temporaryName)
        PausePoint.keepCreated.reached()
        do throws(SystemError) {
            let header = kept.header(for: text)
            try file.write(header.span, at: 0)
            try file.write(text, at: header.count)
        } catch {
            // It takes room on a full disk.
            try? storage.remove(temporaryName)
            throw error
        }
        PausePoint.keepWritten.reached()
        return Draft(kept: kept, file: file)
    }

    /// Puts a draft's content on disk and gives it its name; that is on disk once the storage is synchronized.
    package mutating func publish(_ draft: Draft) throws(SystemError) {
        do throws(SystemError) {
            try draft.file.synchronize()
            PausePoint.keepSynchronized.reached()
            try storage.rename(temporaryName, to: draft.kept.fileName)
        } catch {
            try? storage.remove(temporaryName)
            throw error
        }
        published.append(draft.kept)
        PausePoint.keepRenamed.reached()
    }

    /// Notes that the published version is on disk, with its name, and removes those that are no longer kept.
    package mutating func commit() {
        PausePoint.keepDurable.reached()
        for kept in published {
            // Published again, after the storage could not be synchronized, it has the same file.
            versions.removeAll { $0.version == kept.version }
            versions.append(kept)
        }
        if let restored, published.last?.version == restored.to { remove(restored.from) }
        if startsAnew, let instance = published.last?.version.instance {
            for kept in others(than: instance) { remove(kept) }
            startsAnew = versions.contains { $0.version.instance != instance }
        }
        (published, restored) = ([], nil)
        for old in versions.dropLast(limit) { remove(old) }
        PausePoint.keepPruned.reached()
    }

    /// Removes a version; if that fails, it stays listed, and is tried again with the next commit or removal.
    private mutating func remove(_ kept: KeptVersion) {
        guard (try? removeFile(of: kept)) != nil else { return }
        versions.removeAll { $0 == kept }
    }
}
