import Foundation
import TestSupport
import TestTraits
import Testing

/// The programs in `Examples/`, unchanged.
@Suite(.fewAtATime) struct ExamplesTests {
    @Test(arguments: Parent.allCases, Child.allCases)
    func childReadsWhatItsParentSets(_ parent: Parent, _ child: Child) async throws {
        let directory = try TemporaryDirectory()
        let end = try await run(parent.path, [child.path], in: directory)
        #expect(
            end.text == """
                Process is writing to shared memory...

                \(child.reader) process read from shared memory: Esta es una cadena de prueba

                """)
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
        #expect(try directory.names.isEmpty)
    }

    @Test(arguments: Parent.allCases)
    func parentSaysHowToUseIt(_ parent: Parent) async throws {
        let end = try await run(parent.path, [], in: TemporaryDirectory())
        #expect(end.status == 64)
        #expect(end.errors.hasPrefix("usage: "))
    }

    @Test func allReadWhatPythonSets() async throws {
        let directory = try TemporaryDirectory()
        let end = try await run(
            Parent.c.path, ["\(CProgram.programs)/set_and_read.sh"], in: directory,
            [
                "READER": Child.python.path, "C_CHILD": Child.c.path, "SWIFT_CHILD": Child.swift.path,
                "TEXT": "ñandú, 東京, 🙂",
            ])
        let lines = end.text.split(separator: "\n").suffix(3)
        #expect(lines.count == 3 && lines.allSatisfy { $0.hasSuffix(" process read from shared memory: ñandú, 東京, 🙂") })
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
        #expect(try directory.names.isEmpty)
    }

    @Test func pythonReaderSaysWhatFailed() async throws {
        let end = try await ChildProcess.run(
            Child.python.path, [],
            environment: [
                "LD_LIBRARY_PATH": ChildProcess.productDirectory, "SHAREDMEM_DIRECTORY": "/no/such/directory",
            ])
        #expect(end.status == 1)
        #expect(end.errors.hasPrefix("reader.py: ") && end.errors.contains("/no/such/directory"))
    }

    /// An attached parent forks without exec, and the children end in any order.
    @Test func forkedPythonProcessesSetAndGet() async throws {
        let directory = try TemporaryDirectory()
        let end = try await run(
            "/usr/bin/env", ["python3", "\(CProgram.programs)/multiprocessing_fork.py"], in: directory,
            ["PYTHONPATH": "\(CProgram.repository)/Examples/Python", "PYTHONDONTWRITEBYTECODE": "1"])
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
        #expect(try directory.names.isEmpty)
    }

    /// Waits through ctypes, which passes the version as a structure, while a signal handler runs.
    @Test func pythonWaitsForAChange() async throws {
        let directory = try TemporaryDirectory()
        let end = try await run(
            "/usr/bin/env", ["python3", "\(CProgram.programs)/waiting.py"], in: directory,
            ["PYTHONPATH": "\(CProgram.repository)/Examples/Python", "PYTHONDONTWRITEBYTECODE": "1"])
        #expect(end.status == 0 && end.errors.isEmpty, "\(end.errors)")
        #expect(try directory.names.isEmpty)
    }

    /// Programs that import SharedMemory do not need the libraries of the HTTP interface.
    @Test func swiftPairIsWithoutLibmicrohttpd() async throws {
        try await Self.built.value
        let libraries = try await ChildProcess.run("/usr/bin/env", ["ldd", Parent.swift.path])
        #expect(libraries.text.contains("libc.so") && !libraries.text.contains("microhttpd"))
    }

    private func run(
        _ program: String, _ arguments: [String], in directory: TemporaryDirectory, _ more: [String: String] = [:]
    ) async throws -> ChildProcess.Finished {
        try await Self.built.value
        let environment = [
            "SHAREDMEM_DIRECTORY": directory.path, "LD_LIBRARY_PATH": ChildProcess.productDirectory,
            "LC_ALL": "C.UTF-8",
        ]
        return try await ChildProcess.run(program, arguments, environment: environment.merging(more) { $1 }, within: 60)
    }
}

// MARK: Building them

extension ExamplesTests {
    enum Parent: String, CaseIterable, Sendable {
        case c, swift

        var path: String { self == .c ? ChildProcess.product("c-C-parent") : "\(swiftProducts)/parent" }
    }

    enum Child: String, CaseIterable, Sendable {
        case c, swift, python

        var reader: String { self == .python ? "Python" : "Child" }

        var path: String {
            switch self {
            case .c: ChildProcess.product("c-C-child")
            case .swift: "\(swiftProducts)/child"
            case .python: "\(CProgram.repository)/Examples/Python/reader.py"
            }
        }
    }

    private static let scratch = ChildProcess.product("examples")
    private static let swiftProducts = "\(scratch)/debug"

    private static let built = Task {
        _ = try await CProgram.compile("\(CProgram.repository)/Examples/C/parent.c")
        _ = try await CProgram.compile("\(CProgram.repository)/Examples/C/child.c")
        // Without pkg-config's files the package finds no libmicrohttpd, as where it is not installed.
        let build = try await ChildProcess.run(
            "/usr/bin/env",
            ["swift", "build", "--package-path", "\(CProgram.repository)/Examples/Swift", "--scratch-path", scratch],
            environment: ["PKG_CONFIG_LIBDIR": "/nonexistent", "PKG_CONFIG_PATH": ""], within: 600)
        guard build.status == 0 else { throw CProgram.Failed(description: build.text + build.errors) }
    }
}
