internal import Glibc
import GnuTLS
import LinuxSystem

/// The deadline of a connection's waits, and the descriptor that interrupts them.
///
/// For one thread.
package final class ClientLimits {
    /// In coarse milliseconds.
    package var deadline: Int
    /// Readable once another thread wants the connection to end; nil if none ever does.
    package var interruption: CInt?
    /// Why the last wait failed.
    fileprivate var fault: HTTPFault?

    package init(timeoutMilliseconds: Int, interruption: CInt? = nil) {
        deadline = Clock.coarseMilliseconds + timeoutMilliseconds
        self.interruption = interruption
    }

    package func renew(timeoutMilliseconds: Int) { deadline = Clock.coarseMilliseconds + timeoutMilliseconds }

    fileprivate func wait(for readiness: Socket.Readiness, of descriptor: CInt) throws(HTTPFault) {
        let left = CInt(clamping: max(0, deadline - Clock.coarseMilliseconds))
        do throws(SystemError) {
            switch try Socket.wait(
                for: readiness, of: descriptor, orInterruptionBy: interruption, timeoutMilliseconds: left)
            {
            case .ready: return
            case .timedOut: fault = .timedOut
            case .interrupted: fault = .interrupted
            }
        } catch {
            fault = .ended(reason: error.reason)
        }
        throw fault ?? .timedOut
    }
}

/// A connection to a server, through TLS or not.
///
/// For one thread.
final class ClientSocket {
    private let socket: Socket
    private var tls: TLSClient?
    private let limits: ClientLimits

    /// Connects to the first of the host's addresses that accepts.
    ///
    /// Looking up a name may take longer than the limits say.
    init(to url: ServerURL, _ identity: ClientIdentity, _ limits: ClientLimits) throws(HTTPFault) {
        self.limits = limits
        var connected: Socket?
        var fault = HTTPFault.unreachable(reason: "the host has no address")
        for address in try Self.addresses(of: url) {
            do throws(HTTPFault) {
                connected = try Self.connect(to: address, limits)
                break
            } catch {
                fault = error
                if error == .interrupted { break }
            }
        }
        guard let connected else { throw fault }
        socket = connected
        if url.isEncrypted { tls = try secure(url, identity) }
    }

    private static func addresses(of url: ServerURL) throws(HTTPFault) -> [SocketAddress] {
        switch url.place {
        case .unix(let path):
            guard let address = SocketAddress(path: path) else {
                throw .unreachable(reason: "the path of its socket is too long")
            }
            return [address]
        case .tcp(let host, let port):
            do throws(ResolverError) {
                return try SocketAddress.all(of: host, port: port)
            } catch {
                throw .unreachable(reason: error.reason)
            }
        }
    }

    private static func connect(to address: SocketAddress, _ limits: ClientLimits) throws(HTTPFault) -> Socket {
        do throws(SystemError) {
            let socket = try Socket(family: address.family)
            do throws(SystemError) {
                try socket.connect(address)
            } catch {
                guard error.code == EINPROGRESS else { throw error }
                limits.fault = nil
                guard (try? limits.wait(for: .writable, of: socket.descriptor)) != nil else {
                    throw SystemError(call: "connect", code: ETIMEDOUT)
                }
                try socket.checkConnection()
            }
            Socket.sendAtOnce(socket.descriptor)
            return socket
        } catch {
            throw limits.fault == .interrupted ? .interrupted : .unreachable(reason: error.reason)
        }
    }

    private func secure(_ url: ServerURL, _ identity: ClientIdentity) throws(HTTPFault) -> TLSClient {
        let (limits, descriptor) = (limits, socket.descriptor)
        do throws(TLSError) {
            return try TLSClient(socket, serverName: identity.serverName ?? url.host, identity.forTLS) {
                readiness throws(TLSError) in
                do throws(HTTPFault) {
                    try limits.wait(for: readiness, of: descriptor)
                } catch {
                    throw TLSError("\(error)")
                }
            }
        } catch {
            throw limits.fault == .interrupted ? .interrupted : .unreachable(reason: error.reason)
        }
    }

    /// Whether bytes or the end of the connection have arrived.
    var hasInput: Bool {
        (try? Socket.wait(for: .readable, of: socket.descriptor, timeoutMilliseconds: 0)) ?? true
    }

    func send(_ bytes: [UInt8]) throws(HTTPFault) {
        limits.fault = nil
        if let tls {
            do throws(TLSError) {
                return try tls.send(bytes)
            } catch {
                throw limits.fault ?? .ended(reason: error.reason)
            }
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Socket.send(rest.span, to: socket.descriptor)
            if count == -Int(EAGAIN) {
                try limits.wait(for: .writable, of: socket.descriptor)
            } else if count < 0 {
                throw .ended(reason: SystemError(call: "send", code: CInt(-count)).reason)
            } else {
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Receives some bytes; none at the end of the connection.
    func receive(limit: Int) throws(HTTPFault) -> [UInt8] {
        limits.fault = nil
        do {
            if let tls { return try tls.receive(limit: limit) }
            try limits.wait(for: .readable, of: socket.descriptor)
            return try Socket.receive(from: socket.descriptor, limit: limit)
        } catch let error as TLSError {
            throw limits.fault ?? .ended(reason: error.reason)
        } catch let error as SystemError {
            throw .ended(reason: error.reason)
        } catch {
            throw limits.fault ?? .timedOut
        }
    }
}
