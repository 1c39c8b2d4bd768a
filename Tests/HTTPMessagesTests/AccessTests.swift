import Testing

@testable import HTTPMessages

@Suite("Allowed hosts")
struct AllowedHostsTests {
    func isAllowed(_ host: String, _ names: [String]) -> Bool { AllowedHosts(names).contains(host.bytes.span) }

    @Test(
        "Loopback names and addresses are always allowed, with any port",
        arguments: [
            "localhost", "LOCALHOST:8080", "localhost:", "a.localhost", "a.b.localhost", "A.LocalHost:1", "127.0.0.1",
            "127.0.0.1:80", "127.1.2.3:80", "127.255.255.255", "127.1", "[::1]", "[::1]:8080", "localhost.",
            "localhost.:8080", "a.localhost.", "[0:0:0:0:0:0:0:1]", "[0:0:0:0:0:0:0:1]:80", "[::0001]",
            "[::ffff:127.0.0.1]", "[::FFFF:127.9.9.9]:80", "[0:0:0:0:0:ffff:7f00:1]",
        ])
    func loopback(_ host: String) {
        for names in [[], ["one.example"]] { #expect(isAllowed(host, names)) }
    }

    @Test(
        "Any other host is refused",
        arguments: [
            "", ":80", "evil.example", "evil.example:8080", "notlocalhost", "localhost.evil.example", ".localhost",
            "localhost..", ".", "local", "127.0.0.1.evil.example", "127.evil", "127", "1270.0.0.1", "128.0.0.1",
            "0.0.0.0",
            "192.168.0.1", "[::2]", "::1", "[::1", "[::11]", "[::1]x", "[::ffff:128.0.0.1]", "[::ffff:0:127.0.0.1]",
            "[]", "[::1%lo]", "[127.0.0.1]", "localhost:80:80",
            "localhost80",
            "localhost:x",
        ])
    func others(_ host: String) {
        for names in [[], ["one.example"]] { #expect(!isAllowed(host, names)) }
    }

    @Test(
        "A configured name is allowed, and one with a leading dot allows all names below it",
        arguments: [
            ("one.example", true), ("ONE.EXAMPLE:80", true), ("a.one.example", false), ("a.two.example", true),
            ("a.b.TWO.example", true), ("two.example", false), (".two.example", false), ("atwo.example", false),
            ("a.two.example.evil", false), ("localhost", true), ("one.exampl", false), ("[fe80::1]", true),
        ])
    func configured(_ host: String, _ isAllowed: Bool) {
        #expect(self.isAllowed(host, ["One.example", ".two.example", "[fe80::1]"]) == isAllowed)
    }
}

@Suite("Bearer token")
struct BearerTokenTests {
    func judge(_ value: [UInt8], by token: String) -> Authorization? {
        BearerToken(token).map { AccessPolicy(tokens: [$0]).authorize(value.span) }
    }

    static let visible = String(decoding: UInt8(0x21)...0x7e, as: UTF8.self)

    @Test("A token is visible ASCII that a header can carry")
    func valid() {
        for byte in UInt8(0)...0x7f {
            let text = String(decoding: [0x61, byte], as: UTF8.self)
            #expect((BearerToken(text) != nil) == (0x21...0x7e).contains(byte), "\(byte)")
        }
        for text in ["", " ", "ñ", "a\u{200b}"] { #expect(BearerToken(text) == nil, "\(text)") }
        #expect(judge("Bearer \(Self.visible)".bytes, by: Self.visible) == .granted(token: 0))
    }

    @Test(
        "A header is judged by its scheme and token",
        arguments: [
            ("Bearer s3cret-Token", .granted(token: 0)), ("bearer s3cret-Token", .granted(token: 0)),
            ("BEARER  s3cret-Token", .granted(token: 0)),
            ("Bearer \t s3cret-Token ", .granted(token: 0)), ("", .missing), ("Bearer", .missing),
            ("s3cret-Token", .missing),
            ("Basic s3cret-Token", .missing), ("Bearers3cret-Token", .missing), ("Bearer\ts3cret-Token", .missing),
            (" Bearer s3cret-Token", .missing), ("Bearerx s3cret-Token", .missing), ("Bearer ", .wrong),
            ("Bearer wrong", .wrong), ("Bearer S3cret-Token", .wrong), ("Bearer s3cret-Token x", .wrong),
            ("Bearer s3cret-Token, s3cret-Token", .wrong), ("Bearer s3cret-Tokens3cret-Token", .wrong),
        ] as [(String, Authorization)])
    func judgement(_ value: String, _ authorization: Authorization) {
        #expect(judge(value.bytes, by: "s3cret-Token") == authorization)
    }

    @Test("A guess that differs in any byte or in length is wrong")
    func guesses() {
        let secret = "s3cret-Token".bytes
        func judge(_ guess: [UInt8]) -> Authorization? { self.judge("Bearer ".bytes + guess, by: "s3cret-Token") }
        for index in secret.indices {
            for bit in 0..<8 {
                var guess = secret
                guess[index] ^= 1 << bit
                #expect(judge(guess) == .wrong, "\(guess)")
            }
            #expect(judge(Array(secret.prefix(index))) == .wrong)
            #expect(judge(secret + secret.prefix(index + 1)) == .wrong)
        }
        // These two lengths have the same last byte.
        #expect(self.judge("Bearer \(String(repeating: "a", count: 257))".bytes, by: "a") == .wrong)
    }
}

@Suite("Access policy")
struct AccessPolicyTests {
    func allows(_ host: String, _ policy: AccessPolicy) -> Bool { policy.allows(host: host.bytes.span) }

    func authorization(_ value: String, _ policy: AccessPolicy) -> Authorization {
        policy.authorize(value.bytes.span)
    }

    @Test("Without hosts, every host is allowed; with them, only those")
    func hosts() {
        #expect(allows("evil.example", AccessPolicy()))
        let policy = AccessPolicy(hosts: AllowedHosts(["one.example"]))
        #expect(allows("one.example", policy))
        #expect(!allows("evil.example", policy))
    }

    @Test("Without tokens, every request is granted; with some, those that have one of them, and the policy says which")
    func tokens() {
        #expect(authorization("x", AccessPolicy()) == .granted(token: nil))
        let policy = AccessPolicy(tokens: ["first", "second", "third"].compactMap(BearerToken.init))
        for (index, token) in ["first", "second", "third"].enumerated() {
            #expect(authorization("Bearer \(token)", policy) == .granted(token: index))
        }
        #expect(authorization("Bearer other", policy) == .wrong)
        #expect(authorization("Basic first", policy) == .missing)
    }
}
