import LinuxSystem
package import SharedMemory
import Synchronization

/// Keeps the newest version of each of some segments on disk, whichever process set it, and restores what is missing.
///
/// One thread, which sleeps while nothing changes, writes for all segments; if it keeps a whole directory, it looks at all
/// headers up to 20 times a second. Any thread may use a keeper at any time.
package final class Keeper: Sendable {
    package struct Settings: Sendable {
        package var directory: String
        /// The shortest time from one write of a segment to the next, unless a client waits for it.
        package var intervalMilliseconds = 250
        /// How many versions of each segment to keep.
        package var versionCount = 1
        /// How to attach to the segments of a directory that is kept whole; nil if segments are added one by one.
        package var wholeDirectory: AttachmentOptions?
        /// Called with a line about each problem; from any thread.
        package var report: @Sendable (String) -> Void = { _ in }

        package init(directory: String) { self.directory = directory }
    }

    let settings: Settings
    let storage: DiskStorage
    let inbox: KeeperInbox
    private let thread = Mutex<BackgroundThread?>(nil)

    /// Creates the directory if it is missing, and begins to keep; nothing is kept before ``add(_:_:)``.
    package init(_ settings: Settings) throws(KeepError) {
        self.settings = settings
        storage = DiskStorage(settings.directory)
        let isShared = settings.wholeDirectory == nil
        let (storage, report) = (storage, settings.report)
        inbox = try Self.orUnusable(storage) { () throws(SystemError) in
            try Self.prepare(storage, report)
            return KeeperInbox(wakeUp: try EventDescriptor(), released: try EventDescriptor())
        }
        let lock = try Self.orUnusable(storage) { () throws(SystemError) in
            try KeepLock(ofDirectory: storage, isShared: isShared)
        }
        guard let lock else { throw .directoryInUse(path: storage.path) }
        let loop = KeeperLoop(storage, lock, settings, inbox)
        let started = try Self.orUnusable(storage) { () throws(SystemError) in
            try BackgroundThread(named: "sharedmem keep") { loop.run() }
        }
        thread.withLock { $0 = started }
    }

    static func orUnusable<Value: ~Copyable>(
        _ storage: DiskStorage, _ calls: () throws(SystemError) -> Value
    ) throws(KeepError) -> Value {
        do throws(SystemError) {
            return try calls()
        } catch {
            throw .directory(path: storage.path, reason: error.reason)
        }
    }

    deinit { stop() }

    private static func prepare(_ storage: DiskStorage, _ report: (String) -> Void) throws(SystemError) {
        let path = storage.path
        if try Directory.create(path, mode: 0o700) {
            // Its name must be on disk before the first version is.
            try FileDescriptor.open(path + "/..", .readOnly).synchronize()
        }
        let directory = try FileDescriptor.openDirectory(path)
        try Directory.checkIsWritable(path)
        if try directory.isOnTmpfs() {
            report("\(path) is on a tmpfs: what is kept there is gone after a reboot. Name a directory on a disk.")
        }
        if try directory.status().mode & 0o002 != 0 {
            report("all users can write to \(path), and so decide what is restored: run chmod o-w \(path)")
        }
    }
}

// MARK: Segments

extension Keeper {
    /// Keeps a segment from now on, and first restores its text if it does not exist or was never set.
    ///
    /// This reads the disk. An existing text is never replaced.
    ///
    /// - Parameter options: how to attach, and what to create; a `capacity` of nil stands for the kept one.
    package func add(_ name: String, _ options: AttachmentOptions) throws(KeepError) {
        guard let lock = try orUnreadable(name, { () throws(SystemError) in try KeepLock(name, storage) }) else {
            throw .inUse(name: name, path: storage.path)
        }
        var archive = try orUnreadable(name) { () throws(SystemError) in
            try Archive(name, storage, limit: settings.versionCount, report: settings.report)
        }
        if let (kept, version) = try archive.restore(options, report: settings.report) {
            settings.report("'\(name)' was restored from its kept version \(kept), and is now \(version)")
        }
        let segment = KeptSegment(archive, try FollowedSource(name, lock, options))
        inbox.deliver { $0.arrivals.append(segment) }
    }

