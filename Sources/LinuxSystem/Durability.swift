internal import CLinux
internal import Glibc

extension FileDescriptor {
    /// Writes all of some bytes.
    package func write(bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        try unsafe bytes.withUnsafeBytes { bytes throws(SystemError) in unsafe try write(bytes, at: offset) }
    }

    /// Waits until the content is on disk; that of a directory is its names.
    ///
    /// If this fails, some of the content may be lost even if the next call succeeds: write the file again.
    package func synchronize() throws(SystemError) {
        let number = try number
        try systemCall("fsync") { negatedErrno(fsync(number)) }
    }
}

extension Directory {
    /// Creates a directory.
    ///
    /// - Returns: false if the name exists.
    package static func create(_ path: String, mode: UInt32) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try systemCall("mkdir", on: path) { negatedErrno(unsafe mkdir(path, mode)) }
            return true
        } catch let error where error.code == EEXIST {
            return false
        }
    }

    /// - Throws: if this process may not create files in a directory.
    package static func checkIsWritable(_ path: String) throws(SystemError) {
        try systemCall("access", on: path) { negatedErrno(unsafe access(path, W_OK | X_OK)) }
    }
}

extension SystemError {
    /// Whether the call was made for a file that is not there.
    package var isForMissingFile: Bool { code == ENOENT }

    /// Whether the call was to create a file that is there.
    package var isForExistingFile: Bool { code == EEXIST }
}

/// CRC-64/XZ.
package struct Checksum: Sendable {
    package private(set) var value: UInt64 = 0

    package init() {}

    package mutating func add(_ bytes: Span<UInt8>) {
        value = unsafe bytes.withUnsafeBytes { unsafe clinux_crc64(value, $0.baseAddress, $0.count) }
    }
}
