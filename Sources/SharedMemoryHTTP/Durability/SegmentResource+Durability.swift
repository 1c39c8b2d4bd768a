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

extension Keeper {
    /// Holds the request that has set a version until that is on disk.
    ///
    /// The answer does not say that nothing was set if the disk refuses: the text is set then.
    func hold(_ outcome: SetOutcome, of name: String, _ answer: AwaitedAnswer) -> Reply {
        guard let version = outcome.version else { return outcome.reply }
        return .hold { connection in
            self.whenKept(version, of: name) { kept in
                switch kept {
                case .kept: answer.give(outcome.answer)
                case .notKept(let reason): answer.give(.problem(.notKept(EntityTag(version), reason: reason)))
                }
                connection.resume()
            }
        }
    }

    /// Holds the request that has removed a segment until that is gone from the disk.
    func holdRemoval(of name: String, _ answer: AwaitedAnswer) -> Reply {
        .hold { connection in
            self.remove(name) { removed in
                switch removed {
                case .kept: answer.give(.response(.noContent, Response()))
                case .notKept(let reason): answer.give(.problem(.notRemoved(reason: reason)))
                }
                connection.resume()
            }
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
