internal import CMicroHTTPD
internal import Glibc

extension Request {
    /// Whether libmicrohttpd's view of the head is, byte for byte, the head as it was sent.
    ///
    /// libmicrohttpd takes a lone line feed for the end of a line, a zero for the end of a value, and a line without a
    /// name for the end of the head. Another server on the way may not, and then reads one request as two. libmicrohttpd
    /// leaves the head in place and writes zeros over the separators. So the parts must follow one another, with two
    /// zeros for each end of a line, one for each colon or blank, and nothing else in between.
    ///
    /// - Parameter targetByteCount: the length of the target as it was sent.
    func isIntact(targetByteCount: Int) -> Bool {
        let end = unsafe methodName + headByteCount
        guard targetByteCount > 0, unsafe methodName + strlen(methodName) + 1 == url,
            unsafe url + targetByteCount + 1 == version, unsafe end - methodName > 4, unsafe end[-1] == 0,
            unsafe memchr(methodName, CInt(UInt8(ascii: "\r")), end - methodName) == nil
        else { return false }
        var next = unsafe version + strlen(version)
        guard unsafe skipLineEnd(&next, end) else { return false }
        while unsafe next < end - 2 {
            guard unsafe next[0] != 0 else { return false }
            unsafe next += strlen(next) + 1
            guard unsafe next < end else { return false }
            unsafe next += strlen(next)
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
