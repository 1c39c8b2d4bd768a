internal import CLinux
internal import Glibc
internal import Synchronization

/// The environment variables of this process.
package enum Environment {
    /// A variable's value; nil if it is unset or empty, or if the process has more rights than its caller
    /// (`secure_getenv`).
    package static subscript(_ name: String) -> String? {
        get {
            guard let value = unsafe clinux_environment(name), unsafe value.pointee != 0 else { return nil }
            return unsafe String(cString: value)
        }
        set { unsafe setenv(name, newValue ?? "", /* overwrite: */ 1) }
    }
}

/// Facts about this process and its kernel.
package enum Host {
    /// Opens the standard streams that this process was started without, so that no other file gets their numbers.
    ///
    /// Using them still fails, with `EBADF`.
    package static func openStandardStreams() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // This gets the lowest free number, the stream's. It is opened for the opposite direction, so that every use fails.
            _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    package static var processID: Int32 { getpid() }

    package static var effectiveUser: UInt32 { geteuid() }

    package static var programName: String { unsafe String(cString: clinux_program_name()) }

    /// The most bytes a file of this process may have; nil without a limit.
    package static var fileSizeLimit: UInt64? { limit(on: RLIMIT_FSIZE) }

    /// The most bytes of address space that this process may have; nil without a limit.
    package static var addressSpaceLimit: UInt64? { limit(on: RLIMIT_AS) }

    private static func limit(on resource: __rlimit_resource) -> UInt64? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return nil }
        return limit.rlim_cur == rlim_t(bitPattern: -1) ? nil : UInt64(limit.rlim_cur)
    }

    /// Allows this process as many descriptors as the administrator permits.
    ///
    /// The limit that programs start with is for select(2), not for servers.
    package static func raiseDescriptorLimit() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(resource, &limit)
    }

    /// The index of the first command line argument that is not UTF-8, which Swift would repair.
    package static var indexOfArgumentNotUTF8: Int? {
        (0..<Int(CommandLine.argc)).first { index in
            unsafe CommandLine.unsafeArgv[index].map { unsafe String(validatingCString: $0) == nil } ?? false
        }
    }

    /// The running kernel's boot id, 128 bits; zero if it cannot be read.
    package static var bootID: (UInt64, UInt64) {
        get throws(SystemError) {
            // No lock, which a forked child could find locked: whichever thread reads the id, it is the same.
            if knownBootID.isComplete.load(ordering: .acquiring) {
                return (knownBootID.high.load(ordering: .relaxed), knownBootID.low.load(ordering: .relaxed))
            }
            let id = try readBootID()
            guard id != (0, 0) else { return id }
            knownBootID.high.store(id.0, ordering: .relaxed)
            knownBootID.low.store(id.1, ordering: .relaxed)
            knownBootID.isComplete.store(true, ordering: .releasing)
            return id
        }
    }

    private struct KnownBootID: ~Copyable, Sendable {
        let high = Atomic<UInt64>(0)
        let low = Atomic<UInt64>(0)
        let isComplete = Atomic(false)
    }

    /// Reading the id is a good part of attaching, and it lasts as long as the kernel does.
    private static let knownBootID = KnownBootID()

    private static func readBootID() throws(SystemError) -> (UInt64, UInt64) {
        // As bytes, in half the time that characters take.
        let line = try firstLine(ofFile: "/proc/sys/kernel/random/boot_id") ?? ""
        let digits = line.utf8.filter { $0 != UInt8(ascii: "-") }
        func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
            UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
        }
        guard let high = number(digits.prefix(16)), let low = number(digits.dropFirst(16)) else { return (0, 0) }
        return (high, low)
    }

    /// The user that stands for every user a user namespace does not know; nil outside of such a namespace.
    package static var overflowUser: UInt32? {
        get throws(SystemError) {
            let map = try firstLine(ofFile: "/proc/self/uid_map")?.utf8.split(separator: UInt8(ascii: " "))
            if map?.map({ String($0) }) == ["0", "0", "4294967295"] { return nil }
            return try firstLine(ofFile: "/proc/sys/kernel/overflowuid").flatMap { UInt32($0) } ?? 65534
        }
    }

    package static var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    /// Nil if the file is missing or must not be read, as where /proc is not mounted.
    private static func firstLine(ofFile path: String) throws(SystemError) -> String? {
        do throws(SystemError) {
            var bytes = InlineArray<256, UInt8>(repeating: 0)
            let count = try FileDescriptor.open(path, .readOnly).read(into: &bytes, at: 0)
            let line = (0..<count).map { bytes[$0] }.prefix { $0 != UInt8(ascii: "\n") }
            return String(decoding: line, as: UTF8.self)
        } catch let error where [ENOENT, EACCES, EPERM, ENOTDIR].contains(error.code) {
            return nil
        }
    }
}