    func orUnreadable<Value: ~Copyable>(
        _ name: String, _ calls: () throws(SystemError) -> Value
    ) throws(KeepError) -> Value {
        do throws(SystemError) {
            return try calls()
        } catch {
            throw .unreadable(name: name, path: storage.path, reason: error.reason)
        }
    }

    /// Calls `call` once a version, or a later one, is on disk, or cannot be written now.
    ///
    /// - Parameter call: runs in the keeper's thread, or in the caller's while the keeper stops.
    package func whenKept(
        _ version: Version, of name: String, _ call: @escaping @Sendable (KeepOutcome) -> Void
    ) {
        let isDelivered = inbox.deliver { news in
            guard news.stage == .open else { return false }
            news.waiters.append((name, KeepWaiter(version: version, call: call)))
            return true
        }
        if !isDelivered { call(.notKept(reason: "the server is shutting down")) }
    }

    /// Reads a kept version.
    ///
    /// - Parameters:
    ///   - found: is shown the version, the one before it, and its text. It runs in the keeper's thread.
    ///   - missing: runs instead if the version is not kept, perhaps in the caller's thread.
    package func read(
        _ version: Version, of name: String,
        found: @escaping @Sendable (KeptVersion, KeptVersion?, Span<UInt8>) -> Void,
        missing: @escaping @Sendable () -> Void
    ) {
        let isDelivered = inbox.deliver { news in
            guard news.stage == .open else { return false }
            news.readings.append(KeepReading(name: name, version: version, found: found, missing: missing))
            return true
        }
        if !isDelivered { missing() }
    }

    /// The kept versions of a segment, oldest first.
    package func versions(of name: String) -> [KeptVersion] {
        inbox.told.withLock { $0.published[name]?.versions ?? [] }
    }

    /// The newest kept version before one that is kept, or that is about to be.
    package func predecessor(of version: Version, of name: String) -> Version? {
        guard let published = inbox.told.withLock({ $0.published[name] }),
            // Not yet those of a segment that has just got the name.
            published.instance == nil || published.instance == version.instance
                || published.versions.contains(where: { $0.version == version })
        else { return nil }
        let versions = published.versions
        let end = versions.firstIndex { $0.version == version } ?? versions.endIndex
        return end > 0 ? versions[end - 1].version : nil
    }
}

// MARK: State and end

/// How well keeping works.
package struct KeepStatus: Hashable, Sendable {
    /// How often a version could not be written to disk.
    package let failures: Int
    /// The age of the oldest change that is not on disk, in seconds; 0 if all are.
    package let lagSeconds: Double
}

extension Keeper {
    /// For all segments together.
    package var status: KeepStatus {
        inbox.told.withLock { told in
            KeepStatus(
                failures: told.failures, lagSeconds: told.published.values.map(\.status.lagSeconds).max() ?? 0)
        }
    }

    /// For one segment; nil if it is not kept.
    package func status(of name: String) -> KeepStatus? { inbox.told.withLock { $0.published[name]?.status } }

    /// Writes the newest versions to disk, and makes all calls that are due; later ones are made at once.
    package func release() {
        // A keeper that was refused its directory has none.
        guard thread.withLock({ $0 }) != nil else { return }
        let isFirst = inbox.deliver { news in
            guard news.stage == .open else { return false }
            news.stage = .releasing
            return true
        }
        if isFirst { inbox.released.wait(timeoutMilliseconds: -1) }
    }

    /// Writes the newest versions to disk, and ends the thread.
    package func stop() {
        release()
        inbox.deliver { $0.stage = .stopped }
        thread.withLock { $0 }?.join()
    }
}
