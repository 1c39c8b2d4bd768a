import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import SharedMemoryKeep
import Synchronization

/// What the server counts, and what `GET /metrics` says.
final class Metrics: Sendable {
    let requests = RequestCounts()
    let traffic = TrafficMeter()
    /// Subscribers that did not read what they were sent.
    let dropped = Atomic(0)
    private let keeper: Keeper?

    /// - Parameter keeper: nil if no text is kept on disk.
    init(_ keeper: Keeper?) { self.keeper = keeper }

    /// The page, with the metrics of the segments that match one of the patterns; of all if there are none.
    func page(_ format: MetricsPage.Format, _ catalog: Catalog, _ patterns: [String], connections: Int) -> [UInt8] {
        var page = MetricsPage(format)
        addRequests(to: &page)
        addTraffic(to: &page, connections: connections)
        catalog.addMetrics(to: &page, patterns)
        addKeeping(to: &page)
        Self.addBuild(to: &page)
        Self.addProcess(to: &page)
        page.end()
        return page.bytes
    }

    private func addRequests(to page: inout MetricsPage) {
        page.begin("sharedmem_requests", .counter, "Requests that were answered.")
        for (method, route, status, count) in requests.all {
            page.add(
                "sharedmem_requests_total", count, ("method", method.name), ("route", route.name),
                ("status", "\(status.rawValue)"))
        }
        page.begin(
            "sharedmem_request_duration_seconds", .histogram,
            "From the arrival of a request's head to the end of its response; without long polls and event streams.")
        let counts = traffic.durationCounts
        for (limit, count) in zip(TrafficMeter.durationLimits, counts) {
            page.add("sharedmem_request_duration_seconds_bucket", count, ("le", "\(Double(limit) / 1e9)"))
        }
        let all = counts[counts.count - 1]
        page.add("sharedmem_request_duration_seconds_bucket", all, ("le", "+Inf"))
        page.add("sharedmem_request_duration_seconds_count", all)
        page.add("sharedmem_request_duration_seconds_sum", Double(traffic.totalNanoseconds) / 1e9)
    }

    private func addTraffic(to page: inout MetricsPage, connections: Int) {
        page.begin("sharedmem_received_bytes", .counter, "Bytes of request bodies.")
        page.add("sharedmem_received_bytes_total", traffic.receivedByteCount)
        page.begin("sharedmem_sent_bytes", .counter, "Bytes of response bodies and event streams.")
        page.add("sharedmem_sent_bytes_total", traffic.sentByteCount)
        page.begin("sharedmem_connections", .gauge, "Open connections.")
        page.add("sharedmem_connections", connections)
        page.begin("sharedmem_subscribers_dropped", .counter, "Event streams ended because their client did not read.")
        page.add("sharedmem_subscribers_dropped_total", dropped.load(ordering: .relaxed))
    }

    private func addKeeping(to page: inout MetricsPage) {
        guard let status = keeper?.status else { return }
        page.begin("sharedmem_keep_failures", .counter, "How often a version could not be brought to disk.")
        page.add("sharedmem_keep_failures_total", status.failures)
        page.begin(
            "sharedmem_keep_lag_seconds", .gauge, "The age of the oldest change that is not on disk; 0 if all are.")
        page.add("sharedmem_keep_lag_seconds", status.lagSeconds)
    }

    private static func addBuild(to page: inout MetricsPage) {
        page.begin("sharedmem_build", .info, "The version of the server.")
        page.add("sharedmem_build_info", 1, ("version", Release.version))
    }

    private static func addProcess(to page: inout MetricsPage) {
        guard let usage = try? ProcessUsage() else { return }
        page.begin("process_cpu_seconds", .counter, "User and system CPU time.")
        page.add("process_cpu_seconds_total", usage.cpuSeconds)
        page.begin("process_resident_memory_bytes", .gauge, "Resident memory, pages of segments included.")
        page.add("process_resident_memory_bytes", usage.residentByteCount)
        page.begin("process_virtual_memory_bytes", .gauge, "Virtual memory.")
        page.add("process_virtual_memory_bytes", usage.virtualByteCount)
        page.begin("process_open_fds", .gauge, "Open file descriptors.")
        page.add("process_open_fds", usage.openDescriptorCount)
        if let limit = usage.descriptorLimit {
            page.begin("process_max_fds", .gauge, "The most file descriptors that the process may open.")
            page.add("process_max_fds", limit)
        }
        page.begin("process_start_time_seconds", .gauge, "When the process started, in seconds since 1970.")
        page.add("process_start_time_seconds", usage.startTime)
    }
}
