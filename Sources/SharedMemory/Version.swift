/// Identifies one of a segment's texts, by the segment's instance and a number that counts its publications.
///
/// Its text form is `INSTANCE-NUMBER`, sixteen lowercase hexadecimal digits and a decimal number, in every interface; over
/// HTTP it is the entity tag, in quotes. Numbers of different instances cannot be compared: a segment that was removed and
/// created again has a new instance and counts from 0.
public struct Version: Hashable, Sendable, LosslessStringConvertible {
    /// A number drawn at random when the segment was created.
    public let instance: UInt64
    /// The number of publications so far; 0 is the empty text that the segment was created with.
    public let number: UInt64

    public init(instance: UInt64, number: UInt64) {
        self.instance = instance
        self.number = number
    }

    public var description: String {
        var digits = Digits()
        write(to: &digits)
        return digits.text
    }

    package func write(to digits: inout Digits) {
        digits.append(hexadecimal: instance)
        digits.append(UInt8(ascii: "-"))
        digits.append(decimal: number)
    }

    /// Reads `INSTANCE-NUMBER`; nil if the text is not exactly what `description` returns for a version.
    public init?(_ description: String) {
        let parts = description.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2,
            let instance = UInt64(parts[0], radix: 16), let number = UInt64(parts[1])
        else { return nil }
        self.init(instance: instance, number: number)
        guard self.description == description else { return nil }
    }
}
