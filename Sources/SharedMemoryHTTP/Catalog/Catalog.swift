import HTTPMessages
import MicroHTTPD
import SharedMemory

/// The segments that a server serves, by name: those that it was started with, or with `--dynamic` those in a directory.
final class Catalog: Sendable {
    let list: SegmentList
    /// Nil if the server serves only the segments that it was started with.
    let directory: ServedDirectory?
    private let named: [(name: [UInt8], resource: SegmentResource)]
    /// The segment that `/shared` leads to.
    let sharedName: String

    init(_ resources: [SegmentResource], _ list: SegmentList) {
        named = resources.map { (Array($0.name.utf8), $0) }
        (self.list, directory) = (list, nil)
        sharedName = resources[0].name
        list.follow(resources.map(\.follower))
        for resource in resources { list.look(at: resource.name) }
    }

    init(_ directory: ServedDirectory, first: String, _ list: SegmentList) {
        named = []
        (self.list, self.directory, sharedName) = (list, directory, first)
    }

    /// The resource of a name; nil if no segment is served under it.
    func find(_ name: Span<UInt8>) -> SegmentResource? {
        guard let directory else {
            for (served, resource) in named where name.equals(served.span) { return resource }
            return nil
        }
        return name.text.flatMap(directory.find)
    }

    /// The resources of the segments that the server is attached to; looking them up attaches to none.
    var attached: [SegmentResource] { directory?.attached ?? named.map(\.resource) }

    /// The segment that `/shared` leads to.
    var shared: SegmentResource? { directory == nil ? named[0].resource : directory?.find(sharedName) }

    /// Whether all segments that the server was started with can be used.
    ///
    /// - Parameter stalenessLimit: how many seconds ago the text of other servers may have been confirmed; nil for however
    ///   long.
    func isReady(stalenessLimit: Int?) -> Bool {
        named.allSatisfy { _, resource in
            resource.isAttached
                && resource.following?.replica.isCurrent(withinMilliseconds: stalenessLimit.map { $0 * 1000 }) ?? true
        }
    }

    /// Those of the segments that follow other servers.
    var followings: [(SegmentResource, Following)] {
        named.compactMap { _, resource in resource.following.map { (resource, $0) } }
    }

    /// The reply to a request for the list of the segments that match one of the patterns; of all if there are none.
    func read(_ patterns: [String], _ conditions: Conditions, _ budget: ByteBudget) -> Reply {
        let (bytes, tag) = list.json(patterns)
        guard let text = TextCopy(bytes.span, budget) else { return .problem(.tooMuchInFlight) }
        let response = Response(text)
        response.add(.contentType, "application/json")
        let notModified = Response()
        for response in [response, notModified] {
            response.addDate()
            response.add(.cacheControl, "no-cache")
            response.add(.vary, "Accept, Authorization")
            response.add(.entityTag, "W/" + tag.quoted)
        }
        return .read(response, notModified, conditions, tag, lastModified: nil)
    }

    /// What to tell a client that asks for a segment that is not served.
    ///
    /// - Parameter patterns: those of the names that the client may know of; empty for all.
    func notServed(_ patterns: [String]) -> Problem {
        if directory != nil { return .noSegment }
        let names = named.map(\.resource.name).filter { $0.matches(anyOf: patterns) }
        return .notServed(names)
    }
}
