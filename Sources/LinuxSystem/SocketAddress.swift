internal import Glibc

/// A socket address, as the operating system represents it.
@safe package struct SocketAddress: Sendable {
    private var storage = sockaddr_storage()
    private var byteCount: socklen_t

    package var family: CInt { CInt(storage.ss_family) }

    /// The first address of a host; for a name, this may ask a name server.
    package init(host: String, port: UInt16) throws(ResolverError) { self = try Self.all(of: host, port: port)[0] }

    /// The addresses of a host, at least one, in the order in which to try them; for a name, this may ask a name server.
    package static func all(of host: String, port: UInt16) throws(ResolverError) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, String(port), &hints, &found)
        defer { if code == 0 { unsafe freeaddrinfo(found) } }
        var addresses: [SocketAddress] = []
        var next = unsafe code == 0 ? found : nil
        while let entry = unsafe next {
            if let address = unsafe SocketAddress(entry.pointee) { addresses.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { throw ResolverError(reason: unsafe String(cString: gai_strerror(code))) }
        return addresses
    }

    private init?(_ entry: addrinfo) {
        guard let address = unsafe entry.ai_addr else { return nil }
        byteCount = unsafe entry.ai_addrlen
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(byteCount)))
        }
    }

    /// The address of a Unix socket; nil if the path has more bytes than such an address holds (107).
    package init?(path: String) {
        byteCount = socklen_t(MemoryLayout<sockaddr_un>.size)
        storage.ss_family = sa_family_t(AF_UNIX)
        let bytes = path.utf8
        let pathOffset = MemoryLayout<sa_family_t>.size
        guard pathOffset + bytes.count < byteCount else { return nil }
        unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.dropFirst(pathOffset).copyBytes(from: bytes) }
    }

    /// The address of a Unix socket by its path, or with `@` in front, by a name outside of the file system; nil if it is too
    /// long, or neither.
    init?(datagramName name: String) {
        var bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        let pathOffset = MemoryLayout<sa_family_t>.size
        guard isAbstract || bytes.first == UInt8(ascii: "/"), pathOffset + bytes.count < MemoryLayout<sockaddr_un>.size
        else { return nil }
        // A name outside of the file system ends where the address does.
        byteCount = socklen_t(pathOffset + bytes.count + (isAbstract ? 0 : 1))
        storage.ss_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.dropFirst(pathOffset).copyBytes(from: bytes) }
    }

    /// The address that a socket is bound to.
    package init(of socket: CInt) {
        var byteCount = socklen_t(MemoryLayout<sockaddr_storage>.size)
        unsafe withUnsafeMutableBytes(of: &storage) {
            _ = unsafe getsockname(socket, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, &byteCount)
        }
        self.byteCount = byteCount
    }

    /// The address of the other end of a connected socket.
    package init(ofPeer socket: CInt) {
        var byteCount = socklen_t(MemoryLayout<sockaddr_storage>.size)
        unsafe withUnsafeMutableBytes(of: &storage) {
            _ = unsafe getpeername(socket, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, &byteCount)
        }
        self.byteCount = byteCount
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe withUnsafePointer(to: storage) {
            unsafe body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), byteCount)
        }
    }

    /// Whether only this host can reach the address.
    package var isLoopback: Bool {
        // The bytes of an IPv4 address begin at 4, those of an IPv6 address at 8.
        let bytes = unsafe withUnsafeBytes(of: storage) { unsafe Array($0.prefix(24)) }
        return switch family {
        case AF_UNIX: true
        case AF_INET: bytes[4] == 127
        case AF_INET6:
            bytes[8...] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
                || bytes[8..<21] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127]
        default: false
        }
    }

    /// The path of a Unix socket, or its name outside of the file system with `@` in front; nil for another socket.
    package var path: String? {
        guard family == AF_UNIX else { return nil }
        let pathOffset = MemoryLayout<sa_family_t>.size
        let bytes = unsafe withUnsafeBytes(of: storage) {
            unsafe Array($0.prefix(Int(byteCount)).dropFirst(pathOffset))
        }
        if bytes.first == 0 { return "@" + String(decoding: bytes.dropFirst(), as: UTF8.self) }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The host and the port in digits, without asking a name server; nil if the address has none.
    package var numericHostAndPort: (host: String, port: UInt16)? {
        var host = [CChar](repeating: 0, count: 64)
        var port = [CChar](repeating: 0, count: 8)
        let code = unsafe withPointer { address, byteCount in
            unsafe getnameinfo(
                address, byteCount, &host, socklen_t(host.count), &port, socklen_t(port.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard code == 0, let number = UInt16(text(port)) else { return nil }
        return (text(host), number)
    }

    private func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Why a host's name has no address, in the resolver's words.
package struct ResolverError: Error {
    package let reason: String
}
