import HTTPMessages
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import Testing

/// The conditions of RFC 9110, each alone and all combined.
@Suite("Preconditions")
struct PreconditionTests {
    let server: TestServer
    let entityTag: String
    let lastModified: Int64

    init() throws {
        server = try TestServer()
        let segment = try server.segment()
        try segment.set("current")
        let snapshot = try segment.snapshot()
        entityTag = "\"\(snapshot.version)\""
        lastModified = Int64(snapshot.publicationTime.secondsSince1970)
    }

    /// A header's value, and whether the condition holds; nil if it is absent or must be ignored.
    struct Condition {
        let value: String?
        let holds: Bool?

        init(_ value: String?, _ holds: Bool?) {
            self.value = value
            self.holds = holds
        }
    }

    var ifMatch: [Condition] {
        [
            Condition(nil, nil), Condition(entityTag, true), Condition("*", true), Condition("\"other\"", false),
            Condition("W/\(entityTag)", false), Condition("\"a,b\" , ,\(entityTag),\"c\"", true),
            Condition("\"\"", false),
        ]
    }

    var ifNoneMatch: [Condition] {
        [
            Condition(nil, nil), Condition(entityTag, false), Condition("*", false), Condition("\"other\"", true),
            Condition("W/\(entityTag)", false), Condition("\"x\", \(entityTag)", false), Condition("W/\"x\"", true),
        ]
    }

    var ifUnmodifiedSince: [Condition] {
        [
            Condition(nil, nil), Condition(HTTPDate.format(lastModified - 1), false),
            Condition(HTTPDate.format(lastModified), false), Condition(HTTPDate.format(lastModified + 1), true),
            Condition("yesterday", nil),
        ]
    }

    var ifModifiedSince: [Condition] {
        [
            Condition(nil, nil), Condition(HTTPDate.format(lastModified - 1), true),
            Condition(HTTPDate.format(lastModified), false), Condition(HTTPDate.format(lastModified + 1), false),
            Condition("0", nil),
        ]
    }

    /// RFC 9110, 13.2.2, step by step.
    func expected(
        _ method: String, _ match: Bool?, _ unmodified: Bool?, _ noneMatch: Bool?, _ modified: Bool?
    ) -> Int {
        if match == false || match == nil && unmodified == false { return 412 }
        if noneMatch == false { return method == "PUT" ? 412 : 304 }
        if noneMatch == nil && method != "PUT" && modified == false { return 304 }
        return method == "PUT" ? 204 : 200
    }

    @Test("A read obeys every combination of the four conditions", arguments: ["GET", "HEAD"])
    func reads(method: String) throws {
        let client = try server.connect()
        for (fields, conditions) in combinations {
            let response = try client.request(method, "/shared", fields)
            let status = expected(method, conditions[0], conditions[1], conditions[2], conditions[3])
            #expect(response.status == status, "\(fields)")
            #expect(response["ETag"] == entityTag)
            if status == 200, method == "GET" { #expect(response.text == "current") }
        }
    }

    @Test("A set obeys every combination of the four conditions")
    func sets() throws {
        let client = try server.connect()
        let segment = try server.segment()
        let version = try segment.version
        var count: UInt64 = 0
        for (fields, conditions) in combinations {
            let status = expected("PUT", conditions[0], conditions[1], conditions[2], conditions[3])
            // A set that succeeds would change the conditions of the next: only those that must fail are tried here.
            guard status == 412 else { continue }
            let response = try client.request("PUT", "/shared", fields, body: Array("other".utf8))
            #expect(response.status == 412, "\(fields)")
            #expect(response["ETag"] == entityTag)
            #expect(response.problem["version"] as? String == "\(version)")
            count += 1
        }
        #expect(count > 500)
        #expect(try segment.get() == "current")
        #expect(try segment.version == version)
    }

    @Test("A set whose conditions hold succeeds")
    func setsThatHold() throws {
        let client = try server.connect()
        var tag = entityTag
        let later = HTTPDate.format(lastModified + 1000)
        for fields in [
            { ["If-Match: \($0)"] }, { _ in ["If-Match: *"] }, { ["If-Match: \"a\"", "If-Match: \($0)"] },
            { _ in ["If-Unmodified-Since: \(later)"] }, { _ in ["If-None-Match: \"a\", W/\"b\""] },
            { ["If-Match: \($0)", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"] },
            { _ in ["If-Modified-Since: \(later)"] }, { _ in ["if-unmodified-since: never"] },
        ] as [(String) -> [String]] {
            let response = try client.request("PUT", "/shared", fields(tag), body: [0x61])
            #expect(response.status == 204, "\(fields(tag))")
            #expect(response["ETag"] != tag)
            tag = response["ETag"] ?? ""
        }
    }

    /// Headers, and whether If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since hold.
    var combinations: [(fields: [String], conditions: [Bool?])] {
        var all: [(fields: [String], conditions: [Bool?])] = [([], [])]
        for (name, conditions) in [
            ("If-Match", ifMatch), ("If-Unmodified-Since", ifUnmodifiedSince), ("If-None-Match", ifNoneMatch),
            ("If-Modified-Since", ifModifiedSince),
        ] {
            all = all.flatMap { before in
                conditions.map { condition in
                    (
                        before.fields + (condition.value.map { ["\(name): \($0)"] } ?? []),
                        before.conditions + [condition.holds]
                    )
                }
            }
        }
        return all
    }

    @Test("A segment that was never set has a text, the empty one, to all conditions")
    func neverSet() throws {
        let server = try TestServer()
        let tag = try #require(try server.request()["ETag"])
        #expect(try server.set("x", ["If-None-Match: *"]).status == 412)
        #expect(try server.set("x", ["If-None-Match: \(tag)"]).status == 412)
        #expect(try server.segment().version.number == 0)
        #expect(try server.set("x", ["If-Match: \(tag)"]).status == 204)
        #expect(try server.set("x", ["If-Match: \(tag)"]).status == 412)
    }

    @Test("The entity tag of another instance, or a number alone, matches nothing")
    func otherInstance() throws {
        let number = try server.segment().version.number
        for tag in ["\"\(number)\"", "\"0000000000000000-\(number)\"", "\"-\(number)\"", entityTag.lowercased() + "x"] {
            #expect(try server.set("x", ["If-Match: \(tag)"]).status != 204)
        }
        #expect(try server.segment().get() == "current")
    }

    @Test(
        "A malformed entity tag makes a set fail, and a read ignores it",
        arguments: [
            "5", "abc", "\"", "\"a", "W/", "w/\"a\"", "\"a\" \"b\"", "*, \"a\"", "\"a\", *", "", ",",
        ])
    func malformedTags(value: String) throws {
        for name in ["If-Match", "If-None-Match"] {
            let response = try server.set("x", ["\(name): \(value)"])
            #expect(response.status == 400)
            #expect(response.problem["status"] as? Int == 400)
        }
        #expect(try server.segment().get() == "current")
        if !value.contains("*") {
            #expect(try server.request("GET", "/shared", ["If-None-Match: \(value)"]).status == 200)
        }
    }

    @Test("A 304 has the Content-Length and Last-Modified of the text")
    func notModifiedLength() throws {
        let client = try server.connect()
        let response = try client.request("GET", "/shared", ["If-None-Match: \(entityTag)"])
        #expect(response.status == 304)
        #expect(response["Content-Length"] == "7")
        #expect(response["Last-Modified"] == HTTPDate.format(lastModified))
        #expect(try client.request().text == "current")
    }
}
