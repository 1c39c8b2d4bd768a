import HTTPMessages

extension ServerConfiguration {
    /// Checks what can be checked before a server starts.
    func validate() throws(ServerError) {
        guard !segments.isEmpty else { throw .invalidConfiguration("There is no segment to serve: name one.") }
        guard Set(segments).count == segments.count else {
            throw .invalidConfiguration("A segment is named twice: name each once.")
        }
        guard !listen.isEmpty || !listeningSockets.isEmpty else {
            throw .invalidConfiguration("There is no address to listen on: give one.")
        }
        for option in ServerOption.all { try option.check(self) }
        _ = try TrustedProxies(trustedProxies)
        _ = try CrossOrigins(crossOrigins)
        for name in allowedHosts where !AllowedHosts.canMatch(name) {
            throw .invalidOption(
                name: ServerOption.allowHost.name,
                problem: "'\(name)' is not a host name: write it without scheme, port and path, as example.org, or as "
                    + ".example.org for all names below it.")
        }
        guard keepDirectory != "" else {
            throw .invalidOption(name: ServerOption.keep.name, problem: "is empty: name a directory, or leave it out.")
        }
        guard keepDirectory != nil || !keepsBeforeAnswering else {
            throw .invalidOption(
                name: ServerOption.keepSync.name, problem: "needs a directory in which to keep the text: name one.")
        }
        try validateSource()
        guard threadCount <= connectionLimit else {
            throw .invalidOption(
                name: ServerOption.threads.name,
                problem: "is \(threadCount), more than the limit of \(connectionLimit) connections: use fewer threads.")
        }
        guard isDynamic || namePattern == nil else {
            throw .invalidOption(
                name: ServerOption.namePattern.name,
                problem: "is for a server that serves a directory: serve one.")
        }
        if let namePattern, let name = segments.first(where: { !$0.matches(pattern: namePattern) }) {
            throw .invalidOption(
                name: ServerOption.namePattern.name,
                problem: "'\(namePattern)' does not match the segment '\(name)': name one that matches the pattern.")
        }
        func isUnix(_ address: ListenAddress) -> Bool { if case .unix = address { true } else { false } }
        guard addresses.contains(where: isUnix) || allowedUsers.isEmpty && allowedGroups.isEmpty else {
            throw .invalidOption(
                name: (allowedUsers.isEmpty ? ServerOption.allowGroup : .allowUser).name,
                problem: "is for Unix sockets, which alone tell users apart: listen on one.")
        }
        guard listen.contains(where: isUnix) || socketMode == nil else {
            throw .invalidOption(
                name: ServerOption.socketMode.name,
                problem:
                    "is for Unix sockets that the server creates, as a service manager's has SocketMode=: listen on one."
            )
        }
        try validateTLS()
        for address in addresses where tokens.isEmpty && !allowsAnonymous {
            // A client without a certificate cannot connect.
            if address.isEncrypted, tls?.clientAuthorities != nil { continue }
            guard try Listener.isLoopback(address) else { throw .needsToken(address) }
        }
    }

    /// Checks where the text comes from.
    private func validateSource() throws(ServerError) {
        _ = try follow?.servers()
        _ = try etcd?.cluster()
        guard follow == nil || etcd == nil else {
            throw .invalidOption(
                name: ServerOption.etcd.name,
                problem: "is not for a server that follows another one: choose one of them.")
        }
        guard follow != nil || etcd != nil else { return }
        guard !isDynamic else {
            throw .invalidOption(
                name: (follow == nil ? ServerOption.etcd : .follow).name,
                problem: "is not for a server that serves a directory: serve segments by name.")
        }
        guard !keepsBeforeAnswering else {
            throw .invalidOption(
                name: ServerOption.keepSync.name,
                problem: follow == nil
                    ? "is for a server without etcd, which has the text on its disks: leave it out here."
                    : "is for the server that is followed: leave it out here.")
        }
    }

    private func validateTLS() throws(ServerError) {
        if let address = listen.first(where: \.isEncrypted), tls == nil {
            throw .invalidOption(
                name: ServerOption.listen.name, problem: "\(address) needs a certificate and its key: give both.")
        }
        guard let tls else { return }
        guard listen.contains(where: \.isEncrypted) else {
            throw .invalidOption(
                name: ServerOption.tlsCert.name,
                problem: "is for https addresses: listen on one.")
        }
        guard tls.clientRoles.isEmpty || tls.clientAuthorities != nil else {
            throw .invalidOption(
                name: ServerOption.tlsClientRoles.name,
                problem: "need the authorities of the clients' certificates: give these, too.")
        }
    }

    private var addresses: [ListenAddress] { listen + inheritedAddresses }
    static let defaultBytesInFlight = 256 << 20

    /// The limit for segments of which the largest has this capacity.
    func bytesInFlight(capacity: Int) throws(ServerError) -> Int {
        guard let limit = bytesInFlightLimit else { return max(Self.defaultBytesInFlight, 4 * capacity) }
        guard limit >= 2 * capacity else {
            throw .invalidOption(
                name: ServerOption.bytesInFlight.name,
                problem: "is \(limit), too little for a capacity of \(capacity): use at least \(2 * capacity).")
        }
        return limit
    }

    func access(at address: ListenAddress) throws(ServerError) -> Access {
        if case .unix = address {
            return Access(tokens, hosts: nil, peers: AllowedPeers(users: allowedUsers, groups: allowedGroups))
        }
        let checksHosts = try Listener.isLoopback(address) && tokens.isEmpty || !allowedHosts.isEmpty
        var clients: ClientRoles?
        if address.isEncrypted, let tls, tls.clientAuthorities != nil {
            // Without tokens and roles, a certificate is all there is to judge a client by.
            let isEnough = tls.clientRoles.isEmpty && tokens.isEmpty
            clients = ClientRoles(isEnough ? [ClientRole("*", role: .write)] : tls.clientRoles)
        }
        return Access(
            tokens, hosts: checksHosts ? AllowedHosts(allowedHosts) : nil, peers: nil,
            clients: clients)
    }
}
