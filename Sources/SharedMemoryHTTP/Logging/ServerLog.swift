import HTTPMessages
import LinuxSystem
import Logging
import MicroHTTPD
import SharedMemory

/// The server's log of requests and changes.
///
/// The log handler must be quick, because clients wait for it.
struct ServerLog: Sendable {
    let logger: Logger
    private let logsAccess: Bool
    private let proxies: TrustedProxies

    init(_ configuration: ServerConfiguration) throws(ServerError) {
        logger = configuration.logger
        logsAccess = configuration.logsAccess
        proxies = try TrustedProxies(configuration.trustedProxies)
    }

    /// Whether a request must be remembered from its head to its reply, to be logged.
    func logs(_ action: Action) -> Bool {
        if logsAccess { return true }
        switch action {
        case .put, .create, .delete: return logger.logLevel <= .info
        default: return false
        }
    }

    func origin(_ request: Request, _ head: RequestHead, token: String?) -> RequestOrigin {
        RequestOrigin(request, head, token: token, proxies)
    }

    /// - Parameter nanoseconds: from the arrival of the head to the reply.
    func access(
        _ method: RequestCounts.MethodLabel, _ target: String, _ status: Status, byteCount: Int, nanoseconds: Int,
        _ origin: RequestOrigin
    ) {
        guard logsAccess else { return }
        var logger = logger
        logger.logLevel = .info
        var metadata = origin.metadata
        metadata["method"] = "\(method.name)"
        metadata["target"] = "\(target)"
        metadata["status"] = "\(status.rawValue)"
        metadata["bytes"] = "\(byteCount)"
        metadata["milliseconds"] = "\(Double(nanoseconds / 1000) / 1000)"
        logger.info("request", metadata: metadata)
    }

    func set(_ name: String, _ version: Version, byteCount: Int, _ origin: RequestOrigin?) {
        var metadata = origin?.metadata ?? [:]
        metadata["segment"] = "\(name)"
        metadata["version"] = "\(version)"
        metadata["bytes"] = "\(byteCount)"
        logger.info("text set", metadata: metadata)
    }

    func created(_ name: String, _ origin: RequestOrigin?) {
        logger.info("segment created", metadata: (origin?.metadata ?? [:]).merging(["segment": "\(name)"]) { $1 })
    }

    func deleted(_ name: String, _ origin: RequestOrigin?) {
        logger.info("segment deleted", metadata: (origin?.metadata ?? [:]).merging(["segment": "\(name)"]) { $1 })
    }

    /// A change that another process has made.
    ///
    /// - Parameter changes: how many there were since the last one that was logged.
    func setLocally(_ name: String, _ info: PublicationInfo, _ setter: SettingProcess, changes: UInt64) {
        logger.info(
            "text set",
            metadata: [
                "segment": "\(name)", "version": "\(info.version)", "bytes": "\(info.byteCount)",
                "program": "\(setter.program)", "process": "\(setter.processID)", "user": "\(setter.user)",
                "changes": "\(changes)",
            ])
    }
}
