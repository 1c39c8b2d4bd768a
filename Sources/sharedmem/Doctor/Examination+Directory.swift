import LinuxSystem
import SharedMemory

/// The directory: whether it is there, in memory, and open to this user.
extension Examination {
    var directoryFindings: [Finding] {
        if let directoryError { return [directoryNotPermitted("\(directoryError)")] }
        guard let status = directoryStatus else { return [noDirectory] }
        guard status.kind == .directory else { return [notADirectory] }
        guard FileRight.search.isGranted(place.directory) else {
            return [directoryNotPermitted("user \(Host.effectiveUser) may not search it: \(Self.rights(of: status))")]
        }
        if fileSystem?.isTmpfs == false { return [notInMemory] }
        return status.mode & 0o1002 == 0o002 ? [directoryNotSticky(status)] : []
    }

    private var noDirectory: Finding {
        let isInMemory = place.directory.hasPrefix(PrivateMemory.directory + "/")
        return .problem(
            .noDirectory, place.directory, seen: "There is no such directory.",
            why: "A segment is a file in an existing directory. "
                + (isInMemory
                    ? "Create the directory, unless its name is mistyped (--directory, SHAREDMEM_DIRECTORY)."
                    : "Name a directory that exists, with --directory or SHAREDMEM_DIRECTORY."),
            fix: isInMemory
                ? ["mkdir -p " + Shell.word(place.directory), question.create] : inDefaultDirectory)
    }

    private var notADirectory: Finding {
        .problem(
            .noDirectory, place.directory, seen: "It is not a directory.",
            why: "A segment is a file in a directory. Name one with --directory or SHAREDMEM_DIRECTORY.",
            fix: inDefaultDirectory)
    }

    private var notInMemory: Finding {
        let kind = mounts.mount(containing: directory)?.kind ?? "another file system"
        return .problem(
            .notInMemory, place.directory, seen: "It is on \(kind), and not on a tmpfs.",
            why:
                "A disk is not memory, and other hosts that share it do not see this host's locks. All processes must "
                + "use one directory on a tmpfs, such as /dev/shm or a volume in memory.",
            fix: inDefaultDirectory)
    }

    private var inDefaultDirectory: [String] {
        let other = PrivateMemory.directory
        let isThere = (try? FileStatus.ofPath(other + "/" + place.fileName(of: place.name))) ?? nil != nil
        return [question.use(other)] + (isThere ? [] : [question.command("set", nil, in: other, "--text ''")])
    }

    private func directoryNotPermitted(_ seen: String) -> Finding {
        .problem(
            .directoryNotPermitted, place.directory, seen: seen,
            why:
                "Without the right to search a directory, a process finds no segment in it. The directory's owner or "
                + "root can grant that right, also for the directories above it.",
            fix: ["chmod a+x " + Shell.word(place.directory)])
    }

    private func directoryNotSticky(_ status: FileStatus) -> Finding {
        .note(
            .directoryNotSticky, place.directory,
            seen: "All users can write to it, and it is not sticky: \(Self.rights(of: status)).",
            why:
                "Any user can remove or replace the segment, and processes then use different files. The directory's "
                + "owner or root can set the sticky bit.",
            fix: ["chmod +t " + Shell.word(place.directory)])
    }

    static func rights(of status: FileStatus) -> String {
        "mode \(String(status.mode, radix: 8)), owner \(status.owner), group \(status.group)"
    }
}
