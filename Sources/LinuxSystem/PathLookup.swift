extension Directory {
    /// The number of symbolic links after which the system takes a path for a circle (path_resolution(7)).
    private static let linkLimit = 40

    /// Looks up a path as the system does: one name after another, and through symbolic links.
    ///
    /// - Parameter visit: called with a directory and a name before that name is looked up there.
    /// - Returns: the path without symbolic links; nil if it leads nowhere.
    package static func lookUp(_ path: String, visit: (_ directory: String, _ name: String) -> Void) -> String? {
        // Without a slash at its end: the root is empty.
        var directory = path.hasPrefix("/") ? "" : (resolved(".") ?? ".")
        var names = Array(path.split(separator: "/").reversed())
        var linksLeft = linkLimit
        while let name = names.popLast() {
            if name == "." { continue }
            if name == ".." {
                directory = String(directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)])
                continue
            }
            visit(directory.isEmpty ? "/" : directory, String(name))
            let next = directory + "/" + name
            guard let status = try? FileStatus.ofPath(next) else { return nil }
            guard status.kind == .symbolicLink else {
                directory = next
                continue
            }
            guard linksLeft > 0, let target = try? Self.target(ofLink: next) else { return nil }
            linksLeft -= 1
            if target.hasPrefix("/") { directory = "" }
            names += target.split(separator: "/").reversed()
        }
        return directory.isEmpty ? "/" : directory
    }
}
