internal import Glibc

/// The memory cgroup with the least room of those that this process is in.
package struct MemoryCgroup: Sendable {
    /// Its directory.
    package let path: String
    package let limit: Int
    /// The bytes left until the kernel kills a process, counting what it can free of its cache of files on disk.
    package let freeByteCount: Int

    /// - Returns: nil if no cgroup has a limit.
    package static func tightest() -> MemoryCgroup? {
        var found: MemoryCgroup?
        for (directory, isFirstVersion) in places {
            guard let cgroup = MemoryCgroup(directory, isFirstVersion) else { continue }
            if found.map({ cgroup.freeByteCount < $0.freeByteCount }) ?? true { found = cgroup }
        }
        return found
    }

    private init?(_ path: String, _ isFirstVersion: Bool) {
        func number(_ name: String) -> Int? {
            (try? wholeText(ofFile: path + "/" + name)).flatMap { Int($0.filter { $0 != "\n" }) }
        }
        let names =
            isFirstVersion ? ("memory.limit_in_bytes", "memory.usage_in_bytes") : ("memory.max", "memory.current")
        // Without a limit, version 1 has a number near the largest, and version 2 has `max`.
        guard let limit = number(names.0), limit < 1 << 60, let usage = number(names.1) else { return nil }
        let statistics = (try? wholeText(ofFile: path + "/memory.stat"))?.split(separator: "\n") ?? []
        let kept = isFirstVersion ? ["total_inactive_file", "total_active_file"] : ["inactive_file", "active_file"]
        let givenBack = statistics.reduce(0) { sum, line in
            let words = line.split(separator: " ")
            return words.count == 2 && kept.contains(String(words[0])) ? sum + (Int(words[1]) ?? 0) : sum
        }
        self.path = path
        self.limit = limit
        freeByteCount = max(0, limit - usage + givenBack)
    }

    /// The directories of the memory cgroup and those above it.
    private static var places: [(directory: String, isFirstVersion: Bool)] {
        let lines = (try? wholeText(ofFile: "/proc/self/cgroup"))?.split(separator: "\n") ?? []
        return lines.flatMap { line -> [(directory: String, isFirstVersion: Bool)] in
            let words = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count == 3 else { return [] }
            let isFirstVersion = words[1].split(separator: ",").contains("memory")
            guard isFirstVersion || words[0] == "0" else { return [] }
            let root = isFirstVersion ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup"
            let names = words[2].split(separator: "/")
            return (0...names.count).map { (root + names.prefix($0).map { "/" + $0 }.joined(), isFirstVersion) }
        }
    }
}
