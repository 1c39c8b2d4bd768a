import LinuxSystem
import SharedMemory

/// What is not a fault, but explains what processes see.
extension Examination {
    var linkFindings: [Finding] {
        guard let fileStatus, fileStatus.kind == .regular, fileStatus.linkCount > 1 else { return [] }
        let others = otherNames(of: fileStatus.identity)
        return [
            .note(
                .hardLink, place.path,
                seen: "The file has \(fileStatus.linkCount) names"
                    + (others.isEmpty
                        ? ", the others in other directories." : ": also \(others.joined(separator: ", "))."),
                why:
                    "All of them lead to the same segment. If one name is unlinked and created again, it leads to "
                    + "another segment than the others.",
                fix: others.map { question.command("unlink", $0) })
        ]
    }

    /// Bounded: a directory may have any number of names.
    private func otherNames(of identity: FileIdentity) -> [String] {
        var (names, looksLeft): ([String], Int) = ([], 10_000)
        try? Directory.forEachName(in: place.directory) { fileName in
            looksLeft -= 1
            let name = String(fileName.dropLast(Segment.Place.suffix.count))
            if fileName.hasSuffix(Segment.Place.suffix), name != place.name,
                (try? FileStatus.ofPath(place.directory + "/" + fileName))??.identity == identity
            {
                names.append(name)
            }
            return looksLeft > 0
        }
        return names.sorted()
    }

    var mountFindings: [Finding] {
        guard let mount = mounts.mount(at: realPath) else { return [] }
        let finding = Finding.note(
            .mountPoint, place.path,
            seen: "The file itself is a mount, of \(mount.root)"
                + (mount.isOfRemovedFile ? ", which was removed." : "."),
            why:
                "A mount holds on to one file. When the segment is unlinked and created again, processes here still see the old "
                + "file. Mount the directory instead.", fix: ["umount " + Shell.word(realPath)])
        return [mount.isOfRemovedFile ? finding.with(.problem) : finding]
    }

    // MARK: Activity

    var tableFindings: [Finding] {
        guard let info else { return [] }
        var findings: [Finding] = []
        func find(_ cause: Finding.Cause, _ used: Int, _ limit: Int, _ table: String, _ effect: String) {
            findings.append(
                .note(
                    cause, place.path, seen: "\(used) of \(limit) \(table) are in use.",
                    why:
                        "\(effect) Nothing fails. To avoid the copies, let programs create the segment with more \(table) "
                        + "(rowCount and pinCount in AttachmentOptions, row_count and pin_count in C)."))
        }
        if info.isOutOfRows {
            find(
                .rowsTaken, info.attached.count, info.rowLimit, "rows",
                "Further processes read copies, and take turns to set the text.")
        }
        if info.pinCount >= info.pinLimit {
            find(.pinsTaken, info.pinCount, info.pinLimit, "pins", "Further borrows and Readers read copies.")
        }
        return findings
    }

    var replicationFindings: [Finding] {
        guard let replication = info?.replication else { return [] }
        if replication.isUnderWay {
            return [
                .note(
                    .replicated, place.path,
                    seen: "A server on this host replicates the segment"
                        + (replication.url.map { ", at \($0)." } ?? "."),
                    why: "Set the text through that server. Setting it in the segment fails.")
            ]
        }
        return [
            .problem(
                .replicated, place.path,
                seen: "The segment is marked as replicated, but no server is replicating it.",
                why:
                    "The text may be old, and programs on this host cannot set it. Start the server again. If no server will "
                    + "replicate the segment again, release it.",
                fix: [question.command("release")])
        ]
    }

    var stoppedFindings: [Finding] {
        Set(sameUsers.map(\.process)).sorted { $0.processID < $1.processID }.filter(\.isStopped).map { process in
            .note(
                .stopped, "process \(process.processID) (\(process.program))",
                seen: "It is attached and stopped (state T).",
                why: "It delays no other process, but sets and reads nothing until it is continued.",
                fix: ["kill -CONT \(process.processID)"])
        }
    }

    var oldVersionFindings: [Finding] {
        guard let info else { return [] }
        func look() -> Set<Segment.OldPin> {
            (try? Segment.oldPins(at: place, trustedOwners: question.trustedOwners)) ?? []
        }
        var pins = look()
        // A borrow that is about to end is no reason for a note.
        guard !pins.isEmpty else { return [] }
        BackgroundThread.pause(milliseconds: 100)
        pins.formIntersection(look())
        return pins.sorted { ($0.processID, $0.version.number) < ($1.processID, $1.version.number) }.map { pin in
            .note(
                .oldVersion, "process \(pin.processID) (\(pin.program))",
                seen: "It holds version \(pin.version); the current one is \(info.version).",
                why:
                    "A borrow keeps its text until it ends, and a Reader keeps what it read last until it reads again. The "
                    + "program has not looked since.")
        }
    }
}
