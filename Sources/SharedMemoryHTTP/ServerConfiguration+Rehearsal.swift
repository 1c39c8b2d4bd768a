import LinuxSystem
import SharedMemory

/// What a server would do with a configuration, found out without attaching or listening.
extension ServerConfiguration {
    /// Checks what a server checks when it starts, except for whether it can listen, change permissions and get memory.
    ///
    /// - Returns: the limit on bytes in flight, which depends on the segments.
    /// - Throws: what ``Server/init(_:)`` would throw.
    package func rehearse() throws(ServerError) -> Int {
        try validate()
        var largest = 0
        for name in segments {
            do throws(SegmentError) {
                largest = max(largest, try capacity(ofSegment: name))
            } catch {
                throw .segment(name: name, error)
            }
        }
        return try bytesInFlight(capacity: largest)
    }

    /// The capacity that a segment has, or that it would be created with.
    private func capacity(ofSegment name: String) throws(SegmentError) -> Int {
        let place = try Segment.place(name, directory: directory)
        let options = AttachmentOptions(capacity: capacity, directory: directory)
        switch try Segment.look(at: place, trustedOwners: trustedOwners, rootTrustsAll: false) {
        case .segment(let info):
            guard let capacity, capacity != info.capacity else { return info.capacity }
            throw .capacityMismatch(name: name, capacity: info.capacity, requested: capacity)
        case .failure(let error): throw error
        case .leftover, .none:
            guard try isOnTmpfs(place.directory) else { throw .notInMemory(path: place.directory) }
            return try options.capacityToCreate()
        }
    }

    private func isOnTmpfs(_ directory: String) throws(SegmentError) -> Bool {
        do throws(SystemError) {
            return try FileSystem(of: directory).isTmpfs
        } catch {
            throw .system(call: error.call, code: error.code)
        }
    }

    package var effectiveWatcherLimit: Int { watcherLimit ?? (connectionLimit + 1) / 2 }

    package var effectiveSocketMode: UInt32 { socketMode ?? mode ?? AttachmentOptions.defaultMode }

    /// The addresses of the sockets that the server was given.
    package var inheritedAddresses: [ListenAddress] { listeningSockets.compactMap(Listener.address) }
}

extension ServerOption {
    /// The configuration's number; nil if it has none, or if the option is not a number.
    package func number(in configuration: ServerConfiguration) -> Int? { path.flatMap { configuration[keyPath: $0] } }
}
