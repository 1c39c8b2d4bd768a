import LinuxSystem
import SharedMemory

/// Other processes: whether they use the same file, and what they do with it.
extension Examination {
    var processFindings: [Finding] { users.compactMap(finding) }

    private func finding(_ user: SegmentUser) -> Finding? {
        let isAskedAbout = user.process == question.other
        guard let finding = difference(user) else { return nil }
        switch user.relation {
        case .removed where user.isServer, .removedUnknown where user.isServer: return finding.with(.note)
        // It is lost to the process in any case.
        case .removed, .hidden, .renamed: return question.other == nil || isAskedAbout ? finding : finding.with(.note)
        // It may be another service with a segment of the same name.
        case .anotherDirectory, .privateMemory:
            let isLikely = isAskedAbout || question.other == nil && !isInUse
            return isLikely ? finding : finding.with(.note)
        // It may have had another name.
        case .removedUnknown: return isMissing && question.other == nil ? finding : finding.with(.note)
        case .same, .anotherName: return nil
        }
    }

    private func difference(_ user: SegmentUser) -> Finding? {
        let (path, subject) = (user.path, user.description)
        let mapped = "It uses \(path), inode \(user.file.inode)"
        let own =
            fileStatus.map { "inode \($0.identity.inode) is at \(place.path)" } ?? "there is nothing at \(place.path)"
        switch user.relation {
        case .same, .anotherName: return nil
        case .anotherDirectory:
            let variable = user.process.environment?["SHAREDMEM_DIRECTORY"]
            return .problem(
                .anotherDirectory, subject,
                seen: "\(mapped); this command looks in \(place.directory)."
                    + (variable.map { " Its SHAREDMEM_DIRECTORY is \($0)." } ?? ""),
                why: "The same name in another directory is another segment. Have all processes use one directory.",
                fix: [question.use(user.directory)])
        case .privateMemory:
            return .problem(
                .privateMemory, subject,
                seen:
                    "\(mapped), in a mount namespace of its own: what it sees at \(place.directory) is another directory.",
                why:
                    "Processes share a segment only if all see the same tmpfs. \(PrivateMemory.advice) The command shows what the "
                    + "process sees.",
                fix: [
                    "nsenter --target \(user.process.processID) --mount "
                        + question.command("doctor", nil, in: user.directory)
                ])
        case .removed, .removedUnknown:
            let name = user.name == nil ? " Its former name is unknown." : ""
            return .problem(
                .removed, subject, seen: "\(mapped), which was removed or replaced; \(own).\(name)",
                why:
                    "A process keeps the file that it is attached to. It reads the last text there, and nothing that was "
                    + "set since. End the process and start it again, or have it attach again.",
                fix: [user.restart] + (isMissing ? [question.create] : []))
        case .hidden:
            let mount = mounts.mount(at: realPath) ?? mounts.mount(containing: directory)
            return .problem(
                .mountPoint, subject,
                seen: "\(mapped); \(own)" + (mount.map { ", where \($0.mountPoint) is mounted." } ?? "."),
                why:
                    "Something is mounted over the file that the process uses. It and processes that attach from now on use "
                    + "different files. Remove the mount, or end the process and start it again.",
                fix: mount.map { ["umount " + Shell.word($0.mountPoint)] } ?? [user.restart])
        case .renamed:
            return .problem(
                .renamed, subject, seen: "\(mapped), though it was started to use '\(place.name)'; \(own).",
                why: "A segment is found by the name of its file, and this file's was changed. Attached processes end "
                    + "with an error within a second, unless they only read.",
                fix: isMissing
                    ? ["mv -n " + Shell.word(path) + " " + Shell.word(place.path)] : [user.restart])
        }
    }

    // MARK: The process that was asked about

    /// Why the process is not even attached to another segment of this name, if so.
    var otherFindings: [Finding] {
        guard let other = question.other else { return [] }
        let subject = "process \(other.processID) (\(other.program))"
        guard let mapped = other.mappedFiles(withSuffix: ".sharedmem") else {
            return [
                .problem(
                    .unseen, subject, seen: "User \(Host.effectiveUser) may not look at it.",
                    why: "Only its own user and root see which segments a process uses.",
                    fix: ["sudo " + question.command("doctor", nil, in: nil, "\(other.processID)")])
            ]
        }
        let own = users.filter { $0.process == other }
        if own.contains(where: { $0.relation != .anotherName }) { return [] }
        let environment = other.environment ?? [:]
        let variables = ["SHAREDMEM_NAME", "SHAREDMEM_DIRECTORY"].compactMap { name in
            environment[name].map { " Its \(name) is \($0)." }
        }.joined()
        guard let user = own.first(where: { !$0.isRemoved }), !mapped.isEmpty else {
            return [
                .problem(
                    .notAttached, subject, seen: "It has no segment mapped.\(variables)",
                    why:
                        "A process that is not attached reads and sets nothing. Look at its error messages: it may have "
                        + "failed to attach, or it may look in another directory.")
            ]
        }
        return [
            .problem(
                .anotherName, subject,
                seen:
                    "It uses \(own.map(\.path).sorted().joined(separator: ", ")), not the segment '\(place.name)'.\(variables)",
                why: "Another name is another segment. Have both sides use one name.",
                fix: [question.command("doctor", user.name, in: user.directory)])
        ]
    }

    // MARK: Notes

    /// Root sees all that can be seen.
    var unseenFindings: [Finding] {
        guard unseenCount > 0, Host.effectiveUser != 0 else { return [] }
        return [
            .note(
                .unseen, "processes of other users",
                seen: "User \(Host.effectiveUser) may not look at \(unseenCount) of them.",
                why: "Only their own users and root see which segments they use.",
                fix: ["sudo " + question.command("doctor")])
        ]
    }
}
