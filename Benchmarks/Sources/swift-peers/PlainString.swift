import Timing

/// The cost of making a `String` of the text, wherever the bytes come from.
enum PlainString {
    static var peer: peer {
        Timing.peer(
            name: ("string" as StaticString).cString,
            create: { _ in },
            open: { job in job.map { UnsafeMutableRawPointer(Unmanaged.passRetained(Bytes($0.pointee)).toOpaque()) } },
            close: { object in object.map { Unmanaged<Bytes>.fromOpaque($0).release() } },
            read: { object, count in
                guard let object else { return 0 }
                let bytes = Unmanaged<Bytes>.fromOpaque(object).takeUnretainedValue().bytes
                var sum: UInt = 0
                for _ in 0..<count {
                    sum &+= UInt(String(copying: UTF8Span(unchecked: bytes.span)).utf8.count)
                }
                return sum
            },
            write: nil)
    }

    private final class Bytes {
        let bytes: [UInt8]

        init(_ job: job) { bytes = Array(UnsafeRawBufferPointer(start: job.text, count: job.length)) }
    }
}
