import LinuxSystem
import Synchronization

/// A view of a segment's header that holds no descriptor and does not keep the segment alive.
///
/// A program that lists thousands of segments has one for each. It takes a mapping, of which the system keeps a page or two,
/// and each look at it takes nanoseconds. A glance stays with its file: if the name leads to another one, make another.
package final class SegmentGlance: Sendable {
    package let name: String
    /// The most bytes that the text can have.
    package let capacity: Int
    let path: String
    let identity: FileIdentity
    let membership: Membership
    private let mapping: SegmentMapping

    /// - Throws: as ``Segment/info(_:directory:trustedOwners:)``.
    package init(
        _ name: String, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) {
        let file = try SegmentFile(named: name, in: directory)
        let options = AttachmentOptions(access: .readOnly, creates: false, trustedOwners: trustedOwners)
        guard let open = try OpenFile.open(file, options) else { throw file.notFound }
        guard try open.isAlive() else { throw try open.absence() }
        mapping = try SegmentMapping(headerOf: open.descriptor, open.geometry)
        membership = Membership(view: mapping.view, instance: open.identity.instance, isWritable: false)
        (self.name, capacity, path) = (name, open.geometry.capacity, file.path)
        identity = open.status.identity
    }

    package var instance: UInt64 { membership.instance }

    /// Whether a process has unlinked the segment by this library, a moment ago or earlier.
    ///
    /// If its file was removed in another way, or a process was killed just then, it is not.
    package var isRetired: Bool {
        defer { extendLifetime(self) }
        return membership.view.isRetired
    }

    /// The version of the current text.
    package var version: Version {
        defer { extendLifetime(self) }
        return Version(instance: membership.instance, number: membership.view.loadCurrent().number)
    }

    /// The current publication and the process that made it; nil for version 0.
    package func publication() throws(SegmentError) -> (info: PublicationInfo, setter: SettingProcess?) {
        defer { extendLifetime(self) }
        return try membership.publication(path)
    }

    /// Whether the name leads to another file now, or to none.
    package var hasLostName: Bool { (try? FileStatus.ofPath(path))?.identity != identity }
}

extension Membership {
    /// The current publication and the process that made it; nil for version 0.
    func publication(_ path: String) throws(SegmentError) -> (info: PublicationInfo, setter: SettingProcess?) {
        let (current, info) = try currentInfo(path)
        guard current.number > 0 else { return (info, nil) }
        let setter = view.slots[current.slot].setter.load()
        return (info, SettingProcess(processID: setter.processID, user: setter.user, program: setter.programName))
    }
}
