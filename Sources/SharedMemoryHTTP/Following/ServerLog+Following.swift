import HTTPClient
import Logging
import SharedMemory

/// What a server logs about its replicas.
extension ServerLog {
    func adopted(_ name: String, _ version: Version, byteCount: Int) {
        logger.info("text adopted", metadata: ["segment": "\(name)", "version": "\(version)", "bytes": "\(byteCount)"])
    }

    func foundOtherHistory(_ name: String, _ version: Version) {
        logger.notice("the origin has another history", metadata: ["segment": "\(name)", "version": "\(version)"])
    }

    func notShown(_ name: String, _ version: Version, _ reason: String) {
        logger.error(
            "the origin's text is not shown, and the last one stays",
            metadata: ["segment": "\(name)", "version": "\(version)", "reason": "\(reason)"])
    }

    func overwrote(_ name: String) {
        logger.warning(
            "another process has set the text, and the server has overwritten it: set it through the server",
            metadata: ["segment": "\(name)"])
    }

    func follows(_ name: String, _ url: ServerURL) {
        logger.notice("the server is followed", metadata: ["segment": "\(name)", "url": "\(url)"])
    }

    func cannotFollow(_ name: String, _ url: ServerURL, _ reason: String) {
        logger.warning(
            "the server cannot be followed", metadata: ["segment": "\(name)", "url": "\(url)", "reason": "\(reason)"])
    }
}
