internal import Glibc
import LinuxSystem
import SharedMemory

/// What the name leads to, and why an attachment would be refused there.
extension Examination {
    var fileFindings: [Finding] {
        switch found {
        case .none:
            fileStatus == nil ? [] : [.problem(.busy, place.path, seen: "The file comes and goes.", why: "Look again.")]
        case .segment: []
        case .leftover: [leftover]
        case .failure(let error): [finding(error)]
        }
    }

    private var leftover: Finding {
        .problem(
            .leftover, place.path,
            seen: "The segment was to last while processes are attached, and none is: they were killed.",
            why:
                "It counts as removed, so reading it fails. The next process that attaches replaces it with an empty "
                + "segment. Create the segment as a persistent one if its text is to outlast the processes.",
            fix: question.replace)
    }

    private func finding(_ error: SegmentError) -> Finding {
        func problem(_ cause: Finding.Cause, _ why: String, _ fix: [String]) -> Finding {
            .problem(cause, place.path, seen: "\(error)", why: why, fix: fix)
        }
        switch error {
        case .notASegment(_, let reason): return notASegment(reason)
        case .otherLayout(_, let version, let ownVersion):
            return otherLayout(error, isOlder: version < ownVersion)
        case .otherKernel:
            return problem(
                .otherKernel,
                "Processes of two kernels do not see each other's locks, so they cannot share a segment. If the file was "
                    + "copied or is shared with a virtual machine, use a directory of this kernel's own.",
                question.replace)
        case .corrupted:
            return problem(
                .damaged, "No process can read the text. Find out which program has written to the file.",
                question.replace)
        case .notInMemory:
            return problem(
                .notInMemory, "The file itself is on a disk, because it is mounted there.",
                mounts.mount(at: realPath) == nil ? question.replace : ["umount " + Shell.word(realPath)])
        case .untrustedOwner(_, let owner): return untrustedOwner(error, owner)
        case .system(let call, let code) where code == EACCES && call.hasPrefix("open "): return notReadable
        case .system(let call, let code) where code == ENOMEM && call.hasPrefix("mmap"):
            return problem(
                .addressSpaceLimit,
                "A process maps the whole file, most of which has no memory. A program that is started with this limit "
                    + "cannot attach.", ["ulimit -v unlimited"])
        case .busy: return problem(.busy, "Look again.", [question.command("doctor")])
        default: return problem(.system, "The system does not let this process look at the segment.", [])
        }
    }

    var realPath: String { directory + "/" + place.fileName(of: place.name) }

    // MARK: Files that are not usable

    private func notASegment(_ reason: String) -> Finding {
        if fileStatus?.kind == .symbolicLink { return symbolicLink }
        let seen = reason.prefix(1).uppercased() + reason.dropFirst() + "."
        if reason == SegmentError.reasonOfCopy {
            return .problem(
                .copy, place.path, seen: seen,
                why:
                    "Attached processes use the original, and none uses a copy. Do not copy a segment's file, restore "
                    + "it, or move it to another file system: get the text, and set it.",
                fix: question.replace)
        }
        guard fileStatus?.kind == .regular,
            Segment.isRemovable(at: place, trustedOwners: question.trustedOwners)
        else {
            let aside = Shell.word(place.path + ".old")
            return .problem(
                .foreignFile, place.path, seen: seen,
                why: "Another program's file has the segment's name, so no process can create the segment.",
                fix: ["mv " + Shell.word(place.path) + " " + aside, question.create])
        }
        return .problem(
            .damaged, place.path, seen: seen,
            why:
                "Another program has overwritten or truncated the file, so no process can attach. Find out which one.",
            fix: question.replace)
    }

    private var symbolicLink: Finding {
        let target = Directory.resolved(place.path)
        let words = target.map { $0.split(separator: "/").map(String.init) } ?? []
        let isOurs = words.last == place.fileName(of: place.name)
        return .problem(
            .symbolicLink, place.path,
            seen: "It is a symbolic link" + (target.map { ", to \($0)." } ?? " that leads nowhere."),
            why: "Links are not followed, because any user could place one in a shared directory. "
                + (isOurs ? "Use the directory that it leads to." : "Remove it, and create the segment."),
            fix: isOurs
                ? [question.use("/" + words.dropLast().joined(separator: "/"))]
                : ["rm " + Shell.word(place.path), question.create])
    }

    private func otherLayout(_ error: SegmentError, isOlder: Bool) -> Finding {
        let users = sameUsers.map(\.description)
        let first = users.isEmpty ? "" : " First end the programs that use it: \(users.joined(separator: ", "))."
        return .problem(
            .otherLayout, place.path, seen: "\(error)",
            why: isOlder
                ? "An earlier version of the library has created the file, and this version cannot use it. Migrating keeps the "
                    + "text.\(first)"
                : "A later version of the library has created the file. Update this program. If no program needs the text, "
                    + "create the segment again.\(first)",
            fix: isOlder ? [question.command("migrate")] : question.replace)
    }

    // MARK: Rights

    private func untrustedOwner(_ error: SegmentError, _ owner: UInt32) -> Finding {
        let value = AccountName.optionValue(ofUser: owner)
        let old = Environment["SHAREDMEM_TRUST_OWNER"].map { $0 + "," } ?? ""
        return .problem(
            .untrustedOwner, place.path, seen: "\(error)",
            why:
                "User \(Host.effectiveUser) attaches only to segments of its own, of root, and of owners that it trusts. A "
                + "program that does not trust this owner fails, or uses another segment.",
            fix: ["export SHAREDMEM_TRUST_OWNER=" + Shell.word(old + value)])
    }

    private var notReadable: Finding {
        let status = fileStatus
        let owner = status?.owner ?? 0
        return .problem(
            .notReadable, place.path,
            seen:
                "User \(Host.effectiveUser) may not read the file: \(status.map(Self.rights) ?? "its mode is unknown").",
            why:
                "User \(AccountName.ofUser(owner)) or root can change the mode: 644 lets all users read the text, 666 "
                + "lets them set it too, and 640 or 660 with --group does so for a group.",
            fix: [question.change(mode: question.isForSetting ? "666" : "644", owner: owner)])
    }

    var accessFindings: [Finding] {
        guard let info, !question.isReadOnly, !FileRight.write.isGranted(place.path) else { return [] }
        if fileSystem?.isReadOnly == true {
            let point = mounts.mount(containing: directory)?.mountPoint ?? place.directory
            return [
                .problem(
                    .readOnlyMount, point, seen: "The file system is mounted read-only here.",
                    why:
                        "Processes here can read the text but not set it. If they only need to read, run doctor again with "
                        + "--read-only.", fix: ["mount -o remount,rw " + Shell.word(point)])
            ]
        }
        let change = question.change(mode: "666", owner: info.owner)
        return [
            .problem(
                .notWritable, place.path,
                seen:
                    "User \(Host.effectiveUser) may read the file but not write it: mode \(String(info.mode, radix: 8)), "
                    + "owner \(info.owner), group \(info.group).",
                why: "This user can read the text but not set it. If it only needs to read, have the program attach "
                    + "read-only, and run doctor again with --read-only. If it is to set the text, user "
                    + "\(AccountName.ofUser(info.owner)) or root can run '\(change)', which lets all users set it; 660 with "
                    + "--group does so for a group.",
                fix: [question.isForSetting ? change : question.command("doctor", nil, in: nil, "--read-only")])
        ]
    }
}
