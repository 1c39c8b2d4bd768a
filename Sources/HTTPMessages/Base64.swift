/// Base64 (RFC 4648), with padding.
package enum Base64 {
    private static let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in characters.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        let characters = characters
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var (bits, count) = (0 as UInt32, 0)
        for byte in bytes {
            (bits, count) = (bits << 8 | UInt32(byte), count + 1)
            guard count == 3 else { continue }
            text.append(characters[Int(bits >> 18)])
            text.append(characters[Int(bits >> 12 & 63)])
            text.append(characters[Int(bits >> 6 & 63)])
            text.append(characters[Int(bits & 63)])
            (bits, count) = (0, 0)
        }
        if count > 0 {
            bits <<= UInt32(8 * (3 - count))
            for place in 0..<4 {
                text.append(place <= count ? characters[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil if the text is not Base64.
    package static func decode(_ text: String) -> [UInt8]? {
        let values = values
        guard text.utf8.count % 4 == 0 else { return nil }
        let padding = text.utf8.suffix(2).count { $0 == UInt8(ascii: "=") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 4 * 3)
        var (bits, count) = (0 as UInt32, 0)
        for character in text.utf8.dropLast(padding) {
            let value = values[Int(character)]
            guard value != 0xFF else { return nil }
            (bits, count) = (bits << 6 | UInt32(value), count + 1)
            guard count == 4 else { continue }
            bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
            bytes.append(UInt8(truncatingIfNeeded: bits))
            (bits, count) = (0, 0)
        }
        switch count {
        case 2 where bits & 15 == 0: bytes.append(UInt8(bits >> 4))
        case 3 where bits & 3 == 0: bytes += [UInt8(bits >> 10), UInt8(bits >> 2 & 0xFF)]
        case 0: break
        default: return nil
        }
        return bytes
    }
}
