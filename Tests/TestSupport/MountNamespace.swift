import Foundation

/// A mount namespace for a test.
public enum MountNamespace {
    /// Whether this process may create one and mount in it, as root may outside most containers.
    public static func isPermitted() async -> Bool {
        let mounting = ["--mount", "mount", "-t", "tmpfs", "none", "/dev/shm"]
        return (try? await ChildProcess.run("unshare", mounting).status) == 0
    }

    /// Starts a shell script in a new namespace, with its arguments in `$1`, `$2`, ….
    public static func start(_ script: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("unshare", ["--mount", "/bin/sh", "-c", script, "sh"] + arguments)
    }
}
