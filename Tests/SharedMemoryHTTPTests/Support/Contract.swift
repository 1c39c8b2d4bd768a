import Foundation
import TestSupport
import Testing

/// The document in `openapi.yaml`.
struct Contract: Sendable {
    let document: JSON

    static func load(_ path: String) async throws -> Contract {
        // Installed with the validator, which needs it too.
        let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"
        let result = try await ChildProcess.run("python3", ["-c", script, path])
        try #require(result.status == 0, "\(result.errors)")
        return Contract(document: try JSONDecoder().decode(JSON.self, from: result.output))
    }

    /// The value that a reference leads to; any other value is returned as it is.
    func resolve(_ value: JSON) -> JSON {
        guard let reference = value["$ref"]?.string else { return value }
        let steps = reference.dropFirst(2).split(separator: "/").map(String.init)
        return steps.reduce(document) { $0[$1] ?? .null }
    }

    /// The documented responses, by path, method and status.
    var responses: [Key: JSON] {
        var responses: [Key: JSON] = [:]
        for (path, item) in document["paths"]?.object ?? [:] {
            for (method, operation) in item.object ?? [:] {
                for (status, response) in operation["responses"]?.object ?? [:] {
                    responses[Key(path, method.uppercased(), Int(status) ?? 0)] = resolve(response)
                }
            }
        }
        return responses
    }

    struct Key: Hashable, CustomStringConvertible {
        let path: String
        let method: String
        let status: Int

        init(_ path: String, _ method: String, _ status: Int) {
            (self.path, self.method, self.status) = (path, method, status)
        }

        var description: String { "\(method) \(path): \(status)" }
    }

    /// Checks a response against its description.
    func check(_ response: RawResponse, against described: JSON, _ key: Key) {
        for (name, reference) in described["headers"]?.object ?? [:] {
            let header = resolve(reference)
            let value = response[name]
            if header["required"]?.boolean == true { #expect(value != nil, "\(key): \(name)") }
            guard let value, let schema = header["schema"] else { continue }
            if let constant = schema["const"]?.string { #expect(value == constant, "\(key): \(name)") }
            if let pattern = schema["pattern"]?.string {
                #expect(value.range(of: pattern, options: .regularExpression) != nil, "\(key): \(name): \(value)")
            }
        }
        let types = described["content"]?.object ?? [:]
        if types.isEmpty {
            #expect(response.body.isEmpty, "\(key)")
        } else {
            let type = response["Content-Type"] ?? ""
            #expect(types[type] != nil, "\(key): \(type)")
            if key.method != "HEAD", let schema = types[type]?["schema"] {
                check(response, schema: resolve(schema), key)
            }
        }
    }

    private func check(_ response: RawResponse, schema: JSON, _ key: Key) {
        if let constant = schema["const"]?.string { #expect(response.text == constant, "\(key)") }
        guard schema["type"]?.string == "object" else { return }
        guard let body = try? JSONDecoder().decode(JSON.self, from: Data(response.body)) else {
            Issue.record("\(key): the body is not JSON")
            return
        }
        check(body, schema, key)
        if let status = body["status"] { #expect(status.integer == key.status) }
    }

    private func check(_ value: JSON, _ schema: JSON, _ key: Key) {
        guard let body = value.object else {
            Issue.record("\(key): \(value) is not an object")
            return
        }
        for required in schema["required"]?.array ?? [] { #expect(body[required.string ?? ""] != nil, "\(key)") }
        for (name, value) in body {
            let property = schema["properties", name]
            // Either of several types.
            let types = property?["oneOf"]?.array ?? property?["type"]?.array?.map { .object(["type": $0]) } ?? []
            switch property?["type"]?.string {
            case "string": #expect(value.string != nil, "\(key): \(name)")
            case "integer": #expect(value.integer != nil, "\(key): \(name)")
            case "array":
                let items = resolve(property?["items"] ?? .null)
                for item in value.array ?? [] { check(item, items, key) }
            case nil where value == .null: #expect(types.contains { $0["type"]?.string == "null" }, "\(key): \(name)")
            case nil where value.string != nil:
                #expect(types.contains { $0["type"]?.string == "string" }, "\(key): \(name)")
            case nil where value.object != nil:
                let object = types.map(resolve).first { $0["type"]?.string == "object" }
                check(value, object ?? .null, key)
            default: Issue.record("\(key): \(name) is not described")
            }
            if let values = property?["enum"]?.array { #expect(values.contains(value), "\(key): \(name)") }
        }
    }
}

enum JSON: Decodable, Hashable, Sendable {
    case null
    case boolean(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    subscript(names: String...) -> JSON? {
        names.reduce(self as JSON?) { value, name in value?.object?[name] }
    }

    var object: [String: JSON]? { if case .object(let value) = self { value } else { nil } }
    var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    var string: String? { if case .string(let value) = self { value } else { nil } }
    var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
}
