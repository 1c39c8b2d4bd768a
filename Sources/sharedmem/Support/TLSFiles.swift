import SharedMemoryHTTP

extension ReloadedFiles<TLSConfiguration> {
    /// The files of a server's certificate.
    convenience init(certificate: String, key: String, authorities: String?, roles: String?) {
        let certificate = InputFile(
            path: certificate, kind: "TLS certificate", source: ServerOption.tlsCert.source, isSecret: false)
        let key = InputFile(path: key, kind: "TLS key", source: ServerOption.tlsKey.source, isSecret: true)
        let authorities = authorities.map {
            InputFile(
                path: $0, kind: "file of client authorities", source: ServerOption.tlsClientCA.source, isSecret: false)
        }
        let roles = roles.map {
            InputFile(
                path: $0, kind: "file of client roles", source: ServerOption.tlsClientRoles.source, isSecret: false)
        }
        self.init([certificate, key, authorities, roles].compactMap(\.self)) { content throws(Failure) in
            var configuration = TLSConfiguration(certificate: content[0], key: content[1])
            if authorities != nil { configuration.clientAuthorities = content[2] }
            if let roles, let last = content.last {
                configuration.clientRoles = try roles.entries(last, ClientRole.parse)
            }
            return configuration
        } replace: { configuration, server throws(ServerError) in
            try server.replaceTLS(configuration)
            return "new connections get its certificate"
        }
    }
}
