internal import Glibc
import LinuxSystem

/// Why the host's segments may not be seen here: a container has a /dev/shm of its own, unless it is told to share one.
enum PrivateMemory {
    static let directory = "/dev/shm"

    /// What to say when nothing was found in a directory; nil where that is no matter of containers.
    static func hint(notFoundIn directory: String) -> String? {
        guard directory == Self.directory, let reason else { return nil }
        return "\(reason) To see the host's segments, have the container share its memory: docker run --ipc=host. To "
            + "share between containers alone, mount one volume in memory into each and name it with --directory: in "
            + "Kubernetes an emptyDir with medium Memory, with Docker a volume of type tmpfs, or --ipc=container:NAME."
    }

    private static var reason: String? {
        // Who may look sees for certain.
        if let ours = identity(of: directory), let theirs = identity(of: "/proc/1/root" + directory), ours != theirs {
            return "This process has a \(directory) of its own: process 1 sees another."
        }
        // In a container process 1 is the container's. Runtimes make its IPC namespace and its /dev/shm as one.
        if let namespace = target(of: "/proc/self/ns/ipc"), namespace != initialNamespace {
            return "This process has an IPC namespace of its own, as in a container, and there \(directory) is the "
                + "container's own (with Docker, of 64 MB) unless it was made otherwise."
        }
        return nil
    }

    /// The host's, in every kernel: PROC_IPC_INIT_INO.
    private static let initialNamespace = "ipc:[\(0xEFFF_FFFF)]"

    private static func identity(of path: String) -> FileIdentity? {
        (try? FileStatus.ofPath(path, followsLinks: true))?.identity
    }

    private static func target(of link: String) -> String? {
        let room = 64
        var characters = [CChar](repeating: 0, count: room)
        let count = unsafe readlink(link, &characters, room)
        return count > 0 ? String(decoding: characters[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
