internal import Glibc
import LinuxSystem

/// A bound and listening socket.
///
/// A socket in the file system goes with it.
final class Listener: Sendable {
    /// As bound, with the port that the system chose.
    let address: ListenAddress
    private let socket: Socket
    /// What to remove at the end.
    private let file: SocketFile?

    var descriptor: CInt { socket.descriptor }

    /// - Parameter mode: the permissions of a socket in the file system.
    init(_ requested: ListenAddress, mode: UInt32) throws(ServerError) {
        switch requested {
        case .tcp(let host, let port): socket = try Self.listen(host, port)
        case .unix(let path): socket = try Self.listen(path, mode)
        }
        switch requested {
        case .tcp:
            address = ListenAddress(of: socket.descriptor) ?? requested
            file = nil
        case .unix(let path):
            address = requested
            file = SocketFile(path)
        }
    }

    deinit { file?.remove() }

    /// Refuses new connections; the descriptor stays this one's for as long as a thread may use it.
    func refuse() { Socket.shutDown(socket.descriptor) }
}

extension Listener {
    /// Whether only this host can reach an address.
    static func isLoopback(host: String, port: UInt16) throws(ServerError) -> Bool {
        try resolve(host: host, port: port).isLoopback
    }

    private static func resolve(host: String, port: UInt16) throws(ServerError) -> SocketAddress {
        do throws(ResolverError) {
            return try SocketAddress(host: host, port: port)
        } catch {
            throw .cannotListen(.tcp(host: host, port: port), reason: error.reason)
        }
    }

    private static func listen(_ host: String, _ port: UInt16) throws(ServerError) -> Socket {
        let address = try resolve(host: host, port: port)
        do throws(SystemError) {
            let socket = try Socket(family: address.family)
            try socket.set(.reuseAddress)
            // [::] and 0.0.0.0 are two addresses.
            if address.family == AF_INET6 { try socket.set(.ipv6Only) }
            // As accepted ones inherit it: of what a client does not read, the system keeps no more than this. By itself
            // it takes megabytes for each.
            try socket.set(.unsentByteLimit, to: 64 << 10)
            try socket.bind(address)
            try socket.listen()
            return socket
        } catch {
            throw .cannotListen(.tcp(host: host, port: port), reason: error.reason)
        }
    }

    /// What a killed server left at the path is replaced; a living one is not.
    private static func listen(_ path: String, _ mode: UInt32) throws(ServerError) -> Socket {
        guard let address = SocketAddress(path: path) else {
            throw .cannotListen(.unix(path: path), reason: "the path is longer than 107 bytes")
        }
        do throws(SystemError) {
            let socket = try Socket(family: AF_UNIX)
            // Linux gives the file the mode of the socket: no moment of other permissions.
            try socket.setMode(mode)
            do throws(SystemError) {
                try socket.bind(address)
            } catch {
                guard error.code == EADDRINUSE else { throw error }
                try removeStaleSocket(path, address)
                try socket.bind(address)
            }
            try socket.listen()
            return socket
        } catch {
            throw .cannotListen(.unix(path: path), reason: error.reason)
        }
    }

    /// Removes a socket that nobody listens to.
    private static func removeStaleSocket(_ path: String, _ address: SocketAddress) throws(SystemError) {
        do throws(SystemError) {
            try Socket(family: AF_UNIX).connect(address)
        } catch {
            if error.code == ECONNREFUSED, let stale = SocketFile(path) { return stale.remove() }
        }
        throw SystemError(call: "bind \(path)", code: EADDRINUSE)
    }
}

extension ListenAddress {
    /// As bound, with the port that the system chose.
    fileprivate init?(of socket: CInt) {
        guard let (host, port) = SocketAddress(of: socket).numericHostAndPort else { return nil }
        self = .tcp(host: host, port: port)
    }
}

/// A socket's name in the file system.
private struct SocketFile {
    private let path: String
    private let identity: FileIdentity

    /// Nil when there is no socket of this name.
    init?(_ path: String) {
        guard let status = try? FileStatus.ofPath(path), status.kind == .socket else { return nil }
        self.path = path
        identity = status.identity
    }

    /// Removes the name, unless it leads to another socket by now.
    func remove() {
        if SocketFile(path)?.identity == identity { try? Directory.unlink(path) }
    }
}
