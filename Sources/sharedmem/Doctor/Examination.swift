import LinuxSystem
import SharedMemory

/// What this process sees of a segment, its directory and its processes; each is looked at once.
struct Examination {
    let question: Question
    let place: Segment.Place
    /// The directory without symbolic links, as `/proc` names it.
    let directory: String
    /// Nil if there is none.
    let directoryStatus: FileStatus?
    /// Why the directory cannot even be looked at.
    let directoryError: SystemError?
    /// What has the segment's name; nil if nothing has, or if it cannot be looked at.
    let fileStatus: FileStatus?
    /// What an attachment would find; nil if there is no segment.
    let found: Segment.Surveyed?
    /// The segment, if this user may look at it, even if its owner is not trusted.
    let info: SegmentInfo?
    let fileSystem: FileSystem?
    let mounts = MountTable()
    /// Processes that have the segment mapped, or another one that could be meant.
    let users: [SegmentUser]
    /// How many processes may not be looked at.
    let unseenCount: Int

    init(_ question: Question) throws(SegmentError) {
        self.question = question
        place = question.place
        directory = Directory.resolved(place.directory) ?? place.directory
        do throws(SystemError) {
            directoryStatus = try FileStatus.ofPath(place.directory, followsLinks: true)
            directoryError = nil
        } catch {
            (directoryStatus, directoryError) = (nil, error)
        }
        fileStatus = (try? FileStatus.ofPath(place.path)) ?? nil
        fileSystem = try? FileSystem(of: place.directory)
        found = try Segment.look(at: place, trustedOwners: question.trustedOwners, rootTrustsAll: false)
        if case .segment(let info) = found {
            self.info = info
        } else if case .segment(let info)? = try? Segment.look(
            at: place, trustedOwners: question.trustedOwners, rootTrustsAll: true)
        {
            self.info = info
        } else {
            info = nil
        }
        let view = SegmentUser.View(
            place: place, directory: directory, directoryIdentity: directoryStatus?.identity,
            file: fileStatus?.identity, mountNamespace: HostProcess(Int(Host.processID))?.mountNamespace)
        (users, unseenCount) = SegmentUser.all(view, question.other)
    }

    /// Whether nothing has the segment's name.
    var isMissing: Bool { found == nil && fileStatus == nil }

    /// The processes that use the same file.
    var sameUsers: [SegmentUser] { users.filter { $0.relation == .same } }

    /// Whether any process is attached to the segment that the name leads to.
    var isInUse: Bool { !sameUsers.isEmpty || (info?.attachmentCount ?? 0) > 0 }
}
