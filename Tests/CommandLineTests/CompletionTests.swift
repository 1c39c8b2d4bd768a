import Foundation
import TestSupport
import TestTraits
import Testing

/// The completion script for bash, with which bash asks the command for names.
@Suite("Completion", .fewAtATime)
struct CompletionTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// What bash would offer for the last of these words.
    private func completions(_ words: [String], _ environment: [String: String] = [:]) async throws -> Set<String> {
        let script = """
            shopt -s extglob
            PATH="$1:$PATH"; source <(sharedmem --generate-completion-script bash); shift
            COMP_WORDS=(sharedmem "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
            _sharedmem sharedmem "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try await ChildProcess.run(
            "bash", ["-c", script, "bash", ChildProcess.productDirectory] + words,
            environment: ["SHAREDMEM_DIRECTORY": directory.path].merging(environment) { $1 })
        #expect(result.errors == "")
        return Set(result.text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    }

    @Test(
        "Names of segments are offered wherever a name is expected",
        arguments: [
            ["get"], ["set"], ["edit"], ["diff"], ["watch"], ["mirror"], ["info"], ["chmod"], ["doctor"], ["release"],
            ["migrate"],
            ["unlink"],
            ["history"], ["revert"], ["serve"], ["get", "--name"], ["diff", "alpha", "--to"],
        ])
    func names(_ words: [String]) async throws {
        for name in ["alpha", "alphabet", "beta"] { try await sharedmem("set", name, "--text", "x") }
        #expect(try await completions(words + ["al"]) == ["alpha", "alphabet"])
    }

    @Test("The names are those in the directory of the command line")
    func otherDirectory() async throws {
        try await sharedmem("set", "gamma", "--text", "x")
        let none = ["SHAREDMEM_DIRECTORY": "\(directory.path)/none"]
        #expect(try await completions(["get", "ga"], none) == [])
        #expect(try await completions(["get", "--directory", directory.path, "ga"], none) == ["gamma"])
    }
}
