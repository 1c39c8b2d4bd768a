// swift-tools-version: 6.2

import Foundation
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let tests: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

// The name under which programs look for libSharedMem.so. Its number grows when a change to the header breaks programs
// that are already linked. A package that depends on this one by version gets a library without this name: SwiftPM puts
// libSharedMem.so beside the programs that it links, and there is no libSharedMem.so.0 for them to find.
let soname: [LinkerSetting] =
    isDependency ? [] : [.unsafeFlags(["-Xlinker", "-soname=libSharedMem.so.0"])]

/// True in the folders where SwiftPM keeps what it fetches.
var isDependency: Bool {
    let place = Context.packageDirectory.split(separator: "/").dropLast()
    let isCheckout =
        place.last == "checkouts"
        && FileManager.default.fileExists(
            atPath: "/" + place.dropLast().joined(separator: "/") + "/repositories")
    return isCheckout || Context.packageDirectory.contains("/registry/downloads/")
}

// What only the trait HTTP needs.
let logging: Target.Dependency =
    .product(name: "Logging", package: "swift-log", condition: .when(traits: ["HTTP"]))
let argumentParser: Target.Dependency =
    .product(name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["HTTP"]))

let package = Package(
    name: "sharedmem",
    products: [
        .library(name: "SharedMemory", targets: ["SharedMemory"]),
        .library(name: "SharedMem", type: .dynamic, targets: ["SharedMemC"]),
        .library(name: "SharedMemoryHTTP", targets: ["SharedMemoryHTTP"]),
        .executable(name: "sharedmem", targets: ["sharedmem"]),
    ],
    traits: [
        .default(enabledTraits: ["HTTP"]),
        .trait(
            name: "HTTP",
            description: "SharedMemoryHTTP and the command. Without it, SwiftPM fetches no other package."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        // The core: no dependency beyond the toolchain.
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: strict),
        .target(
            name: "SharedMemory", dependencies: ["CLinux", "LinuxSystem"],
            // Lets a test stop a process at a step of the protocol; see PausePoint.
            swiftSettings: strict + [.define("PAUSE_POINTS", .when(configuration: .debug))]),

        // Versions on disk, which the server keeps and the command reads.
        .target(
            name: "SharedMemoryKeep", dependencies: ["LinuxSystem", "SharedMemory"],
            swiftSettings: strict),

        // The C interface: libSharedMem.so.
        .target(name: "CSharedMem"),
        .target(
            name: "SharedMemC", dependencies: ["CLinux", "CSharedMem", "LinuxSystem", "SharedMemory"],
            swiftSettings: strict,
            linkerSettings: soname),

        // HTTP itself: no server, no segments, no system calls.
        .target(name: "HTTPMessages", swiftSettings: strict),

        // The HTTP service, on libmicrohttpd and its GnuTLS.
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),
        .target(name: "GnuTLS", dependencies: ["CGnuTLS", "LinuxSystem"], swiftSettings: strict),
        .target(
            name: "MicroHTTPD", dependencies: ["CGnuTLS", "CMicroHTTPD", "GnuTLS", "HTTPMessages", "LinuxSystem"],
            swiftSettings: strict),

        // Requests to other servers.
        .target(name: "HTTPClient", dependencies: ["GnuTLS", "LinuxSystem"], swiftSettings: strict),

        // Texts in etcd.
        .target(
            name: "Etcd", dependencies: ["HTTPClient", "HTTPMessages", "LinuxSystem", "SharedMemory"],
            swiftSettings: strict),
        .target(
            name: "SharedMemoryHTTP",
            dependencies: [
                "Etcd", "GnuTLS", "HTTPClient", "HTTPMessages", "LinuxSystem", "MicroHTTPD", "SharedMemory",
                "SharedMemoryKeep", logging,
            ],
            resources: [.embedInCode("openapi.yaml"), .embedInCode("Page")], swiftSettings: strict),

        // The command line.
        .executableTarget(
            name: "sharedmem",
            dependencies: [
                "GnuTLS", "HTTPClient", "HTTPMessages", "LinuxSystem", "SharedMemory", "SharedMemoryHTTP",
                "SharedMemoryKeep",
                logging,
                argumentParser,
            ],
            swiftSettings: strict),

        // Tests. The probe is the other process in a test: it attaches, sets, reads and dies on command.
        .executableTarget(
            name: "probe", dependencies: ["SharedMemory", "TestSupport"], path: "Tests/Probe", swiftSettings: tests),
        .executableTarget(
            name: "torture",
            dependencies: [
                "SharedMemory", "TestSupport", "sharedmem",
                argumentParser,
            ],
            path: "Tests/Torture", exclude: ["CWorker"], swiftSettings: tests),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: tests),
        .target(name: "TestTraits", path: "Tests/TestTraits", swiftSettings: tests),
        .testTarget(
            name: "SharedMemoryTests",
            dependencies: ["LinuxSystem", "SharedMemory", "TestSupport", "TestTraits", "probe"],
            exclude: ["format_reader.py"], swiftSettings: tests),
        .testTarget(
            name: "SharedMemoryKeepTests",
            dependencies: ["LinuxSystem", "SharedMemory", "SharedMemoryKeep", "TestSupport", "TestTraits", "probe"],
            swiftSettings: tests),
        .testTarget(
            // The tests compile the C programs themselves and link them with libSharedMem.so.
            name: "SharedMemCTests", dependencies: ["TestSupport", "TestTraits"], exclude: ["Programs"],
            swiftSettings: tests),
        .testTarget(name: "HTTPMessagesTests", dependencies: ["HTTPMessages"], swiftSettings: tests),
        .testTarget(
            name: "SharedMemoryHTTPTests",
            dependencies: [
                "Etcd", "GnuTLS", "HTTPClient", "HTTPMessages", "MicroHTTPD", "SharedMemory", "SharedMemoryHTTP",
                "SharedMemoryKeep", "TestSupport", "TestTraits", "sharedmem", "probe", logging,
            ],
            exclude: ["tls_client.py"], swiftSettings: tests),
        .testTarget(
            name: "CommandLineTests",
            dependencies: ["SharedMemory", "SharedMemoryHTTP", "TestSupport", "TestTraits", "sharedmem", "probe"],
            swiftSettings: tests),
    ]
)

// With SHAREDMEM_WITHOUT_HTTP=1, everything that does not need libmicrohttpd builds and is tested without it.
if Context.environment["SHAREDMEM_WITHOUT_HTTP"] == "1" {
    let names: Set = [
        "CGnuTLS", "CMicroHTTPD", "Etcd", "GnuTLS", "HTTPClient", "MicroHTTPD", "SharedMemoryHTTP", "sharedmem",
        "torture",
        "SharedMemoryHTTPTests",
        "CommandLineTests",
    ]
    package.targets.removeAll { names.contains($0.name) }
    package.products.removeAll { names.contains($0.name) }
    package.dependencies.removeAll()
}
