import LinuxSystem

/// What makes the first call of a function in a process take 20 KiB of stack.
///
/// Swift's runtime makes up a generic type when it is first used, by reading its name. Later calls take a few hundred bytes
/// to 4 KiB.
package enum Rehearsal {
    /// Has the runtime make up the types that attaching, setting, reading, waiting and inspecting use.
    ///
    /// The C library does so when it is loaded, which is usually in the main thread: a thread that calls it may have little
    /// stack.
    package static func run() {
        _ = try? (Host.bootID, Host.overflowUser)
        var names: [String] = []
        names.append("rehearsal")
        let error = SegmentError.notFound(name: "none", directory: "/dev/shm", found: names)
        keep("\(error)")
        keep(Optional(error) as Any)
        keep(Optional(AttachmentOptions()) as Any)
        keep([0..<1])
        keep("two words".split(separator: " "))
        var counts: [String: Int] = [:]
        counts["rehearsal", default: 0] += 1
        keep(counts)
        keep(String(UInt(255), radix: 16))
        keep("\(Version(instance: 0, number: 0))")
        let process = AttachedProcess(
            row: 0, processID: 0, user: 0, program: "rehearsal", attachmentTime: Timestamp(nanosecondsSince1970: 0))
        keep([process])
        keep(Set([process].map { SegmentView.mark(ofRow: $0.row) }))
        ChangeNotifier.rehearse()
    }

    @inline(never)
    private static func keep(_ value: Any) { withExtendedLifetime(value) {} }
}
