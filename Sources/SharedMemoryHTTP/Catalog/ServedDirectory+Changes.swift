import HTTPMessages
import MicroHTTPD
import SharedMemory
import Synchronization

/// Segments that clients create and delete.
extension ServedDirectory {
    /// The most bytes that the text of a new segment can have.
    var capacity: Int { (try? creation.capacityToCreate()) ?? 0 }

    /// Creates a segment with a request's body as its text.
    func create(
        _ name: String, _ body: RequestBody, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> SetOutcome {
        body.fault.map { .refused(.bodyNotKept($0)) } ?? body.withSpan { create(name, $0, conditions, origin) }
    }

    /// Creates a segment, and sets its text.
    ///
    /// Of several clients that create it at the same time, one does, and the others replace its text if their conditions
    /// hold then.
    func create(
        _ name: String, _ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> SetOutcome {
        creating.withLock { _ in
            if let resource = findNew(name) { return resource.set(text, conditions, origin) }
            guard !conditions.hasIfMatch else { return .refused(.noSegmentToMatch) }
            guard !isFull else { return .refused(.tooManySegments(limit)) }
            return createNow(name, text, conditions, origin)
        }
    }

    private func createNow(
        _ name: String, _ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> SetOutcome {
        do throws(SegmentError) {
            try Segment.check(utf8: text)
            let segment = try Segment.attach(name, creation)
            let version = try segment.set(utf8: text) { $0.version.number == 0 }
            look(at: name)
            if let origin {
                log.created(name, origin)
                log.set(name, version, byteCount: text.count, origin)
            }
            return .created(version, path: "/shared/\(name)")
        } catch .versionMismatch {
            return findNew(name)?.set(text, conditions, origin) ?? .refused(.unattached)
        } catch {
            // Without its first text, it is of no use to anyone.
            discard(name)
            return .refused(error.problem)
        }
    }

    /// Removes a new segment whose text could not be set, unless another process has set it.
    private func discard(_ name: String) {
        guard let info = try? Segment.info(name, directory: directory.path), info.version.number == 0,
            info.replication == nil
        else { return }
        try? Segment.unlink(name, directory: directory.path, trustedOwners: creation.trustedOwners)
    }

    /// Removes a segment if the conditions hold.
    ///
    /// - Returns: why it was not removed; nil if it was.
    func delete(_ resource: SegmentResource, _ conditions: Conditions, _ origin: RequestOrigin?) -> Problem? {
        defer { look(at: resource.name) }
        do throws(SegmentError) {
            let problem = try resource.delete(conditions) { () throws(SegmentError) in
                try Segment.unlink(
                    resource.name, directory: directory.path, trustedOwners: creation.trustedOwners)
            }
            if let problem { return problem }
        } catch .notFound {
            return .noSegment
        } catch {
            return error.problem
        }
        if let origin { log.deleted(resource.name, origin) }
        return nil
    }
}
