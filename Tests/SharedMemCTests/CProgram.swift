import Foundation
import TestSupport

/// A C program that a test compiles and runs with the built libSharedMem.so.
struct CProgram: Sendable {
    let path: String

    private static let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    static let programs = here.appendingPathComponent("Programs").path
    static let repository = here.deletingLastPathComponent().deletingLastPathComponent().path
    static let include = "\(repository)/Sources/CSharedMem/include"
    static let library = ChildProcess.product("libSharedMem.so")

    /// Compiles a program into the build folder, as /dev/shm may be mounted noexec.
    static func compile(_ source: String, linked: Bool = true) async throws -> CProgram {
        let name = source.split(separator: "/").suffix(2).joined(separator: "-").replacing(".c", with: "")
        let path = ChildProcess.product("c-\(name)")
        linkLibrary()
        let link = ["-L", ChildProcess.productDirectory, "-lSharedMem", "-Wl,-rpath,\(ChildProcess.productDirectory)"]
        let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread"] + words("CFLAGS")
        let compiler = try await ChildProcess.run(
            "/usr/bin/env",
            (words("CC") + ["cc"]).prefix(1) + flags + ["-I", include, source, "-o", path] + (linked ? link : ["-ldl"]),
            within: 120)
        guard compiler.status == 0 else { throw Failed(description: compiler.errors) }
        return CProgram(path: path)
    }

    /// Lets programs find the library under its soname.
    ///
    /// If the link exists already, this fails, and that is fine.
    static func linkLibrary() { symlink("libSharedMem.so", ChildProcess.product("libSharedMem.so.0")) }

    private static func words(_ variable: String) -> [String] {
        ProcessInfo.processInfo.environment[variable]?.split(separator: " ").map(String.init) ?? []
    }

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }
}

/// A test program in `Programs/`, with its cases.
enum CaseProgram: String, CaseIterable, Sendable {
    case wide, handles, options, borrows, readers, waiting, forks, endings, loading, complete

    private static let compiled = Task {
        var programs: [CaseProgram: CProgram] = [:]
        for program in allCases {
            programs[program] = try await CProgram.compile(
                "\(CProgram.programs)/\(program).c", linked: program != .loading)
        }
        return programs
    }

    private var path: String {
        get async throws {
            let programs = try await Self.compiled.value
            guard let program = programs[self] else { throw CProgram.Failed(description: "no \(self)") }
            return program.path
        }
    }

    /// The names of the program's cases.
    var cases: [String] {
        get async throws {
            let directory = try TemporaryDirectory()
            let list = try await ChildProcess.run(path, [], environment: environment(directory))
            guard list.status == 0 else { throw CProgram.Failed(description: list.errors) }
            return list.text.split(separator: "\n").map(String.init)
        }
    }

    func run(_ name: String, in directory: TemporaryDirectory) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(path, [name], environment: environment(directory), within: 180)
    }

    private func environment(_ directory: TemporaryDirectory) -> [String: String] {
        [
            "SHAREDMEM_DIRECTORY": directory.path, "SHAREDMEM_LIBRARY": CProgram.library,
            "SHAREDMEM_CAPACITY": self == .wide ? "4096" : "",
        ]
    }
}
