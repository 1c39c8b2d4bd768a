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
        do throws(KeepError) {
            try add(name, options)
        } catch .segment(let name, let error) {
            throw .segment(name: name, error)
        } catch {
            throw .cannotKeep(reason: "\(error)")
        }
    }
}
