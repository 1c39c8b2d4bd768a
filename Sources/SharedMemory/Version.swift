/// Which of a segment's texts: the segment's instance and a number that counts its publications.
///
/// As text it is `INSTANCE-NUMBER`, sixteen lowercase hexadecimal digits and a decimal number, the
/// same at every door; over HTTP, in quotes, it is the entity tag. Numbers of different instances
/// do not compare: a segment that was removed and created again starts over, under a new instance.
public struct Version: Hashable, Sendable {
    /// Drawn at random when the segment was created.
    public let instance: UInt64
    /// The count of publications; 0 is the empty text the segment was created with.
    public let number: UInt64

    public init(instance: UInt64, number: UInt64) {
        self.instance = instance
        self.number = number
    }
}

extension Version: LosslessStringConvertible {
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

    /// Reads `INSTANCE-NUMBER`; nil for anything that `description` would not print.
    public init?(_ description: String) {
        let parts = description.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2,
            let instance = UInt64(parts[0], radix: 16), let number = UInt64(parts[1])
        else { return nil }
        self.init(instance: instance, number: number)
        guard self.description == description else { return nil }
    }
}
