internal import Glibc

/// The users and groups that this host knows: those in `/etc/passwd` and `/etc/group`, and in whatever directory service
/// the C library asks.
package enum Accounts {
    /// A user's id; nil if there is no user of that name.
    package static func user(named name: String) throws(SystemError) -> UInt32? {
        unsafe try find("getpwnam_r") {
            unsafe getpwnam_r(name, $0, $1, $2, $3)
        } reading: {
            unsafe $0.pw_uid
        }
    }

    /// A group's id; nil if there is no group of that name.
    package static func group(named name: String) throws(SystemError) -> UInt32? {
        unsafe try find("getgrnam_r") {
            unsafe getgrnam_r(name, $0, $1, $2, $3)
        } reading: {
            unsafe $0.gr_gid
        }
    }

    /// A user's name; nil if the user has none, or if it cannot be found out.
    package static func name(ofUser user: UInt32) -> String? { (try? entry(ofUser: user))??.name }

    /// A group's name; nil if the group has none, or if it cannot be found out.
    package static func name(ofGroup group: UInt32) -> String? {
        let name = unsafe try? find("getgrgid_r") {
            unsafe getgrgid_r(group, $0, $1, $2, $3)
        } reading: {
            unsafe String(cString: $0.gr_name)
        }
        return name ?? nil
    }

    /// The groups that a user is a member of, the primary one included; none if the host does not know the user.
    package static func groups(ofUser user: UInt32) throws(SystemError) -> Set<UInt32> {
        guard let (name, primaryGroup) = try entry(ofUser: user) else { return [] }
        var groups = [gid_t](repeating: 0, count: 64)
        // Bounded: the kernel allows a process 65,536 groups.
        while groups.count <= 1 << 20 {
            var count = CInt(groups.count)
            if unsafe getgrouplist(name, primaryGroup, &groups, &count) >= 0 { return Set(groups.prefix(Int(count))) }
            groups = [gid_t](repeating: 0, count: max(Int(count), groups.count) * 2)
        }
        throw SystemError("getgrouplist", on: name, code: ERANGE)
    }

    private static func entry(ofUser user: UInt32) throws(SystemError) -> (name: String, primaryGroup: UInt32)? {
        unsafe try find("getpwuid_r") {
            unsafe getpwuid_r(user, $0, $1, $2, $3)
        } reading: {
            unsafe (name: String(cString: $0.pw_name), primaryGroup: $0.pw_gid)
        }
    }

    /// Makes one of the C library's look-ups, with as much room for its strings as it needs.
    private static func find<Entry: BitwiseCopyable, Result>(
        _ call: StaticString,
        _ look: (
            UnsafeMutablePointer<Entry>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
        ) -> CInt,
        reading read: (Entry) -> Result
    ) throws(SystemError) -> Result? {
        var room = 1024
        while true {
            let entry = UnsafeMutablePointer<Entry>.allocate(capacity: 1)
            let strings = UnsafeMutablePointer<CChar>.allocate(capacity: room)
            defer {
                unsafe entry.deallocate()
                unsafe strings.deallocate()
            }
            var found: UnsafeMutablePointer<Entry>?
            switch unsafe look(entry, strings, room, &found) {
            case 0: return unsafe found.map { unsafe read($0.pointee) }
            // By getpwnam(3), all of these may mean that there is no entry.
            case ENOENT, ESRCH, EBADF, EPERM: return nil
            case EINTR: continue
            // A group may have many members. The bound is far beyond any.
            case ERANGE where room < 1 << 26: room *= 4
            case let code: throw SystemError(call, on: nil, code: code)
            }
        }
    }
}
