import TestSupport
import TestTraits
import Testing

/// The cases of `Programs/*.c`; each runs in a process of its own and leaves nothing behind.
@Suite(.fewAtATime) struct CInterfaceTests {
    @Test(arguments: try await CaseProgram.wide.cases)
    func wideFunctions(_ name: String) async throws { try await pass(.wide, name) }

    @Test(arguments: try await CaseProgram.handles.cases)
    func handles(_ name: String) async throws { try await pass(.handles, name) }

    @Test(arguments: try await CaseProgram.options.cases)
    func options(_ name: String) async throws { try await pass(.options, name) }

    @Test(arguments: try await CaseProgram.borrows.cases)
    func borrows(_ name: String) async throws { try await pass(.borrows, name) }

    @Test(arguments: try await CaseProgram.readers.cases)
    func readers(_ name: String) async throws { try await pass(.readers, name) }

    @Test(arguments: try await CaseProgram.waiting.cases)
    func waiting(_ name: String) async throws { try await pass(.waiting, name) }

    @Test(arguments: try await CaseProgram.forks.cases)
    func forks(_ name: String) async throws { try await pass(.forks, name) }

    @Test(arguments: try await CaseProgram.endings.cases)
    func endings(_ name: String) async throws { try await pass(.endings, name) }

    @Test(arguments: try await CaseProgram.loading.cases)
    func loading(_ name: String) async throws { try await pass(.loading, name) }

    @Test(arguments: try await CaseProgram.complete.cases)
    func complete(_ name: String) async throws { try await pass(.complete, name) }

    private func pass(_ program: CaseProgram, _ name: String) async throws {
        let directory = try TemporaryDirectory()
        let end = try await program.run(name, in: directory)
        #expect(end.status == 0 && !end.wasKilled, "\(end.errors)")
        #expect(end.errors.isEmpty)
        #expect(try directory.names.isEmpty)
    }
}
