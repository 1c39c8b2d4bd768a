// swift-tools-version: 6.2

import PackageDescription

let sharedMemory: Target.Dependency = .product(name: "SharedMemory", package: "sharedmem")

let package = Package(
    name: "examples",
    dependencies: [.package(name: "sharedmem", path: "../..", traits: [])],
    targets: [
        .executableTarget(name: "parent", dependencies: [sharedMemory]),
        .executableTarget(name: "child", dependencies: [sharedMemory]),
    ]
)
