internal import Glibc
import LinuxSystem

/// A bound and listening socket; one in the file system is removed with it.
final class Listener: Sendable {
    /// As bound, with the port that the system chose.
    let address: ListenAddress
    let socket: Socket
    /// What to remove at the end.
    private let file: SocketFile?
    /// Whether another process has the socket, too, and goes on listening.
    private let isInherited: Bool

    /// - Parameters:
    ///   - mode: the permissions of a socket in the file system.
    ///   - silenceSeconds: how long a client's system may be silent before its connection breaks.
    init(_ requested: ListenAddress, mode: UInt32, silenceSeconds: Int) throws(ServerError) {
        socket = try Self.listen(requested, mode, silenceSeconds)
        switch requested {
        case .tcp:
            let bound = SocketAddress(of: socket.descriptor).numericHostAndPort
            address = bound.map { .tcp(host: $0.host, port: $0.port) } ?? requested
            file = nil
        case .https:
            let bound = SocketAddress(of: socket.descriptor).numericHostAndPort
            address = bound.map { .https(host: $0.host, port: $0.port) } ?? requested
            file = nil
        case .unix(let path):
            address = requested
            file = SocketFile(path)
        }
        isInherited = false
    }

    /// Takes over a socket that listens already.
    init(inherited descriptor: CInt, silenceSeconds: Int) throws(ServerError) {
        let bound = Self.address(of: descriptor)
        guard let bound, let socket = Socket(listening: descriptor) else {
            throw .invalidConfiguration("Descriptor \(descriptor) is not a stream socket that listens.")
        }
        (address, isInherited, file) = (bound, true, nil)
        self.socket = socket
        do throws(SystemError) {
            if case .tcp = bound { try Self.setOptions(of: self.socket, silenceSeconds) }
        } catch {
            throw .cannotListen(bound, reason: error.reason)
        }
    }

    static func address(of descriptor: CInt) -> ListenAddress? {
        let address = SocketAddress(of: descriptor)
        if let path = address.path { return .unix(path: path) }
        return address.numericHostAndPort.map { .tcp(host: $0.host, port: $0.port) }
    }

    deinit { file?.remove() }

    /// Refuses new connections, unless another process listens to the socket, too; the descriptor stays this one's for as long as a thread may use it.
    ///
    /// - Returns: the descriptors of those that wait to be accepted, which the system would reset.
    func refuse() -> [CInt] {
        // Those that wait are for the server that comes next.
        if isInherited { return [] }
        let waiting = Socket.acceptWaiting(at: socket.descriptor)
        Socket.shutDown(socket.descriptor)
        return waiting
    }
}

extension Listener {
    /// Whether only this host can reach an address.
    static func isLoopback(_ address: ListenAddress) throws(ServerError) -> Bool { try resolve(address).isLoopback }

    private static func resolve(_ address: ListenAddress) throws(ServerError) -> SocketAddress {
        switch address {
        case .tcp(let host, let port), .https(let host, let port):
            do throws(ResolverError) {
                return try SocketAddress(host: host, port: port)
            } catch {
                throw .cannotListen(address, reason: error.reason)
            }
        case .unix(let path):
            if let resolved = SocketAddress(path: path) { return resolved }
            throw .cannotListen(address, reason: "the path is longer than 107 bytes")
        }
    }

    private static func listen(
        _ requested: ListenAddress, _ mode: UInt32, _ silenceSeconds: Int
    ) throws(ServerError) -> Socket {
        let address = try resolve(requested)
        do throws(SystemError) {
            let socket = try Socket(family: address.family)
            switch requested {
            case .tcp, .https:
                try socket.set(.reuseAddress)
                // [::] and 0.0.0.0 are two addresses.
                if address.family == AF_INET6 { try socket.set(.ipv6Only) }
                try setOptions(of: socket, silenceSeconds)
                try socket.bind(address)
            case .unix(let path):
                // Linux gives the file the mode of the socket, so it never has more permissions, but it may have fewer: the
                // process's umask takes some away.
                try socket.setMode(mode)
                try bind(socket, address, path)
                try Directory.setMode(mode, ofSocket: path)
            }
            try socket.listen()
            return socket
        } catch {
            throw .cannotListen(requested, reason: reason(error, requested))
        }
    }

    /// Why the system refuses an address, and what to do; the sentence has no full stop at its end.
    private static func reason(_ error: SystemError, _ address: ListenAddress) -> String {
        let advice: String? =
            switch (error.code, address) {
            case (EADDRINUSE, .tcp(_, let port)), (EADDRINUSE, .https(_, let port)):
                "Another process listens there, perhaps another server: stop it, or use another port. 'ss -ltnp sport = "
                    + ":\(port)' shows the process"
            case (EADDRINUSE, .unix(let path)):
                "Another process listens there, perhaps another server: stop it, or use another path. 'ss -lxp src "
                    + "\(path)' shows the process"
            case (EADDRNOTAVAIL, _): "This host does not have the address: use one that 'ip address' shows"
            case (EACCES, .tcp), (EACCES, .https):
                "A port below 1024 needs CAP_NET_BIND_SERVICE, which root has: use a higher one"
            case (EACCES, .unix), (ENOENT, .unix): "Name a path in a directory that this user can write to"
            default: nil
            }
        return error.reason + (advice.map { ". " + $0 } ?? "")
    }

    /// Sets what accepted sockets inherit.
    private static func setOptions(of socket: borrowing Socket, _ silenceSeconds: Int) throws(SystemError) {
        // It limits what the kernel holds of a response that the client does not read; by default, that is megabytes for
        // each connection.
        try socket.set(.unsentByteLimit, to: 64 << 10)
        // A client that waits for a change sends nothing, and may be gone without a word.
        try socket.enableKeepAlive(timeoutSeconds: silenceSeconds)
    }

    /// Replaces what a killed server left at the path, but not the socket of a living one.
    private static func bind(_ socket: borrowing Socket, _ address: SocketAddress, _ path: String) throws(SystemError) {
        do throws(SystemError) {
            try socket.bind(address)
        } catch {
            guard error.code == EADDRINUSE, isAbandoned(address), let stale = SocketFile(path) else { throw error }
            stale.remove()
            try socket.bind(address)
        }
    }

    /// Whether there is a socket that no process listens to.
    private static func isAbandoned(_ address: SocketAddress) -> Bool {
        do throws(SystemError) {
            try Socket(family: AF_UNIX).connect(address)
            return false
        } catch {
            return error.code == ECONNREFUSED
        }
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
    func remove() { if SocketFile(path)?.identity == identity { try? Directory.unlink(path) } }
}
