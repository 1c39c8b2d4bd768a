import Foundation

/// A mount namespace of a test's own.
public enum MountNamespace {
    /// Whether this process may have one and mount in it: root may, unless a container keeps it from it.
    public static func isPermitted() async -> Bool {
        let mounting = ["--mount", "mount", "-t", "tmpfs", "none", "/dev/shm"]
        return (try? await ChildProcess.run("unshare", mounting).status) == 0
    }

    /// Runs a shell script in one, with `$1`, `$2`, … as its arguments.
    public static func start(_ script: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("unshare", ["--mount", "/bin/sh", "-c", script, "sh"] + arguments)
    }
}
