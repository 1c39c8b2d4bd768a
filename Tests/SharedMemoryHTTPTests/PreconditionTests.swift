import Foundation
import HTTPMessages
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// The conditions of RFC 9110, as the server applies them to a segment.
@Suite("Preconditions", .fewAtATime)
struct PreconditionTests {
    let server: TestServer
    let entityTag: String
    let lastModified: Int64

    init() throws {
        server = try TestServer()
        let segment = try server.segment()
        try segment.set("current")
        try server.setTextsAge(seconds: 10)
        let snapshot = try segment.snapshot()
        entityTag = "\"\(snapshot.version)\""
        lastModified = Int64(snapshot.publicationTime.secondsSince1970)
    }

    /// Headers, and the status of a read and of a set with them; ConditionsTests has all combinations.
    var cases: [(headers: [String], read: Int, set: Int)] {
        let earlier = HTTPDate.format(lastModified - 1)
        let (same, later) = (HTTPDate.format(lastModified), HTTPDate.format(lastModified + 1))
        return [
            ([], 200, 204), (["If-Match: \(entityTag)"], 200, 204), (["If-Match: *"], 200, 204),
            (["If-Match: \"other\""], 412, 412), (["If-Match: W/\(entityTag)"], 412, 412),
            (["If-Match: \"a\"", "If-Match: \(entityTag)"], 200, 204),
            (["If-None-Match: \(entityTag)"], 304, 412), (["If-None-Match: *"], 304, 412),
            (["If-None-Match: \"a\", W/\(entityTag)"], 304, 412), (["If-None-Match: \"other\""], 200, 204),
            (["If-Unmodified-Since: \(earlier)"], 412, 412), (["If-Unmodified-Since: \(same)"], 200, 204),
            (["If-Unmodified-Since: \(later)"], 200, 204),
            (["If-Modified-Since: \(same)"], 304, 204),
            (["If-Match: \(entityTag)", "If-Unmodified-Since: \(earlier)"], 200, 204),
            (["If-Match: \"other\"", "If-None-Match: \(entityTag)"], 412, 412),
            (["If-None-Match: \"other\"", "If-Modified-Since: \(later)"], 200, 204),
            (["If-None-Match: \(entityTag)", "If-Unmodified-Since: \(earlier)"], 412, 412),
        ]
    }

    @Test("A read obeys its conditions", arguments: ["GET", "HEAD"])
    func reads(method: String) throws {
        let client = try server.connect()
        for (headers, status, _) in cases {
            let response = try client.request(method, "/shared", headers)
            #expect(response.status == status, "\(headers)")
            #expect(response["ETag"] == entityTag)
            if status == 200, method == "GET" { #expect(response.text == "current") }
        }
    }

    @Test("A set whose conditions fail is 412 and sets nothing")
    func sets() throws {
        let client = try server.connect()
        let segment = try server.segment()
        let version = try segment.version
        for (headers, _, status) in cases where status == 412 {
            let response = try client.request("PUT", "/shared", headers, body: Array("other".utf8))
            #expect(response.status == 412, "\(headers)")
            #expect(response["ETag"] == entityTag)
            #expect(response.problem["version"] as? String == "\(version)")
        }
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
            try server.setTextsAge(seconds: 5)
            let response = try client.request("PUT", "/shared", fields(tag), body: [0x61])
            #expect(response.status == 204, "\(fields(tag))")
            #expect(response["ETag"] != tag)
            tag = response["ETag"] ?? ""
        }
    }

    @Test("To all conditions, a segment that was never set has text: the empty text")
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
            "abc", "\"a", "\"a\" \"b\"", "*, \"a\"", "",
        ])
    func malformedTags(value: String) throws {
        for name in ["If-Match", "If-None-Match"] {
            let response = try server.set("x", ["\(name): \(value)"])
            #expect(response.status == 400)
            #expect(response.problem["status"] as? Int == 400)
            let detail = response.problem["detail"] as? String
            #expect(
                detail?.hasPrefix("\(name) contains a malformed") == true
                    && detail?.contains("\(name): \"bf51aad6d45c6afb-1\"") == true, "\(detail ?? "")")
        }
        #expect(try server.segment().get() == "current")
        if !value.contains("*") {
            #expect(try server.request("GET", "/shared", ["If-None-Match: \(value)"]).status == 200)
        }
    }

    @Test("Until the second of a change has passed, there is no Last-Modified, and no date hides what is set next")
    func twoTextsInOneSecond() throws {
        let client = try server.connect()
        for age in [0.0, -1000] {
            // The clock must not pass a second between the two.
            for _ in 0..<100 {
                try server.segment().set("first")
                try server.setTextsAge(seconds: age)
                let date = Int64(Date().timeIntervalSince1970 - age)
                let response = try client.request()
                let (same, later) = (HTTPDate.format(date), HTTPDate.format(date + 5000))
                let conditional = try client.request("GET", "/shared", ["If-Modified-Since: \(same)"])
                let unmodified = try client.request(
                    "PUT", "/shared", ["If-Unmodified-Since: \(later)"], body: Array("lost".utf8))
                guard Int64(Date().timeIntervalSince1970 - age) == date else { continue }
                #expect(response["Last-Modified"] == nil && response.text == "first")
                #expect(conditional.status == 200 && conditional.text == "first")
                #expect(unmodified.status == 412)
                break
            }
        }
        try server.setTextsAge(seconds: 10)
        try server.segment().set("second")
        try server.setTextsAge(seconds: 5)
        let response = try client.request()
        #expect(response["Last-Modified"] != nil && response.text == "second")
    }

    @Test("A 304 has the Content-Length of the text")
    func notModifiedLength() throws {
        let client = try server.connect()
        let response = try client.request("GET", "/shared", ["If-None-Match: \(entityTag)"])
        #expect(response.status == 304)
        #expect(response["Content-Length"] == "7")
        #expect(try client.request().text == "current")
    }
}
