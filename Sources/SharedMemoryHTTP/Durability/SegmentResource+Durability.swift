import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import SharedMemoryKeep

extension SegmentResource {
    /// A link to the newest kept version before a version, as a header; nil if there is none.
    func linkToPredecessor(of version: Version) -> String? { link(to: keeper?.predecessor(of: version, of: name)) }

    private func link(to version: Version?) -> String? {
        version.map { "</shared/\(name)?version=\($0)>; rel=\"predecessor-version\"" }
    }

    /// Makes a request's body the text, and answers once it is on disk.
    ///
    /// If the disk refuses, the text is set all the same, and the answer says so.
    func setDurably(
        _ body: RequestBody, _ conditions: Conditions, _ origin: RequestOrigin?, _ answer: AwaitedAnswer
    ) -> Reply {
        let outcome = set(body, conditions, origin)
        guard let keeper, case .set(let version) = outcome else { return outcome.reply }
        return .hold { [name] connection in
            keeper.whenKept(version, of: name) { outcome in
                switch outcome {
                case .kept: answer.give(.response(.noContent, .replaced(version)))
                case .notKept(let reason): answer.give(.problem(.notKept(EntityTag(version), reason: reason)))
                }
                connection.resume()
            }
        }
    }

    /// Whether a version is the current one, which is not read from disk.
    func isCurrent(_ version: Version) -> Bool { (try? follower.segment?.version) == version }

    /// Answers with an older version, read from disk by the keeper's thread.
    func readKept(_ version: Version, _ conditions: Conditions, _ answer: AwaitedAnswer) -> Reply {
        guard let keeper else { return .problem(.versionNotKept) }
        return .hold { [name, budget] connection in
            keeper.read(version, of: name) { kept, predecessor, text in
                answer.give(self.answer(kept, predecessor, TextCopy(text, budget), conditions))
                connection.resume()
            } missing: {
                answer.give(.problem(.versionNotKept))
                connection.resume()
            }
        }
    }

    private func answer(
        _ kept: KeptVersion, _ predecessor: KeptVersion?, _ text: TextCopy?, _ conditions: Conditions
    ) -> AwaitedAnswer.Answer {
        guard let text else { return .problem(.tooMuchInFlight) }
        let tag = EntityTag(kept.version)
        let lastModified = kept.publicationTime.lastModified(before: Clock.realtimeSeconds)
        let link = link(to: predecessor?.version)
        let reply = Reply.read(
            CachedText.response(text, tag, lastModified, link), CachedText.notModified(text, tag, link), conditions,
            tag,
            lastModified: lastModified)
        switch reply {
        case .response(let status, let response, _): return .response(status, response)
        default: return .problem(.versionNotKept)
        }
    }
}

extension Service {
    /// What a request for a version asks for; nil if that is the current one, or if no versions are kept.
    func readKept(_ resource: SegmentResource, _ asked: String) -> Action? {
        guard resource.keeper != nil else { return nil }
        guard let version = Version(asked) else { return .refuse(.versionNotKept) }
        return resource.isCurrent(version) ? nil : .readKept(resource, version)
    }
}
