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
            var followed = FollowConfiguration(urls)
            followed.authorities = try ServerOption.followCA.value(followCA)
            followed.certificate = try ServerOption.followCert.value(followCert)
            followed.key = try ServerOption.followKey.value(followKey)
            if urls.isEmpty {
                try Self.checkNone(
                    of: [
                        (.followTokenFile, tokenFile), (.followCA, followed.authorities),
                        (.followCert, followed.certificate), (.followKey, followed.key),
                    ], without: "a server to follow: give --follow URL")
                return nil
            }
            if followed.key != nil, followed.certificate == nil {
                throw ValidationError(
                    "\(ServerOption.followKey.source) needs the key's certificate: give --follow-cert FILE, too.")
            }
            followed.token = try tokenFile.map(Self.onlyToken)
            return followed
        }
    }

    /// Nil if the text is not in etcd.
    private var etcdCluster: EtcdConfiguration? {
        get throws {
            let urls = try ServerOption.etcd.values(etcd)
            let prefix = try ServerOption.etcdPrefix.value(etcdPrefix)
            let userFile = try ServerOption.etcdUserFile.value(etcdUserFile)
            var cluster = EtcdConfiguration(urls)
            cluster.authorities = try ServerOption.etcdCA.value(etcdCA)
            cluster.certificate = try ServerOption.etcdCert.value(etcdCert)
            cluster.key = try ServerOption.etcdKey.value(etcdKey)
            if urls.isEmpty {
                try Self.checkNone(
                    of: [
                        (.etcdUserFile, userFile), (.etcdCA, cluster.authorities), (.etcdCert, cluster.certificate),
                        (.etcdKey, cluster.key),
                    ], without: "a member of etcd: give --etcd URL")
                return nil
            }
            if cluster.key != nil, cluster.certificate == nil {
                throw ValidationError(
                    "\(ServerOption.etcdKey.source) needs the key's certificate: give --etcd-cert FILE, too.")
            }
            if let prefix { cluster.prefix = prefix }
            cluster.user = try userFile.map(Self.user)
            return cluster
        }
    }

    private static func checkNone(of options: [(ServerOption, String?)], without needed: String) throws {
        guard let option = options.first(where: { $0.1 != nil })?.0 else { return }
        throw ValidationError("\(option.source) needs \(needed), too.")
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
