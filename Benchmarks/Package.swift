// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "sharedmem-benchmarks",
    dependencies: [.package(name: "sharedmem", path: "..")],
    targets: [
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .executableTarget(
            name: "borrow", dependencies: ["CLMDB", .product(name: "SharedMemory", package: "sharedmem")]),
    ]
)
