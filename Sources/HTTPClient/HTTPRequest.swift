/// A request, as it is sent.
package struct HTTPRequest: Sendable {
    package var method: String
    /// A path with its query.
    package var target: String
    /// Names and values, without line endings; `Host` and `Content-Length` are added.
    package var fields: [(name: String, value: String)] = []
    /// Nil for none; an empty body has a `Content-Length` of 0.
    package var body: [UInt8]?

    package init(_ method: String, _ target: String) { (self.method, self.target) = (method, target) }

    package mutating func add(_ name: String, _ value: String) { fields.append((name, value)) }

    /// - Parameter host: the value of `Host`.
    func bytes(host: String) -> [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
        for (name, value) in fields { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        return Array((head + "\r\n").utf8) + (body ?? [])
    }
}
