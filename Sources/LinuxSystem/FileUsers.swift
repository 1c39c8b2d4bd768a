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

    /// As `/proc` writes them.
    var deviceNumbers: String {
        func hexadecimal(_ number: UInt) -> String { (number < 16 ? "0" : "") + String(number, radix: 16) }
        // As in makedev(3).
        let (major, minor) = (device >> 8 & 0xfff | device >> 32 & ~0xfff, device & 0xff | device >> 12 & 0xffff_ff00)
        return hexadecimal(major) + ":" + hexadecimal(minor)
    }
}

/// The shared locks of open file descriptions on this host, as they were when this was made.
package struct SharedLocks: Sendable {
    /// By device, inode and byte, as `/proc/locks` writes them; nil if it cannot be read.
    private let counts: [String: Int]?

    package init() {
        // 1: OFDLCK ADVISORY  READ -1 00:1a:1234 12 12
        let locks = try? wholeText(ofFile: "/proc/locks")
        counts = locks?.split(separator: "\n").reduce(into: [:]) { counts, line in
            let words = line.split(separator: " ")
            guard words.count >= 8, words[1] == "OFDLCK", words[3] == "READ" else { return }
            counts["\(words[5]) \(words[6])", default: 0] += 1
        }
    }

    /// How many descriptions hold a shared lock that begins at a byte of a file; nil if that cannot be found out.
    package func count(on file: FileIdentity, byte: Int) -> Int? {
        counts.map { $0["\(file.deviceNumbers):\(file.inode) \(byte)", default: 0] }
    }
}

/// Reads a file whose length is not known before.
func wholeText(ofFile path: String) throws(SystemError) -> String {
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
