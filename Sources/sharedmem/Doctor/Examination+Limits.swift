import LinuxSystem
import SharedMemory

/// What does not fit: the segment's capacity, its file system, and the limits of processes.
extension Examination {
    var capacityFindings: [Finding] {
        guard let info else { return [] }
        var findings: [Finding] = []
        let recreate = [question.command("unlink")]
        func create(_ capacity: Int) -> String {
            question.command("set", nil, in: nil, "--text ''", "--capacity \(capacity)")
        }
        if let (asked, source) = askedCapacity, asked != info.capacity, source != nil || asked > info.capacity {
            findings.append(
                .problem(
                    .capacity, place.path,
                    seen:
                        "Its capacity is \(info.capacity) bytes, and \(source ?? "SHAREDMEM_CAPACITY") asks for \(asked).",
                    why:
                        "The capacity is fixed when a segment is created. A program that asks for another one is "
                        + "refused. The variable counts only for a new segment, so with it, longer text is refused "
                        + "later. Ask for \(info.capacity), or create the segment again, which removes its text.",
                    fix: recreate + [create(asked)]))
        }
        if let byteCount = question.byteCount, byteCount > info.capacity {
            findings.append(
                .problem(
                    .textTooLong, place.path,
                    seen: "Its capacity is \(info.capacity) bytes, and the text has \(byteCount).",
                    why:
                        "Setting longer text fails, and the old text stays. Create the segment again, which removes its text, with "
                        + "a larger capacity.", fix: recreate + [create(byteCount)]))
        }
        return findings
    }

    /// The capacity that is asked for, and by which option; nil for the option if it is the variable.
    private var askedCapacity: (Int, String?)? {
        if let capacity = question.capacity { return (capacity, "--capacity") }
        guard Environment["SHAREDMEM_CAPACITY"] != nil, let capacity = try? AttachmentOptions().capacityToCreate()
        else {
            return nil
        }
        return (capacity, nil)
    }

    // MARK: The file system

    var roomFindings: [Finding] {
        guard let fileSystem, fileSystem.isTmpfs, !fileSystem.isReadOnly, !question.isReadOnly else { return [] }
        let point = mounts.mount(containing: directory)?.mountPoint ?? place.directory
        // A segment's header and a page of text.
        let needed = isMissing ? 28 << 10 : 4 << 10
        if let free = fileSystem.freeByteCount, free < needed {
            let kibibytes = max(2 * fileSystem.byteCount, 1 << 20) >> 10
            return [
                .problem(
                    .fullMemory, point, seen: "The tmpfs has \(free) of \(fileSystem.byteCount) bytes left.",
                    why:
                        "Setting the text fails for want of memory, and the old text stays. Unlink segments that are not "
                        + "needed (sharedmem list), or have root enlarge the tmpfs. For Docker's own /dev/shm, use "
                        + "--shm-size.",
                    fix: ["mount -o remount,size=\(kibibytes)k " + Shell.word(point)])
            ]
        }
        if let free = fileSystem.freeFileCount, free == 0, isMissing {
            return [
                .problem(
                    .noInodes, point, seen: "The tmpfs has none of \(fileSystem.fileCount) inodes left.",
                    why:
                        "Creating a segment needs an inode. Remove files that are not needed, or have root allow more.",
                    fix: [
                        "mount -o remount,nr_inodes=\(2 * fileSystem.fileCount + 16) " + Shell.word(point),
                        question.create,
                    ])
            ]
        }
        return []
    }

    // MARK: Processes

    var limitFindings: [Finding] { (isMissing ? creationLimits : []) + memoryLimit }

    private var creationLimits: [Finding] {
        let options = AttachmentOptions(capacity: question.capacity)
        guard let needed = try? options.fileByteCountToCreate() else { return [] }
        var findings: [Finding] = []
        func find(_ limit: UInt64?, _ cause: Finding.Cause, _ what: String, _ option: String) {
            guard let limit, limit < UInt64(needed) else { return }
            findings.append(
                .problem(
                    cause, "processes with the limits of this one",
                    seen: "Their \(what) is limited to \(limit) bytes, and a new segment's file has \(needed).",
                    why:
                        "The file is sparse: most of it has no memory, but the limit counts all of it. A process with this "
                        + "limit cannot create the segment. Raise the limit, or ask for a smaller capacity.",
                    fix: ["ulimit \(option) unlimited", question.create]))
        }
        find(Host.fileSizeLimit, .fileSizeLimit, "file size", "-f")
        find(Host.addressSpaceLimit, .addressSpaceLimit, "address space", "-v")
        return findings
    }

    private var memoryLimit: [Finding] {
        guard let info, let cgroup = MemoryCgroup.tightest(), cgroup.freeByteCount < info.capacity else { return [] }
        let file =
            cgroup.path + (cgroup.path.hasPrefix("/sys/fs/cgroup/memory") ? "/memory.limit_in_bytes" : "/memory.max")
        return [
            .note(
                .memoryLimit, cgroup.path,
                seen: "\(cgroup.freeByteCount) of \(cgroup.limit) bytes are left to processes like this one.",
                why:
                    "A cgroup is charged for the memory of the text that its processes set. At the limit the kernel kills one of "
                    + "them. Text as long as the capacity of \(info.capacity) bytes would reach the limit. Give the container or "
                    + "the service more memory.",
                fix: ["echo \(cgroup.limit + 4 * info.capacity) > " + Shell.word(file)])
        ]
    }
}
