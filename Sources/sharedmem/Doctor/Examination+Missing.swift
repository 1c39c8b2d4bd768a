import LinuxSystem
import SharedMemory

/// Why there is no segment of this name, if neither the directory nor a process explains that.
extension Examination {
    var missingFindings: [Finding] {
        guard isMissing else { return [] }
        if let similar = similarNames.first { return [misspelled(similar)] }
        if let other = otherPlaces.first { return [elsewhere(other)] }
        if directory == PrivateMemory.directory, let reason = PrivateMemory.reason {
            return [privateMemory(reason)]
        }
        if !FileRight.write.isGranted(place.directory) { return [directoryNotWritable] }
        return [
            .problem(
                .missing, place.path, seen: "There is no such file.",
                why:
                    "Nothing was set yet under this name, or the segment was removed, or its last process ended and it was not "
                    + "persistent. Setting the text creates it.", fix: [question.create])
        ]
    }

    // MARK: Other names

    /// Names in the directory that differ from this one only in case or in a typo, the most similar first.
    private var similarNames: [String] {
        Similarity.near(place.name, in: names { Similarity.isTypo($0, place.name) })
    }

    /// Bounded: a directory may have any number of names.
    private func names(_ isWanted: (String) -> Bool) -> [String] {
        var (names, looksLeft): ([String], Int) = ([], 100_000)
        try? Directory.forEachName(in: place.directory) { fileName in
            looksLeft -= 1
            let name = String(fileName.dropLast(Segment.Place.suffix.count))
            if fileName.hasSuffix(Segment.Place.suffix), name != place.name, isWanted(name) { names.append(name) }
            return looksLeft > 0 && names.count < 100
        }
        return names
    }

    private func misspelled(_ name: String) -> Finding {
        .problem(
            .misspelled, place.path,
            seen: "There is no segment '\(place.name)', but there is a segment '\(name)'.",
            why: "Names must match in every character and in case. Did you mean '\(name)'?",
            fix: [question.command("doctor", name)])
    }

    /// A note if another segment's name differs from this one only in case: programs may use both.
    var similarNameFindings: [Finding] {
        guard info != nil, question.other == nil else { return [] }
        return names { $0.lowercased() == place.name.lowercased() }.sorted().map { name in
            .note(
                .misspelled, "\(place.directory)/\(place.fileName(of: name))",
                seen: "There is a segment '\(name)' too, whose name differs only in case.",
                why: "These are two segments. Programs that are to share the text must use one name.",
                fix: [question.command("doctor", name)])
        }
    }

    // MARK: Other directories

    /// Directories in memory that have a segment of this name.
    private var otherPlaces: [String] {
        let usual = [PrivateMemory.directory, "/run/shm", "/run/sharedmem", "/run/user/\(Host.effectiveUser)", "/tmp"]
        let mounted = mounts.entries.filter { $0.kind == "tmpfs" }.map(\.mountPoint)
        let ofProcesses = ((try? HostProcess.others) ?? []).compactMap { $0.environment?["SHAREDMEM_DIRECTORY"] }
        var found: [String] = []
        for candidate in usual + mounted + Set(ofProcesses).sorted()
        where candidate.hasPrefix("/") && candidate != directory {
            let path = candidate + "/" + place.fileName(of: place.name)
            if (try? FileStatus.ofPath(path))??.kind == .regular { found.append(candidate) }
        }
        return found
    }

    private func elsewhere(_ other: String) -> Finding {
        .problem(
            .anotherDirectory, place.path,
            seen: "There is no such file, but there is \(other)/\(place.fileName(of: place.name)).",
            why: "The same name in another directory is another segment. Have all processes use one directory.",
            fix: [question.use(other)])
    }

    private func privateMemory(_ reason: String) -> Finding {
        .problem(
            .privateMemory, place.directory, seen: reason,
            why: "The segment may exist in the host's memory, or in another container's. \(PrivateMemory.advice)")
    }

    private var directoryNotWritable: Finding {
        .problem(
            .directoryNotPermitted, place.directory,
            seen: "There is no segment '\(place.name)', and user \(Host.effectiveUser) may not create one: "
                + (fileSystem?.isReadOnly == true
                    ? "it is mounted read-only." : (directoryStatus.map(Self.rights) ?? "its mode is unknown") + "."),
            why:
                "The first process that sets the text creates the segment, and needs the right to write to the directory. "
                + "Set the text as a user with that right, or have the owner or root open the directory to all users.",
            fix: ["chmod 1777 " + Shell.word(place.directory), question.create])
    }
}
