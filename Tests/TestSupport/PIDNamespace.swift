/// Processes that are number 1 in a PID namespace of their own.
public enum PIDNamespace {
    public static func isPermitted() async -> Bool {
        (try? await start("/bin/true", []).finish().status) == 0
    }

    public static func start(_ executable: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("unshare", ["--pid", "--fork", "--kill-child", executable] + arguments)
    }

    /// One that is number 2, and so can be stopped, as number 1 can not.
    public static func startSecond(_ executable: String, _ arguments: [String]) throws -> ChildProcess {
        try start("/bin/sh", ["-c", "exec 3<&0; \"$@\" <&3 & wait", "sh", executable] + arguments)
    }
}
