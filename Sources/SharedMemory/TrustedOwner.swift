import LinuxSystem

/// Whose segments a process trusts, in addition to those of its own user and of root.
///
/// The owner of a segment's file can change or truncate the file at any time, and so crash the processes that read it.
/// Therefore a process attaches only to segments of owners that it trusts.
///
/// The environment variable `SHAREDMEM_TRUST_OWNER`, with its values separated by commas, is trusted by every attachment in
/// the process, in addition to those that the program names.
public enum TrustedOwner: Hashable, Sendable {
    /// The user with this id.
    case user(UInt32)
    /// All members of the group with this id, according to the host's user database.
    case group(UInt32)

    /// Looks up the name of a user, or that of a group after an `@`.
    ///
    /// - Parameter text: `NAME`, `UID`, `@GROUP` or `@GID`. Digits alone are an id, not a name.
    /// - Throws: ``SegmentError/unknownUser(_:)``, ``SegmentError/unknownGroup(_:)``, and ``SegmentError/system(call:code:)``
    ///   if the user database cannot be read.
    public init(_ text: String) throws(SegmentError) {
        if text.hasPrefix("@") {
            self = .group(try AttachmentOptions.groupID(String(text.dropFirst())))
        } else if let user = UInt32(digits: text) {
            self = .user(user)
        } else if !text.isEmpty, let user = try fromSystem(Accounts.user(named: text)) {
            self = .user(user)
        } else {
            throw .unknownUser(text)
        }
    }

    /// Those that `SHAREDMEM_TRUST_OWNER` names.
    ///
    /// - Throws: ``SegmentError/invalidEnvironment(variable:value:)`` if a user or a group does not exist.
    package static func inEnvironment() throws(SegmentError) -> Set<TrustedOwner> {
        let variable = "SHAREDMEM_TRUST_OWNER"
        guard let value = Environment[variable] else { return [] }
        var owners: Set<TrustedOwner> = []
        for text in value.split(separator: ",") {
            do throws(SegmentError) {
                owners.insert(try TrustedOwner(String(text)))
            } catch {
                guard error.isUnknownAccount else { throw error }
                throw .invalidEnvironment(variable: variable, value: value)
            }
        }
        return owners
    }
}

extension AttachmentOptions {
    /// Returns the id of a group that is given by its name or its id.
    ///
    /// - Throws: ``SegmentError/unknownGroup(_:)``, and ``SegmentError/system(call:code:)`` if the group database cannot be
    ///   read.
    public static func groupID(_ text: String) throws(SegmentError) -> UInt32 {
        if let group = UInt32(digits: text) { return group }
        guard !text.isEmpty, let group = try fromSystem(Accounts.group(named: text)) else { throw .unknownGroup(text) }
        return group
    }
}

extension SegmentError {
    fileprivate var isUnknownAccount: Bool {
        switch self {
        case .unknownUser, .unknownGroup: true
        default: false
        }
    }
}

extension UInt32 {
    /// Nil unless the text has only digits.
    ///
    /// The highest number means no user and no group in the kernel's interfaces.
    fileprivate init?(digits text: String) {
        guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = UInt32(text),
            number != .max
        else { return nil }
        self = number
    }
}

/// A user or a group as messages name it.
package enum AccountName {
    /// `1000 (alice)`, or the number alone.
    package static func ofUser(_ user: UInt32) -> String {
        "\(user)" + (Accounts.name(ofUser: user).map { " (\($0))" } ?? "")
    }

    static func ofGroup(_ group: UInt32) -> String {
        "\(group)" + (Accounts.name(ofGroup: group).map { " (\($0))" } ?? "")
    }

    /// What stands for the user in options: the name, unless that could be read as something else.
    package static func optionValue(ofUser user: UInt32) -> String {
        guard let name = Accounts.name(ofUser: user), let owner = try? TrustedOwner(name), owner == .user(user),
            !name.contains(",")
        else { return "\(user)" }
        return name
    }
}
