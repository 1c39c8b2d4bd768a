import ArgumentParser
import GnuTLS
import HTTPClient
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP

/// A server that has the text, for hosts that have no segment.
struct RemoteOptions: ParsableArguments {
    @Option(
        help: """
            Use the text at this server instead of a segment on this host: http://HOST:PORT, https://HOST:PORT or unix:PATH. \
            (env: SHAREDMEM_URL)
            """)
    private var url: String?

    @Option(
        help: ArgumentHelp(
            "The token to send to the server, alone in a file. (env: SHAREDMEM_URL_TOKEN_FILE)", valueName: "file"),
        completion: .file())
    private var urlTokenFile: String?

    @Option(
        help: ArgumentHelp(
            """
            The PEM certificates of the authorities to trust at an https URL. (default: the system's, env: SHAREDMEM_URL_CA)
            """, valueName: "file"), completion: .file())
    private var urlCA: String?

    @Option(
        help: ArgumentHelp(
            "A PEM certificate to present to the server. (env: SHAREDMEM_URL_CERT)", valueName: "file"),
        completion: .file())
    private var urlCert: String?

    @Option(
        help: ArgumentHelp(
            "The PEM key of that certificate, if it is not in the same file. (env: SHAREDMEM_URL_KEY)",
            valueName: "file"),
        completion: .file())
    private var urlKey: String?

    static let variables = ["", "_TOKEN_FILE", "_CA", "_CERT", "_KEY"].map { "SHAREDMEM_URL\($0)" }

    /// The text of a name at the server; nil if no server is given.
    ///
    /// - Parameter localOptions: options that are for segments on this host, and whether they are on the command line.
    func text(_ name: String?, _ localOptions: [(name: String, isGiven: Bool)]) throws -> RemoteText? {
        guard let text = url ?? Environment["SHAREDMEM_URL"] else { return nil }
        let source = url == nil ? "SHAREDMEM_URL" : "--url"
        guard let server = ServerURL(text), server.path.isEmpty || server.path == "/" else {
            throw ValidationError(
                "\(source) '\(text)' is not the URL of a server: use http://HOST:PORT, https://HOST:PORT or unix:PATH, and "
                    + "give the segment's name as the argument.")
        }
        if let option = localOptions.first(where: \.isGiven) {
            throw ValidationError("\(option.name) is for a segment on this host: leave it out, or leave \(source) out.")
        }
        var identity = ClientIdentity()
        identity.token = try token
        identity.authorities = urlCA ?? Environment["SHAREDMEM_URL_CA"]
        identity.certificate = urlCert ?? Environment["SHAREDMEM_URL_CERT"]
        identity.key = urlKey ?? Environment["SHAREDMEM_URL_KEY"]
        if identity.key != nil, identity.certificate == nil {
            throw ValidationError("--url-key needs the key's certificate: give --url-cert FILE, too.")
        }
        do throws(TLSError) {
            try identity.check()
        } catch {
            throw Failure(description: "The certificates for \(server) cannot be used: \(error.reason).")
        }
        let chosen = try Segment.place(name, directory: nil).name
        return RemoteText(server: server, name: chosen, identity: identity)
    }

    private var token: String? {
        get throws {
            let variable = "SHAREDMEM_URL_TOKEN_FILE"
            guard let path = urlTokenFile ?? Environment[variable] else { return nil }
            let source = urlTokenFile == nil ? variable : "--url-token-file"
            return try InputFile(path: path, kind: "token file", source: source, isSecret: true).onlyToken(
                of: "the server")
        }
    }
}

extension InputFile {
    /// The only token in the file, which is for a server.
    func onlyToken(of server: String) throws(Failure) -> String {
        let tokens = try entries(try read().bytes, AccessToken.parse)
        guard tokens.count == 1 else {
            throw Failure(
                description: "The token file \(path) has \(tokens.count) tokens: leave only the one for \(server).")
        }
        return tokens[0].secret
    }
}
