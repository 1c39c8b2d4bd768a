import SharedMemory

/// All findings about a segment, the most important first.
struct Diagnosis {
    let examination: Examination
    let findings: [Finding]

    init(_ question: Question) throws(SegmentError) {
        let examination = try Examination(question)
        self.examination = examination
        let place = examination.directoryFindings
        var found = place
        // In a directory that cannot be used, there is nothing more to see than processes that use another.
        if !place.contains(where: \.isProblem) { found += examination.fileFindings }
        found += examination.processFindings
        let asked = examination.otherFindings
        found += asked.filter { $0.cause == .anotherName }
        if !place.contains(where: \.isProblem) {
            found += examination.roomFindings + examination.limitFindings
            // Only if nothing else explains it.
            if !found.contains(where: \.isProblem) { found += examination.missingFindings }
            found += examination.accessFindings + examination.capacityFindings + examination.mountFindings
            found += examination.linkFindings + examination.similarNameFindings + examination.tableFindings
            found += examination.replicationFindings + examination.stoppedFindings
            found += examination.oldVersionFindings
        }
        found += asked.filter { $0.cause != .anotherName } + examination.unseenFindings
        findings = found.filter(\.isProblem) + found.filter { !$0.isProblem }
    }

    var hasProblems: Bool { findings.contains(where: \.isProblem) }
}

extension Finding {
    var isProblem: Bool { severity == .problem }
}
