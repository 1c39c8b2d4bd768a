import LinuxSystem

/// The first use of generic types, which takes up to 20 KiB of stack.
///
/// Swift's runtime instantiates the metadata of a generic type when a process first uses the type, and demangles the type's name
/// to do so. Later uses take a few hundred bytes to 4 KiB.
package enum Rehearsal {
    /// Uses the types that attaching, setting, reading, waiting and inspecting need.
    ///
    /// The C library does so when it is loaded, which is usually in the main thread. Threads that call it later may have
    /// little stack.
    package static func run() {
        _ = try? Host.bootID
        _ = try? Host.overflowUser
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
        // A child that is forked while another thread instantiates one of these could never do so itself.
        keep(Result { () throws(SegmentError) in try refuse(error) })
        keep(Result { () throws(SegmentError) in Version(instance: 0, number: 0) })
        ChangeNotifier.rehearse()
    }

    @inline(never)
    private static func refuse(_ error: SegmentError) throws(SegmentError) { throw error }

    @inline(never)
    private static func keep(_ value: Any) { withExtendedLifetime(value) {} }
}
