import TestSupport
import Testing

@Suite struct HeaderTests {
    @Test(arguments: ["c99", "c11", "c++11", "c++20"])
    func headerCompilesAlone(_ standard: String) async throws {
        let language = standard.hasPrefix("c++") ? "c++" : "c"
        let compiler = try await ChildProcess.run(
            "/usr/bin/env",
            [
                "clang", "-x", language, "-std=\(standard)", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                "-Werror",
                "-include", "\(CProgram.include)/sharedmem.h", "/dev/null",
            ])
        #expect(compiler.status == 0, "\(compiler.errors)")
    }
}
