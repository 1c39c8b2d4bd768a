import ArgumentParser
import SharedMemoryHTTP

/// Where a server's text comes from, if it is not from its own clients alone: another server, or etcd.
struct SourceOptions: ParsableArguments {
    @Option(.follow) var follow: [String] = []
    @Option(.followTokenFile, completion: .file()) var followTokenFile: String?
    @Option(.followCA, completion: .file()) var followCA: String?
    @Option(.followCert, completion: .file()) var followCert: String?
    @Option(.followKey, completion: .file()) var followKey: String?
    @Option(.etcd) var etcd: [String] = []
    @Option(.etcdPrefix) var etcdPrefix: String?
    @Option(.etcdUserFile, completion: .file()) var etcdUserFile: String?
    @Option(.etcdCA, completion: .file()) var etcdCA: String?
    @Option(.etcdCert, completion: .file()) var etcdCert: String?
    @Option(.etcdKey, completion: .file()) var etcdKey: String?

    func configure(_ configuration: inout ServerConfiguration) throws {
        configuration.follow = try followed
        configuration.etcd = try etcdCluster
    }

    /// Nil if the server is to follow none.
    private var followed: FollowConfiguration? {
        get throws {
            let urls = try ServerOption.follow.values(follow)
            let tokenFile = try ServerOption.followTokenFile.value(followTokenFile)
            let files = try Files((.followCA, followCA), (.followCert, followCert), (.followKey, followKey))
            guard !urls.isEmpty else {
                try files.checkAbsence(
                    with: (.followTokenFile, tokenFile), without: "a server to follow: give --follow URL")
                return nil
            }
            try files.check()
            var followed = FollowConfiguration(urls)
            (followed.authorities, followed.certificate, followed.key) = (files.ca, files.cert, files.key)
            followed.token = try tokenFile.map(Self.onlyToken)
            return followed
        }
    }

    /// Nil if the text is not in etcd.
    private var etcdCluster: EtcdConfiguration? {
        get throws {
            let urls = try ServerOption.etcd.values(etcd)
            let userFile = try ServerOption.etcdUserFile.value(etcdUserFile)
            let files = try Files((.etcdCA, etcdCA), (.etcdCert, etcdCert), (.etcdKey, etcdKey))
            guard !urls.isEmpty else {
                // The prefix has a default, which `--print-config` shows and which may be given as well.
                try files.checkAbsence(with: (.etcdUserFile, userFile), without: "a member of etcd: give --etcd URL")
                return nil
            }
            try files.check()
            var cluster = EtcdConfiguration(urls)
            (cluster.authorities, cluster.certificate, cluster.key) = (files.ca, files.cert, files.key)
            if let prefix = try ServerOption.etcdPrefix.value(etcdPrefix) { cluster.prefix = prefix }
            cluster.user = try userFile.map(Self.user)
            return cluster
        }
    }

    /// The PEM files with which the server connects to its source.
    private struct Files {
        typealias Given = (option: ServerOption, path: String?)

        private let options: [Given]

        init(_ ca: Given, _ cert: Given, _ key: Given) throws {
            options = try [ca, cert, key].map { ($0.option, try $0.option.value($0.path)) }
        }

        var ca: String? { options[0].path }
        var cert: String? { options[1].path }
        var key: String? { options[2].path }

        func check() throws {
            guard key != nil, cert == nil else { return }
            throw ValidationError(
                "\(options[2].option.source) needs the key's certificate: give --\(options[1].option.name) FILE, too.")
        }

        /// Throws if an option is given although there is no source.
        func checkAbsence(with other: Given, without source: String) throws {
            guard let given = ([other] + options).first(where: { $0.path != nil }) else { return }
            throw ValidationError("\(given.option.source) needs \(source), too.")
        }
    }

    private static func onlyToken(inFile path: String) throws -> String {
        let file = InputFile(
            path: path, kind: "token file", source: ServerOption.followTokenFile.source, isSecret: true)
        return try file.onlyToken(of: "the server to follow")
    }

    private static func user(inFile path: String) throws -> (name: String, password: String) {
        let file = InputFile(path: path, kind: "user file", source: ServerOption.etcdUserFile.source, isSecret: true)
        let lines = String(decoding: try file.read().bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        let parts = lines.first?.split(separator: ":", maxSplits: 1) ?? []
        guard lines.count == 1, parts.count == 2 else {
            throw Failure(description: "The user file \(path) must have one line, USER:PASSWORD.")
        }
        return (String(parts[0]), String(parts[1]))
    }
}
