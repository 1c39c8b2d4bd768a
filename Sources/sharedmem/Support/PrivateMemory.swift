import LinuxSystem

/// Why the host's segments may be invisible here: a container has its own /dev/shm unless it is told to share one.
enum PrivateMemory {
    static let directory = "/dev/shm"

    /// A line of advice if nothing was found in a directory; empty if that has nothing to do with containers.
    static func hint(notFoundIn directory: String) -> String {
        guard directory == Self.directory, let reason else { return "" }
        return "\(reason) \(advice)\n"
    }

    static let advice =
        "To see the host's segments, let the container share the host's memory: docker run --ipc=host. To share between "
        + "containers only, mount one tmpfs volume in each and name it with --directory (in Kubernetes an emptyDir with "
        + "medium Memory, with Docker a volume of type tmpfs), or use --ipc=container:NAME."

    /// Why the directory is this process's own; nil if nothing says that it is.
    static var reason: String? {
        // A process that may look at process 1 knows for certain.
        if let own = identity(of: directory), let other = identity(of: "/proc/1/root" + directory), own != other {
            return "This process has its own \(directory): process 1 sees another one."
        }
        // In a container, process 1 is the container's. Runtimes create its IPC namespace and its /dev/shm together.
        // The host's namespace has this number in every kernel: PROC_IPC_INIT_INO.
        if let namespace = try? Directory.target(ofLink: "/proc/self/ns/ipc"), namespace != "ipc:[\(0xEFFF_FFFF)]" {
            return "This process has its own IPC namespace, as in a container, where \(directory) is usually the "
                + "container's own (64 MiB with Docker)."
        }
        return nil
    }

    private static func identity(of path: String) -> FileIdentity? {
        (try? FileStatus.ofPath(path, followsLinks: true))?.identity
    }
}
