// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let tests: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "sharedmem",
    products: [
        .library(name: "SharedMemory", targets: ["SharedMemory"]),
        .library(name: "SharedMem", type: .dynamic, targets: ["SharedMemC"]),
        .library(name: "SharedMemoryHTTP", targets: ["SharedMemoryHTTP"]),
        .executable(name: "sharedmem", targets: ["sharedmem"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0")
    ],
    targets: [
        // The core: no dependency beyond the toolchain.
        .target(name: "CLinux"),
        .target(
            name: "SharedMemory", dependencies: ["CLinux"],
            // Where a test can stop a process; see Step.
            swiftSettings: strict + [.define("PAUSE_POINTS", .when(configuration: .debug))]),

        // The C door: libSharedMem.so.
        .target(name: "CSharedMem"),
        .target(name: "SharedMemC", dependencies: ["CSharedMem", "SharedMemory"], swiftSettings: strict),

        // The HTTP service, on libmicrohttpd.
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .target(
            name: "SharedMemoryHTTP", dependencies: ["CLinux", "CMicroHTTPD", "SharedMemory"],
            resources: [.embedInCode("openapi.yaml")], swiftSettings: strict),

        // The command line.
        .executableTarget(
            name: "sharedmem",
            dependencies: [
                "SharedMemory", "SharedMemoryHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Tests. The probe is the other process: it attaches, sets, reads and dies as a test tells it.
        .executableTarget(
            name: "probe", dependencies: ["SharedMemory", "TestSupport"], path: "Tests/Probe", swiftSettings: tests),
        .executableTarget(
            name: "torture",
            dependencies: [
                "SharedMemory", "TestSupport", "sharedmem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Torture", exclude: ["worker.c"], swiftSettings: tests),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: tests),
        .testTarget(
            name: "SharedMemoryTests", dependencies: ["SharedMemory", "TestSupport", "probe"],
            exclude: ["format_reader.py"], swiftSettings: tests),
        .testTarget(
            // Its programs are compiled by the tests, against libSharedMem.so.
            name: "SharedMemCTests", dependencies: ["TestSupport"], exclude: ["Programs"],
            swiftSettings: tests),
        .testTarget(
            name: "SharedMemoryHTTPTests",
            dependencies: ["SharedMemory", "SharedMemoryHTTP", "TestSupport", "sharedmem", "probe"],
            swiftSettings: tests),
        .testTarget(
            name: "CommandLineTests", dependencies: ["SharedMemory", "TestSupport", "sharedmem", "probe"],
            swiftSettings: tests),
    ]
)
