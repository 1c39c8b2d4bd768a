// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "sharedmem-benchmarks",
    dependencies: [.package(name: "sharedmem", path: "..")],
    targets: [
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .target(name: "Timing"),
        .executableTarget(
            name: "swift-peers",
            dependencies: ["CLMDB", "Timing", .product(name: "SharedMemory", package: "sharedmem")]),
    ]
)
