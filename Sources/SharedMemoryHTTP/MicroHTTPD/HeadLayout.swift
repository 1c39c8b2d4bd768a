internal import CMicroHTTPD
internal import Glibc

/// A target as it came, before MHD cuts and decodes it.
enum RequestTarget {
    /// Measures a target, and leaves nothing of its query.
    ///
    /// Nobody here reads a query; MHD makes a record of each of its arguments, and of too many not even an answer.
    ///
    /// - Parameter target: in the memory that MHD is about to write to itself.
    /// - Returns: its length; 0 if it has what no target has: a blank, a control character, a letter other than
    ///   ASCII's, or a `%` that nothing follows which it could stand for.
    static func measure(_ target: UnsafePointer<CChar>) -> Int {
        var count = 0
        var query: Int?
        while unsafe target[count] != 0 {
            guard unsafe (0x21...0x7e).contains(target[count]) else { return 0 }
            if unsafe target[count] == CChar(UInt8(ascii: "%")) {
                guard unsafe isxdigit(CInt(target[count + 1])) != 0, unsafe isxdigit(CInt(target[count + 2])) != 0
                else { return 0 }
            }
            if query == nil, unsafe target[count] == CChar(UInt8(ascii: "?")) { query = count }
            count += 1
        }
        if let query { unsafe UnsafeMutablePointer(mutating: target)[query + 1] = 0 }
        return count
    }
}

extension Request {
    /// Whether the head is, byte for byte, what MHD has made of it.
    ///
    /// MHD takes a lone line feed for the end of a line, a zero for that of a value, and a line without a name for that
    /// of the head; another server on the way may not, and then takes one request for two. MHD leaves the head where it
    /// is and writes zeros over what separates its parts. So these must follow one another, two zeros for each end of a
    /// line, one for each colon and blank, and with nothing in between.
    ///
    /// - Parameter targetByteCount: as it came.
    func isAsSent(targetByteCount: Int) -> Bool {
        let end = unsafe methodName + cmicrohttpd_head_byte_count(connection)
        guard targetByteCount > 0, unsafe methodName + strlen(methodName) + 1 == url,
            unsafe url + targetByteCount + 1 == version, unsafe end - methodName > 4, unsafe end[-1] == 0
        else { return false }
        var next = unsafe version + strlen(version)
        guard unsafe skipLineEnd(&next, end) else { return false }
        while unsafe next < end - 2 {
            let nameByteCount = unsafe strlen(next)
            unsafe next += nameByteCount + 1
            guard nameByteCount > 0, unsafe next < end else { return false }
            let valueByteCount = unsafe strlen(next)
            guard unsafe memchr(next, CInt(UInt8(ascii: "\r")), valueByteCount) == nil else { return false }
            unsafe next += valueByteCount
            guard unsafe skipLineEnd(&next, end) else { return false }
        }
        return unsafe skipLineEnd(&next, end) && next == end
    }

    private func skipLineEnd(_ next: inout UnsafePointer<CChar>, _ end: UnsafePointer<CChar>) -> Bool {
        guard unsafe end - next >= 2, unsafe next[0] == 0, unsafe next[1] == 0 else { return false }
        unsafe next += 2
        return true
    }
}
