import CLinux
internal import Glibc

/// Facts about this process and its kernel.
enum Host {
    /// An environment variable; nil when it is unset or empty, or when the process runs with more
    /// rights than its caller (`secure_getenv`).
    static func environment(_ name: String) -> String? {
        guard let value = unsafe clinux_environment(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }

    static var processID: Int32 { getpid() }

    static var effectiveUser: UInt32 { geteuid() }

    static var programName: String { unsafe String(cString: clinux_program_name()) }

    /// The wall clock.
    static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanosecondsSince1970: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// Milliseconds that never go back, of coarse resolution; a few nanoseconds to read.
    static var coarseMilliseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Nanoseconds that never go back.
    static var monotonicNanoseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// A moment 136 years off is as good as never, and one that has passed is now.
    static func monotonicNanoseconds(after duration: Duration) -> Int {
        let (seconds, attoseconds) = min(max(duration, .zero), .seconds(1 << 32)).components
        return monotonicNanoseconds + Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }

    /// The most bytes a file of this process may have; nil without a limit.
    static var fileSizeLimit: UInt64? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { return nil }
        return limit.rlim_cur == rlim_t(bitPattern: -1) ? nil : UInt64(limit.rlim_cur)
    }

    /// The running kernel's boot id, 128 bits; zero where it can not be known.
    static var bootID: (UInt64, UInt64) {
        get throws(SegmentError) {
            // By bytes, which takes half of the time that characters do: it is a good part of an attach.
            let line = try firstLine(ofFile: "/proc/sys/kernel/random/boot_id") ?? ""
            let digits = line.utf8.filter { $0 != UInt8(ascii: "-") }
            func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
                UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
            }
            guard let high = number(digits.prefix(16)), let low = number(digits.dropFirst(16)) else { return (0, 0) }
            return (high, low)
        }
    }

    /// The user that stands for every user a user namespace does not know; nil outside of one.
    static var overflowUser: UInt32? {
        get throws(SegmentError) {
            let map = try firstLine(ofFile: "/proc/self/uid_map")?.utf8.split(separator: UInt8(ascii: " "))
            if map?.map({ String($0) }) == ["0", "0", "4294967295"] { return nil }
            return try firstLine(ofFile: "/proc/sys/kernel/overflowuid").flatMap { UInt32($0) } ?? 65534
        }
    }

    static var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    /// Lets other threads run for about a millisecond.
    static func pause() { usleep(1000) }

    /// Nil for what is not there or not to be read, as where /proc is not mounted.
    private static func firstLine(ofFile path: String) throws(SegmentError) -> String? {
        do throws(SegmentError) {
            return try firstLine(of: .open(path, .readOnly))
        } catch .system(_, let code) where [ENOENT, EACCES, EPERM, ENOTDIR].contains(code) {
            return nil
        }
    }

    private static func firstLine(of file: borrowing FileDescriptor) throws(SegmentError) -> String {
        var bytes = InlineArray<256, UInt8>(repeating: 0)
        let count = try unsafe withUnsafeMutableBytes(of: &bytes) { buffer throws(SegmentError) in
            unsafe try file.read(into: buffer, at: 0)
        }
        let line = (0..<count).map { bytes[$0] }.prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }
}
