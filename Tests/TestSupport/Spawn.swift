import Foundation

/// Starts a program with the default action for each signal, and with none blocked.
///
/// The test's thread may block signals, and a shell without SIGCHLD waits forever.
///
/// - Parameters:
///   - leadsSession: whether the program gets a session of its own.
///   - setUp: adds what is to be done to the program's descriptors.
func spawn(
    _ words: [String], environment: [String: String], leadsSession: Bool = false,
    setUp: (inout posix_spawn_file_actions_t) -> Void
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    setUp(&actions)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // POSIX_SPAWN_SETSID, which Swift does not see.
    let session: CInt = leadsSession ? 0x80 : 0
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session))

    var arguments = words.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (arguments + variables).forEach { free($0) } }
    var processID = pid_t()
    try check(posix_spawnp(&processID, words[0], &actions, &attributes, &arguments, &variables), "starting \(words)")
    return processID
}

/// - Parameter code: an errno; 0 for success.
func check(_ code: CInt, _ what: @autoclosure () -> String) throws {
    if code != 0 { throw SystemFailure(description: "\(what()): \(String(cString: strerror(code)))") }
}
