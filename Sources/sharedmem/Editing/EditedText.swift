import LinuxSystem
import SharedMemory

/// Text that is edited, on this host or at a server.
protocol EditedText {
    var name: String { get }

    /// The text as it is now.
    func state() throws -> EditedState

    /// Sets the text if it is still as it was.
    ///
    /// - Throws: if the text cannot be set.
    func set(_ text: borrowing ReadBytes, inPlaceOf state: EditedState) throws -> EditOutcome
}

/// The text as it is at a moment.
struct EditedState {
    let text: String
    /// Nil if the segment does not exist.
    let version: Version?

    var label: String { version.map { "\($0)" } ?? "no segment" }
}

enum EditOutcome {
    case set(Version)
    /// Another writer has set the text, or the segment has come or gone.
    case conflict(EditedState)
}

extension RemoteText: EditedText {
    func state() throws -> EditedState {
        do {
            let current = try read()
            return EditedState(text: current.text, version: current.version)
        } catch let error as RemoteError where error.status == 404 {
            return EditedState(text: "", version: nil)
        }
    }

    func set(_ text: borrowing ReadBytes, inPlaceOf state: EditedState) throws -> EditOutcome {
        do {
            let condition = state.version.map { ("If-Match", "\"\($0)\"") } ?? ("If-None-Match", "*")
            return .set(try set(text.bytes, if: condition))
        } catch SegmentError.versionMismatch {
            return .conflict(try self.state())
        }
    }
}
