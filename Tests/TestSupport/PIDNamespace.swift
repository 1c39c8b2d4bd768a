/// A PID namespace for a process, which is number 1 in it.
public enum PIDNamespace {
    public static func isPermitted() async -> Bool {
        (try? await start("/bin/true", []).finish().status) == 0
    }

    public static func start(_ executable: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("unshare", ["--pid", "--fork", "--kill-child", executable] + arguments)
    }

    /// Starts a process as number 2, because number 1 cannot be stopped.
    public static func startSecond(_ executable: String, _ arguments: [String]) throws -> ChildProcess {
        try start("/bin/sh", ["-c", "exec 3<&0; \"$@\" <&3 & wait", "sh", executable] + arguments)
    }
}
