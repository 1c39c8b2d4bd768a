import LinuxSystem
import SharedMemory
import Synchronization

extension Catalog {
    /// Adds the metrics of each segment that the server is attached to; a scrape attaches to no other.
    func addMetrics(to page: inout MetricsPage, _ patterns: [String]) {
        let measured = list.measure(attached.filter { $0.name.matches(anyOf: patterns) })
        let segments = measured.map(\.segment)
        func add(_ name: String, _ kind: MetricsPage.Kind, _ help: String, _ value: (MeasuredSegment) -> Int?) {
            page.begin(name, kind, help)
            let sample = kind == .counter ? name + "_total" : name
            for segment in segments { value(segment).map { page.add(sample, $0, ("segment", segment.name)) } }
        }
        func addOfResource(_ name: String, _ kind: MetricsPage.Kind, _ help: String, _ value: (SegmentResource) -> Int)
        {
            page.begin(name, kind, help)
            let sample = kind == .counter ? name + "_total" : name
            for (segment, resource) in measured { page.add(sample, value(resource), ("segment", segment.name)) }
        }
        page.begin("sharedmem_segment_version", .gauge, "The number of the version; instance is the rest of it.")
        for segment in segments {
            let instance = segment.version.description.prefix { $0 != "-" }
            page.add(
                "sharedmem_segment_version", segment.version.number, ("segment", segment.name),
                ("instance", String(instance)))
        }
        add("sharedmem_segment_publications", .counter, "How often the text was set, by whatever process.") {
            Int(clamping: $0.version.number)
        }
        add("sharedmem_segment_bytes", .gauge, "The length of the text.", \.byteCount)
        add("sharedmem_segment_capacity_bytes", .gauge, "The most bytes that the text can have.", \.capacity)
        page.begin("sharedmem_segment_changed_timestamp_seconds", .gauge, "When the text was set; 0 if it never was.")
        for segment in segments {
            let time = segment.version.number == 0 ? 0 : Double(segment.publicationTime.nanosecondsSince1970) / 1e9
            page.add("sharedmem_segment_changed_timestamp_seconds", time, ("segment", segment.name))
        }
        add(
            "sharedmem_segment_attached", .gauge, "Attachments, one for each process and kind of access.",
            \.attachmentCount)
        add("sharedmem_segment_pins", .gauge, "Pins in use by open borrows and readers.", \.pinCount)
        add("sharedmem_segment_memory_bytes", .gauge, "Memory behind the segment.", \.memoryByteCount)
        addOfResource("sharedmem_segment_conflicts", .counter, "Requests to this server that a condition refused.") {
            $0.counts.conflicts.load(ordering: .relaxed)
        }
        addOfResource("sharedmem_subscribers", .gauge, "Open event streams.") {
            $0.counts.streams.load(ordering: .relaxed)
        }
        addOfResource("sharedmem_polls", .gauge, "Long polls that are held.") {
            $0.counts.polls.load(ordering: .relaxed)
        }
        addReplicas(to: &page, patterns)
        page.begin("sharedmem_list_subscribers", .gauge, "Open event streams of the list of segments.")
        page.add("sharedmem_list_subscribers", list.subscriberCount.load(ordering: .relaxed))
        if let free = (try? FileSystem(of: list.path))?.freeByteCount {
            page.begin("sharedmem_tmpfs_free_bytes", .gauge, "Free memory of the directory's file system.")
            page.add("sharedmem_tmpfs_free_bytes", free)
        }
    }

    /// Adds the state of the replicas.
    private func addReplicas(to page: inout MetricsPage, _ patterns: [String]) {
        let replicas = followings.map(\.1.replica).filter { $0.name.matches(anyOf: patterns) }
        if replicas.isEmpty { return }
        func add(_ name: String, _ kind: MetricsPage.Kind, _ help: String, _ value: (Replica) -> Double?) {
            page.begin("sharedmem_replica_" + name, kind, help)
            let sample = "sharedmem_replica_" + (kind == .counter ? name + "_total" : name)
            for replica in replicas { value(replica).map { page.add(sample, $0, ("segment", replica.name)) } }
        }
        func addCounter(_ name: String, _ help: String, _ value: (borrowing Replica.Counts) -> Int) {
            page.begin("sharedmem_replica_" + name, .counter, help)
            for replica in replicas {
                page.add("sharedmem_replica_\(name)_total", value(replica.counts), ("segment", replica.name))
            }
        }
        add("connected", .gauge, "1 while a server is followed.") { $0.isConnected ? 1 : 0 }
        add("publishes", .gauge, "1 while this server sets the text in the segment, 0 while another one does.") {
            $0.isPublisher ? 1 : 0
        }
        add("age_seconds", .gauge, "How long ago the text was last known to be the origin's.") {
            $0.ageMilliseconds.map { Double($0) / 1000 }
        }
        addCounter(
            "foreign_sets", "Texts that other processes have put into the segment, and that the server has overwritten."
        ) {
            $0.foreign.load(ordering: .relaxed)
        }
        addCounter("refused_versions", "Versions of the origin that are not shown.") {
            $0.refused.load(ordering: .relaxed)
        }
        addCounter("histories", "Times that the origin has come with another history.") {
            $0.histories.load(ordering: .relaxed)
        }
    }
}
