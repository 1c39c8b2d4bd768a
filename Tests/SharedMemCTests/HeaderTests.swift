import Foundation
import TestSupport
import TestTraits
import Testing

@Suite(.fewAtATime) struct HeaderTests {
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

    // MARK: The header for languages that parse C declarations

    @Test func ffiHeaderIsUpToDate() async throws {
        let check = try await ChildProcess.run("\(CProgram.repository)/Scripts/ffi-header", ["--check"])
        #expect(check.status == 0 && check.errors.isEmpty, "\(check.errors)")
    }

    /// In a copy of the script and the headers, one of which then gets another function.
    @Test(arguments: ["include/sharedmem.h", "sharedmem-ffi.h"])
    func ffiHeaderDiffersAfterAChange(_ changed: String) async throws {
        let directory = try TemporaryDirectory()
        let headers = "\(directory.path)/Sources/CSharedMem"
        for folder in ["\(headers)/include", "\(directory.path)/Scripts"] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        for file in [
            "Scripts/ffi-header", "Sources/CSharedMem/include/sharedmem.h", "Sources/CSharedMem/sharedmem-ffi.h",
        ] {
            try FileManager.default.copyItem(
                atPath: "\(CProgram.repository)/\(file)", toPath: "\(directory.path)/\(file)")
        }
        // /dev/shm may be mounted noexec, so Python reads the script.
        let check = ["python3", "\(directory.path)/Scripts/ffi-header", "--check"]
        #expect(try await ChildProcess.run("/usr/bin/env", check).status == 0)

        let header = try String(contentsOfFile: "\(headers)/\(changed)", encoding: .utf8)
        try (header + "int sharedmem_new(void);\n").write(
            toFile: "\(headers)/\(changed)", atomically: true, encoding: .utf8)
        let changedCheck = try await ChildProcess.run("/usr/bin/env", check)
        #expect(changedCheck.status == 1)
        #expect(changedCheck.errors.contains("Run Scripts/ffi-header."))
    }

    @Test func ffiHeaderHasNoDirectives() throws {
        let header = try String(contentsOfFile: FFIParser.header, encoding: .utf8)
        #expect(header.contains("sharedmem_attach(") && !header.contains("#") && !header.contains("extern"))
    }

    @Test(.parser(.cffi)) func cffiParsesFFIHeader() async throws { try await parse(with: .cffi) }
    @Test(.parser(.php)) func phpParsesFFIHeader() async throws { try await parse(with: .php) }
    @Test(.parser(.luajit)) func luajitParsesFFIHeader() async throws { try await parse(with: .luajit) }

    /// The parser takes the header, and nothing that is wrong with a header escapes it.
    private func parse(with parser: FFIParser) async throws {
        let header = try String(contentsOfFile: FFIParser.header, encoding: .utf8)
        #expect(try await parser.problem(of: header) == nil)

        let unknownType = header + "typedef uid_t owner_t;\n"
        let missingFunction = header + "int sharedmem_missing(void);\n"
        let otherLayout = header.replacing("    uint64_t number;\n", with: "")
        #expect(otherLayout != header)
        for wrong in [unknownType, missingFunction, otherLayout] {
            #expect(try await parser.problem(of: wrong) != nil)
        }
    }
}

/// A language that parses C declarations itself, without a preprocessor.
enum FFIParser: Sendable {
    case cffi, php, luajit

    static let header = "\(CProgram.repository)/Sources/CSharedMem/sharedmem-ffi.h"

    var language: Language {
        switch self {
        case .cffi: .python
        case .php: .php
        case .luajit: .luajit
        }
    }

    private var program: String {
        switch self {
        case .cffi: "ffi_header.py"
        case .php: "ffi_header.php"
        case .luajit: "ffi_header.lua"
        }
    }

    /// Why the language does not parse `header`, does not find a function in the library, or does not agree with C
    /// about a structure; nil if all is well.
    func problem(of header: String) async throws -> String? {
        let directory = try TemporaryDirectory()
        let file = "\(directory.path)/header.h"
        try header.write(toFile: file, atomically: true, encoding: .utf8)
        let interpreter = try await language.interpreter
        let parser = try await ChildProcess.run(
            "/usr/bin/env", interpreter + ["\(CProgram.programs)/\(program)", file, CProgram.library],
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        guard parser.status == 0 else { return parser.text + parser.errors }
        guard parser.text.contains("sizeof(sharedmem_options_t)") else { return "no sizes: \(parser.text)" }

        let compiler = try await ChildProcess.run(
            "/usr/bin/env",
            [
                "clang", "-x", "c", "-std=c11", "-fsyntax-only", "-include", "\(CProgram.include)/sharedmem.h", "-",
            ],
            input: parser.output)
        return compiler.status == 0 ? nil : compiler.errors
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test if the parser's language is not installed.
    static func parser(_ parser: FFIParser) -> Self { .installed(parser.language) }
}
