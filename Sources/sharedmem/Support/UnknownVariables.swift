import FoundationEssentials
import SharedMemoryHTTP

/// Variables in the environment that look like settings, and are none.
enum UnknownVariables {
    private static let prefix = "SHAREDMEM_"

    /// Those that are not options of `serve`.
    private static let others =
        [
            "SHAREDMEM_NAME", "SHAREDMEM_VERSION", "SHAREDMEM_HEALTHCHECK_CA", "SHAREDMEM_HEALTHCHECK_SERVER_NAME",
            "SHAREDMEM_HEALTHCHECK_CERT", "SHAREDMEM_HEALTHCHECK_KEY", "SHAREDMEM_LIBRARY",
        ] + RemoteOptions.variables + forTests

    /// Release builds have no pause points.
    #if DEBUG
    private static let forTests = ["SHAREDMEM_PAUSE_AT"]
    #else
    private static let forTests: [String] = []
    #endif

    /// A line for each, in the order of their names.
    static var warnings: [String] {
        let known = ServerOption.all.map(\.variable) + others
        return ProcessInfo.processInfo.environment.filter { name, value in
            name.hasPrefix(prefix) && !known.contains(name) && !isOfService(name, value)
        }.keys.sorted().map { name in
            "\(name) in the environment is ignored, because no setting has this name."
                + Similarity.question(name, in: known, otherwise: " 'sharedmem serve --help' names them.")
        }
    }

    /// Whether Kubernetes, or Docker for a linked container, has set it for a service that is named `sharedmem`.
    private static func isOfService(_ name: String, _ value: String) -> Bool {
        let rest = name.dropFirst(prefix.count)
        return rest.hasPrefix("SERVICE_") || rest.hasPrefix("ENV_")
            || rest.hasPrefix("PORT") && (rest.contains("_") || value.contains("://"))
    }
}
