import Foundation
import Testing

@testable import HTTPMessages

@Suite("Problems")
struct ProblemTests {
    /// Every problem that has a factory of its own, and what it becomes.
    static let problems: [(problem: Problem, type: ProblemType, members: [String: String], headers: [String: String])] =
        [
            (.malformed("x"), .malformedRequest, [:], [:]),
            (.notText("x", offset: 7), .notText, ["offset": "7"], [:]),
            (.noToken, .noToken, [:], ["WWW-Authenticate": "Bearer realm=\"sharedmem\""]),
            (
                .wrongToken, .wrongToken, [:],
                ["WWW-Authenticate": "Bearer realm=\"sharedmem\", error=\"invalid_token\""]
            ),
            (
                .wrongRole(has: "read", needs: "write"), .forbidden, [:],
                ["WWW-Authenticate": "Bearer realm=\"sharedmem\", error=\"insufficient_scope\", scope=\"write\""]
            ),
            (.wrongPeer, .forbidden, [:], [:]), (.notFound, .notFound, [:], [:]),
            (.methodNotAllowed(.read), .methodNotAllowed, [:], ["Allow": "GET, HEAD, OPTIONS"]),
            (.methodNotAllowed(.readAndWrite), .methodNotAllowed, [:], ["Allow": "GET, HEAD, PUT, OPTIONS"]),
            (.requestTimeout, .requestTimeout, [:], [:]),
            (
                .preconditionFailed(current: EntityTag(opaque: "00ff-7")), .preconditionFailed, ["version": "00ff-7"],
                ["ETag": "\"00ff-7\""]
            ),
            (.tooLong(capacity: 1000), .tooLong, ["capacity": "1000"], [:]),
            (.charset, .unsupportedMediaType, [:], [:]),
            (.contentCoding, .unsupportedMediaType, [:], ["Accept-Encoding": "identity"]),
            (.unknownExpectation, .unknownExpectation, [:], [:]), (.unknownHost, .unknownHost, [:], [:]),
            (.headTooLong(limit: 30), .headTooLong, [:], [:]),
            (.unknownMethod, .notImplemented, [:], [:]), (.unknownTransferCoding, .notImplemented, [:], [:]),
            (.unavailable("x"), .unavailable, [:], ["Retry-After": "1"]),
        ]

    @Test("A detail may have quotes")
    func quotes() throws {
        let json = Problem.malformed("If-Match: \"a\\b\"").json
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["detail"] as? String == "If-Match: \"a\\b\"")
    }

    @Test(
        "Each type has its own status code",
        arguments: [
            (.malformedRequest, 400), (.notText, 400), (.noToken, 401), (.wrongToken, 401), (.forbidden, 403),
            (.notFound, 404),
            (.methodNotAllowed, 405), (.requestTimeout, 408), (.preconditionFailed, 412), (.tooLong, 413),
            (.unsupportedMediaType, 415), (.unknownExpectation, 417), (.unknownHost, 421), (.headTooLong, 431),
            (.internalError, 500), (.notImplemented, 501), (.unavailable, 503), (.noSpace, 507), (.notKept, 507),
            (.badOrigin, 502), (.outcomeUnknown, 504), (.loop, 508),
        ] as [(ProblemType, UInt32)])
    func status(_ type: ProblemType, _ code: UInt32) {
        #expect(type.status.rawValue == code)
    }

    @Test("Each type has a name for a URL and a title, both its own")
    func names() {
        let types = ProblemType.allCases
        #expect(types.count == 23)
        #expect(Set(types.map(\.title)).count == types.count)
        for type in types {
            #expect(type.rawValue.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil)
            #expect(type.title.wholeMatch(of: /[A-Z][a-z]+( [a-z]+)*/) != nil)
        }
    }

    @Test("Each problem has its type, members and headers")
    func factories() {
        for (problem, type, members, headers) in Self.problems {
            #expect(problem.type == type)
            let actual = problem.headers.map { ($0.name.rawValue, $0.value) }
            #expect(Dictionary(actual) { $0 + $1 } == headers, "\(problem.detail)")
            #expect(problem.members.map(\.name).sorted() == members.keys.sorted(), "\(problem.detail)")
        }
    }

    @Test("The body is a JSON object with type, title, status, detail and the members, and nothing else")
    func json() throws {
        let plain = ProblemType.allCases.map { Problem($0, "What happened: nothing.") }
        for (problem, members) in Self.problems.map({ ($0.problem, $0.members) }) + plain.map({ ($0, [:]) }) {
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(problem.json.utf8)) as? [String: any Sendable])
            #expect(object["type"] as? String == "/openapi.yaml#/components/examples/\(problem.type.rawValue)")
            #expect(object["title"] as? String == problem.type.title)
            #expect(object["status"] as? Int == Int(problem.type.status.rawValue))
            #expect(object["detail"] as? String == problem.detail)
            for (name, value) in members { #expect(object[name].map { "\($0)" } == value, "\(name)") }
            #expect(object.count == 4 + members.count)
            #expect(problem.json.last == "\n" && problem.json.utf8.allSatisfy { $0 < 0x80 })
        }
    }

    @Test("Numbers are numbers in JSON, and text is text")
    func memberTypes() throws {
        let problem = Problem(.tooLong, "x", members: [("number", .number(7)), ("text", .text("7"))])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(problem.json.utf8)) as? [String: any Sendable])
        #expect(object["number"] as? Int == 7 && object["number"] as? String == nil)
        #expect(object["text"] as? String == "7")
    }

    @Test("No detail has a character that JSON would escape")
    func details() {
        for (problem, _, _, _) in Self.problems {
            #expect(problem.detail.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c })
        }
    }

    @Test("A detail names the value that the client needs")
    func valuesInDetails() {
        #expect(Problem.methodNotAllowed(.read).detail.contains("GET, HEAD, OPTIONS"))
        #expect(Problem.preconditionFailed(current: EntityTag(opaque: "00ff-7")).detail.contains(" 00ff-7."))
        #expect(Problem.tooLong(capacity: 1000).detail.contains(" 1000 "))
    }

    @Test("The head is that of a response that ends its connection", arguments: ProblemType.allCases)
    func head(_ type: ProblemType) {
        let problem = Problem(type, "What happened: nothing.", headers: [(.retryAfter, "1")])
        let head = problem.head(reason: "Reason", date: 784_111_777)
        #expect(head.hasSuffix("\r\n\r\n"))
        let lines = head.split(separator: "\r\n")
        #expect(lines[0] == "HTTP/1.1 \(type.status.rawValue) Reason")
        #expect(
            Set(lines.dropFirst()) == [
                "Content-Type: application/problem+json", "Cache-Control: no-store", "Connection: close",
                "Content-Length: \(problem.json.utf8.count)", "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: 1",
            ])
    }
}
