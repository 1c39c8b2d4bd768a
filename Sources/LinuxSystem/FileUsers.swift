internal import Glibc

/// A process that has a file mapped, as `/proc` shows it to this process.
package struct MappingProcess: Hashable, Sendable {
    package let processID: Int
    /// A user id.
    package let user: UInt32
    package let program: String
}

extension FileIdentity {
    /// The processes that have the file mapped and that this process may look at, in order of their ids.
    package var mappingProcesses: [MappingProcess] {
        get throws(SystemError) {
            let processIDs = try Directory.names(in: "/proc").compactMap { Int($0) }.sorted()
            return processIDs.compactMap { processID in
                let place = "/proc/\(processID)"
                guard (try? wholeText(ofFile: "\(place)/maps"))?.contains(" \(deviceNumbers) \(inode) ") == true,
                    let program = try? wholeText(ofFile: "\(place)/comm"), let owner = try? FileStatus.ofPath(place)
                else { return nil }
                return MappingProcess(
                    processID: processID, user: owner.owner, program: String(program.prefix { $0 != "\n" }))
            }
        }
    }

    /// How many open file descriptions hold a shared lock on a byte of the file, in all containers; nil where `/proc` does
    /// not say so.
    package func sharedLockCount(onByte byte: Int) -> Int? {
        // 1: OFDLCK ADVISORY  READ -1 00:1a:1234 12 12
        guard let locks = try? wholeText(ofFile: "/proc/locks") else { return nil }
        let place = ["READ", "-1", "\(deviceNumbers):\(inode)", "\(byte)"]
        return locks.split(separator: "\n").count { line in
            let words = line.split(separator: " ")
            return words.count >= 8 && words[1] == "OFDLCK" && words[3..<7].elementsEqual(place) { $0 == $1 }
        }
    }

    /// As `/proc` writes them.
    private var deviceNumbers: String {
        func hexadecimal(_ number: UInt) -> String { (number < 16 ? "0" : "") + String(number, radix: 16) }
        // As in makedev(3).
        let (major, minor) = (device >> 8 & 0xfff | device >> 32 & ~0xfff, device & 0xff | device >> 12 & 0xffff_ff00)
        return hexadecimal(major) + ":" + hexadecimal(minor)
    }
}

/// Reads a file whose length is not known before.
private func wholeText(ofFile path: String) throws(SystemError) -> String {
    let file = try FileDescriptor.open(path, .readOnly)
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let offset = bytes.count
        let result = unsafe part.withUnsafeMutableBytes { buffer in
            Result { () throws(SystemError) in unsafe try file.read(into: buffer, at: offset) }
        }
        let count = try result.get()
        bytes += part[..<count]
        if count < part.count { return String(decoding: bytes, as: UTF8.self) }
    }
}
