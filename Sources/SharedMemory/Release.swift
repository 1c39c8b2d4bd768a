/// This release of the project.
package enum Release {
    package static let version = "0.1.0"
    /// The layout version of the segments that it uses.
    package static var layoutVersion: Int { Int(Layout.version) }
}
