internal import Glibc

/// What this process uses of the host.
package struct ProcessUsage: Sendable {
    package let cpuSeconds: Double
    package let residentByteCount: Int
    package let virtualByteCount: Int
    package let openDescriptorCount: Int
    /// Nil without a limit.
    package let descriptorLimit: Int?
    /// Seconds since 1970.
    package let startTime: Double

    /// - Throws: if `/proc` cannot be read.
    package init() throws(SystemError) {
        var usage = rusage()
        try systemCall("getrusage") { negatedErrno(unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)) }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
        // The program's name, in parentheses, may contain anything; the fields behind it are counted from 3.
        let stat = try wholeText(ofFile: "/proc/self/stat")
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ").dropFirst()
        func field(_ number: Int) -> Int {
            fields.count > number - 3 ? Int(fields[fields.startIndex + number - 3]) ?? 0 : 0
        }
        virtualByteCount = field(23)
        residentByteCount = field(24) * Int(sysconf(CInt(_SC_PAGESIZE)))
        let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
        let boot = try wholeText(ofFile: "/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        startTime = Double(boot?.dropFirst(6) ?? "0").map { $0 + Double(field(22)) / ticks } ?? 0
        openDescriptorCount = try Directory.names(in: "/proc/self/fd").count { Int($0) != nil }
        var limit = rlimit()
        let isKnown = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        descriptorLimit = isKnown && limit.rlim_cur != rlim_t(bitPattern: -1) ? Int(clamping: limit.rlim_cur) : nil
    }
}
