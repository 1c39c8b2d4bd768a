import Foundation
import TestSupport
import TestTraits
import Testing

/// The pages that `Scripts/man` writes from `--help` and the header.
@Suite(.fewAtATime) struct ManualTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func eachSubcommandHasAPageWithItsOptions() async throws {
        let pages = try await write()
        let help = try await help([])
        let subcommands = help.split(separator: "SUBCOMMANDS:")[1]
            .matches(of: #/\n {2}([a-z]+) /#).map { String($0.1) }
        #expect(subcommands.count >= 12)
        #expect(
            Set(pages.keys)
                == Set(subcommands.map { "man1/sharedmem-\($0).1" } + ["man1/sharedmem.1", "man3/libsharedmem.3"]))
        for name in subcommands {
            let page = try #require(pages["man1/sharedmem-\(name).1"])
            let options = try await self.help([name]).matches(of: /\n {2}(?:-. *, *)?--([a-z-]+)/).map { String($0.1) }
            #expect(options.contains("help"))
            for option in options {
                #expect(page.contains(try Regex(#"\n\.It Fl (. , )?-\#(option)( |\n)"#)), "\(name) --\(option)")
            }
            #expect(try #require(pages["man1/sharedmem.1"]).contains("\n.It Ic \(name)\n"))
        }
    }

    @Test func eachDeclarationOfTheHeaderIsDescribed() async throws {
        let page = try #require(try await write()["man3/libsharedmem.3"])
        let header = try String(
            contentsOfFile: "\(repository)/Sources/CSharedMem/include/sharedmem.h", encoding: .utf8)
        let names = header.matches(of: #/\n[a-z].*?(\w+)\(|\n\} (\w+);|\n#define (SHAREDMEM_[A-Z_]+) /#)
            .map { String($0.1 ?? $0.2 ?? $0.3 ?? "") }
        #expect(names.count > 30)
        for name in names { #expect(page.contains("\n.Ss \(name)\n"), "\(name)") }
        let errors = header.matches(of: /\n\/\/\/? {5}(E[A-Z]+)/)
        #expect(page.matches(of: #/\n\.It Er /#).count == errors.count)
    }

    @Test func pagesAreValid() async throws {
        let pages = try await write()
        for path in pages.keys.sorted() {
            let lint = try await ChildProcess.run(
                "/usr/bin/env", ["mandoc", "-T", "lint", "-W", "warning", "\(directory.path)/\(path)"])
            #expect(lint.status == 0 && lint.text.isEmpty && lint.errors.isEmpty, "\(lint.text)\(lint.errors)")
        }
    }

    /// The pages by their paths.
    private func write() async throws -> [String: String] {
        let script = try await ChildProcess.run(
            "\(repository)/Scripts/man", [ChildProcess.product("sharedmem"), directory.path])
        #expect(script.status == 0 && script.errors.isEmpty, "\(script.errors)")
        return try Dictionary(
            uniqueKeysWithValues: FileManager.default.subpathsOfDirectory(atPath: directory.path)
                .filter { $0.contains(".") }
                .map { ($0, try String(contentsOfFile: "\(directory.path)/\($0)", encoding: .utf8)) })
    }

    private func help(_ arguments: [String]) async throws -> String {
        try await ChildProcess.run(ChildProcess.product("sharedmem"), arguments + ["--help"]).text
    }

    private let repository = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../..").standardizedFileURL.path
}
