import SharedMemory
import SharedMemoryKeep

extension ServerConfiguration {
    /// Nil if no text is to be kept on disk.
    func makeKeeper() throws(ServerError) -> Keeper? {
        guard let keepDirectory else { return nil }
        var settings = Keeper.Settings(directory: keepDirectory)
        settings.intervalMilliseconds = keepIntervalMilliseconds
        settings.versionCount = keptVersionCount
        settings.report = report
        if isDynamic { settings.wholeDirectory = attachmentOptions }
        do throws(KeepError) {
            return try Keeper(settings)
        } catch {
            throw .cannotKeep(reason: "\(error)")
        }
    }
}

extension Keeper {
    /// Restores a segment before it is served, and keeps it from now on.
    func restoreAndKeep(_ name: String, _ options: AttachmentOptions) throws(ServerError) {
        try orCannotKeep { () throws(KeepError) in try add(name, options) }
    }

    /// Restores the segments of a directory before they are served, and returns their names.
    func restoreDirectory(_ configuration: ServerConfiguration) throws(ServerError) -> [String] {
        let patterns = configuration.namePattern.map { [$0] } ?? []
        return try orCannotKeep { () throws(KeepError) in
            try restoreDirectory(with: Set(configuration.segments), limit: configuration.segmentLimit) {
                $0.matches(anyOf: patterns)
            }
        }
    }

    private func orCannotKeep<Value>(_ call: () throws(KeepError) -> Value) throws(ServerError) -> Value {
        do throws(KeepError) {
            return try call()
        } catch .segment(let name, let error) {
            throw .segment(name: name, error)
        } catch {
            throw .cannotKeep(reason: "\(error)")
        }
    }
}
