internal import Glibc

/// The process at the other end of a Unix socket, as it was when it connected.
package struct SocketPeer: Sendable {
    /// 0 if it is in a PID namespace that this process does not see.
    package let process: Int32
    package let user: UInt32
    package let group: UInt32
}

extension Socket {
    /// Nil for a socket other than a Unix socket.
    package static func peer(of descriptor: CInt) -> SocketPeer? {
        // struct ucred, which Swift does not see.
        var peer = SocketPeer(process: 0, user: .max, group: .max)
        var byteCount = socklen_t(MemoryLayout<SocketPeer>.size)
        // Another socket has no user. A process in a PID namespace that this one does not see has a user, and no id.
        guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &byteCount) == 0, peer.user != .max
        else { return nil }
        return peer
    }

    /// The supplementary groups of the process at the other end of a Unix socket; none if they cannot be found out.
    package static func peerGroups(of descriptor: CInt) -> [UInt32] {
        var groups = [UInt32](repeating: 0, count: 64)
        // Bounded: the kernel allows a process 65,536 groups.
        while groups.count <= 1 << 17 {
            var byteCount = socklen_t(groups.count * MemoryLayout<UInt32>.size)
            if unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, &groups, &byteCount) == 0 {
                return Array(groups.prefix(Int(byteCount) / MemoryLayout<UInt32>.size))
            }
            guard errno == ERANGE else { return [] }
            groups = [UInt32](repeating: 0, count: groups.count * 2)
        }
        return []
    }
}
