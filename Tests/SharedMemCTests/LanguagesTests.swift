import Foundation
import TestSupport
import TestTraits
import Testing

/// The programs `Examples/*/text.*`, unchanged, in each language that is installed.
///
/// Each sets the text and prints it with its version, and a program in another language then prints the same.
@Suite(.fewAtATime) struct LanguagesTests {
    @Test(.installed(.go)) func goSetsAndReads() async throws { try await setsAndReads(.go) }
    @Test(.installed(.java)) func javaSetsAndReads() async throws { try await setsAndReads(.java) }
    @Test(.installed(.luajit)) func luajitSetsAndReads() async throws { try await setsAndReads(.luajit) }
    @Test(.installed(.perl)) func perlSetsAndReads() async throws { try await setsAndReads(.perl) }
    @Test(.installed(.php)) func phpSetsAndReads() async throws { try await setsAndReads(.php) }
    @Test(.installed(.python)) func pythonSetsAndReads() async throws { try await setsAndReads(.python) }
    @Test(.installed(.ruby)) func rubySetsAndReads() async throws { try await setsAndReads(.ruby) }
    @Test(.installed(.rust)) func rustSetsAndReads() async throws { try await setsAndReads(.rust) }

    private func setsAndReads(_ language: Language) async throws {
        let directory = try TemporaryDirectory()
        let attached = try await AttachedProcess(to: directory)

        let text = "ñandú, 東京, 🙂"
        let set = try await run(language, [text], in: directory)
        #expect(set.text.wholeMatch(of: /(.+)\n[0-9a-f]{16}-1\n/)?.1 == Substring(text), "\(set.text)")
        #expect(set.status == 0 && set.errors.isEmpty, "\(set.errors)")

        for reader in [language, try await language.next] {
            let read = try await run(reader, [], in: directory)
            #expect(read.text == set.text, "\(reader)")
            #expect(read.status == 0 && read.errors.isEmpty, "\(reader): \(read.errors)")
        }

        try await attached.end()
        #expect(try directory.names.isEmpty)
        try await saysWhatFailed(language)
    }

    /// Attaching fails, and then setting, which must leave nothing behind.
    private func saysWhatFailed(_ language: Language) async throws {
        let nowhere = try await run(language, ["text"], environment: ["SHAREDMEM_DIRECTORY": "/no/such/directory"])
        #expect(nowhere.status == 1 && nowhere.text.isEmpty)
        #expect(nowhere.errors.contains("/no/such/directory"), "\(nowhere.errors)")

        let directory = try TemporaryDirectory()
        let tooLong = try await run(language, ["text"], in: directory, ["SHAREDMEM_CAPACITY": "3"])
        #expect(tooLong.status == 1 && tooLong.text.isEmpty)
        #expect(tooLong.errors.contains("4 bytes"), "\(tooLong.errors)")
        #expect(try directory.names.isEmpty)
    }

    /// cgo returns an error from each call that changes errno, whatever the call itself returns.
    @Test(.installed(.go)) func goGetsAnErrorOnlyFromACallThatFails() async throws {
        let directory = try TemporaryDirectory()
        let program = try await Language.buildGo("\(CProgram.programs)/errors.go", named: "go-errors")
        let end = try await ChildProcess.run(
            program, [], environment: Language.environment.merging(["SHAREDMEM_DIRECTORY": directory.path]) { $1 })
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
        #expect(try directory.names.isEmpty)
    }

    private func run(
        _ language: Language, _ arguments: [String], in directory: TemporaryDirectory, _ more: [String: String] = [:]
    ) async throws -> ChildProcess.Finished {
        try await run(language, arguments, environment: more.merging(["SHAREDMEM_DIRECTORY": directory.path]) { $1 })
    }

    private func run(
        _ language: Language, _ arguments: [String], environment: [String: String]
    ) async throws -> ChildProcess.Finished {
        let command = try await language.command
        return try await ChildProcess.run(
            "/usr/bin/env", command + arguments, environment: Language.environment.merging(environment) { $1 })
    }
}

/// A process that keeps the segment, as the text disappears with the last attached process.
private struct AttachedProcess {
    private let child: ChildProcess

    init(to directory: TemporaryDirectory) async throws {
        CProgram.linkLibrary()
        let program = """
            import ctypes, sys
            assert ctypes.CDLL("libSharedMem.so.0").sharedmem_attach_simple(None, None, 0, 0)
            print("attached", flush=True)
            sys.stdin.read()
            """
        child = try ChildProcess(
            "/usr/bin/env", ["python3", "-c", program],
            environment: Language.environment.merging(["SHAREDMEM_DIRECTORY": directory.path]) { $1 })
        _ = try await child.line(beginning: "attached")
    }

    func end() async throws {
        let end = try await child.finish()
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
    }
}
