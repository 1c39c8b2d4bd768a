import Foundation
import TestSupport
import Testing

/// A language with an example in `Examples/`, and how to build and run it.
enum Language: String, CaseIterable, Sendable {
    case go, java, luajit, perl, php, python, ruby, rust

    private static let examples = "\(CProgram.repository)/Examples"
    private static let jna = "/usr/share/java/jna.jar"

    /// The environment in which each language finds the library, and takes its arguments for UTF-8.
    static let environment = ["LD_LIBRARY_PATH": ChildProcess.productDirectory, "LC_ALL": "C.UTF-8"]

    /// A command that succeeds if the language and what its example needs are installed.
    private var probe: [String] {
        get async throws {
            switch self {
            case .go: ["sh", "-c", "go version && pkg-config --version"]
            case .java: ["sh", "-c", "test -e \(Self.jna) && java --list-modules | grep jdk.compiler"]
            case .luajit: ["luajit", "-v"]
            case .perl: ["perl", "-MFFI::Platypus", "-e", ""]
            case .php: try await interpreter + ["-r", "FFI::cdef('int getpid(void);');"]
            case .python: try await interpreter + ["-c", "import cffi"]
            case .ruby: ["ruby", "-rfiddle/import", "-e", ""]
            case .rust: ["rustc", "--version"]
            }
        }
    }

    /// Runs a program of an interpreted language.
    var interpreter: [String] {
        get async throws {
            switch self {
            case .go, .rust: []
            case .java: ["java", "-cp", Self.jna]
            case .luajit, .perl, .ruby: [rawValue]
            case .php: ["php", "-d", "ffi.enable=1"]
            case .python: [try await Self.pythonWithCFFI.value]
            }
        }
    }

    /// The Python in PATH or, if that is a virtual environment's, the system's.
    private static let pythonWithCFFI = Task {
        let first = try await ChildProcess.run("/usr/bin/env", ["python3", "-c", "import cffi"])
        return first.status == 0 ? "python3" : "/usr/bin/python3"
    }

    /// Runs the example, which is built if need be.
    var command: [String] {
        get async throws {
            CProgram.linkLibrary()
            return switch self {
            case .go: [try await Self.goProgram.value]
            case .rust: [try await Self.rustProgram.value]
            case .java: try await interpreter + ["\(Self.examples)/Java/Text.java"]
            case .luajit: try await interpreter + ["\(Self.examples)/LuaJIT/text.lua"]
            case .perl: try await interpreter + ["\(Self.examples)/Perl/text.pl"]
            case .php: try await interpreter + ["\(Self.examples)/PHP/text.php"]
            case .python: try await interpreter + ["\(Self.examples)/Python/text.py"]
            case .ruby: try await interpreter + ["\(Self.examples)/Ruby/text.rb"]
            }
        }
    }

    /// The next language that is installed; this one, if there is no other.
    var next: Language {
        get async throws {
            let installed = try await Self.installed.value
            let after = installed.drop { $0 != self }.dropFirst()
            return after.first ?? installed.first ?? self
        }
    }

    static let installed = Task {
        var languages: [Language] = []
        for language in allCases {
            let probe = try await ChildProcess.run("/usr/bin/env", language.probe)
            if probe.status == 0 { languages.append(language) }
        }
        return languages
    }
}

// MARK: Building

extension Language {
    private static let goProgram = Task {
        try await buildGo("\(examples)/Go/text.go", named: "go-text")
    }

    private static let rustProgram = Task {
        try await built("rust-text") {
            ["rustc", "-L", ChildProcess.productDirectory, "-o", $0, "\(examples)/Rust/text.rs"]
        }
    }

    /// Builds a program in Go, and returns its path.
    static func buildGo(_ source: String, named name: String) async throws -> String {
        let descriptions = try describePackage()
        return try await built(
            name, environment: ["PKG_CONFIG_PATH": descriptions, "GOCACHE": ChildProcess.product("go-cache")]
        ) { ["go", "build", "-o", $0, source] }
    }

    /// Builds into the build folder, as /dev/shm may be mounted noexec.
    private static func built(
        _ name: String, environment: [String: String] = [:], _ command: (String) -> [String]
    ) async throws -> String {
        CProgram.linkLibrary()
        let program = ChildProcess.product(name)
        let build = try await ChildProcess.run(
            "/usr/bin/env", command(program), environment: environment, within: 300)
        guard build.status == 0 else { throw CProgram.Failed(description: build.text + build.errors) }
        return program
    }

    /// Writes the pkg-config file of the built library, as `make install` does, and returns its folder.
    private static func describePackage() throws -> String {
        let folder = ChildProcess.product("pkgconfig")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let template = "\(CProgram.repository)/Packaging/sharedmem.pc.in"
        let description = try String(contentsOfFile: template, encoding: .utf8)
            .replacing("@PREFIX@", with: ChildProcess.productDirectory)
            .replacing("@LIBDIR@", with: ChildProcess.productDirectory)
            .replacing("@INCLUDEDIR@", with: CProgram.include)
            .replacing("@VERSION@", with: "0")
        try description.write(toFile: "\(folder)/sharedmem.pc", atomically: true, encoding: .utf8)
        return folder
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test if the language is not installed.
    static func installed(_ language: Language) -> Self {
        .enabled("\(language), or what its example needs, is not installed. Scripts/bootstrap names the packages.") {
            try await Language.installed.value.contains(language)
        }
    }
}
