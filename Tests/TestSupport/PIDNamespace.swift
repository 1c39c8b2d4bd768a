/// Processes that are number 1 in a PID namespace of their own.
public enum PIDNamespace {
    public static func isPermitted() async -> Bool {
        (try? await start("/bin/true", []).finish().status) == 0
    }

    public static func start(_ executable: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess("unshare", ["--pid", "--fork", "--kill-child", executable] + arguments)
    }
}
