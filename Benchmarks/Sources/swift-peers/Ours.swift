import SharedMemory
import Timing

/// Our own text through the Swift interface, read in one of several ways.
enum Ours {
    static func peer(_ name: StaticString, _ read: @escaping @convention(c) (UnsafeMutableRawPointer?, Int) -> UInt)
        -> peer
    {
        Timing.peer(
            name: name.cString,
            create: { job in
                guard let job = job?.pointee else { return }
                let segment = orExit { try Ours.attach(job, lifetime: .persistent, capacity: max(job.length, 1 << 20)) }
                orExit { _ = try segment.set(String(cString: job.text)) }
            },
            open: { job in job.map { UnsafeMutableRawPointer(Unmanaged.passRetained(Opened($0.pointee)).toOpaque()) } },
            close: { object in object.map { Unmanaged<Opened>.fromOpaque($0).release() } },
            read: read,
            write: { object, count in
                let opened = Opened.from(object)
                for _ in 0..<count { orExit { _ = try opened.segment.set(opened.text) } }
            })
    }

    static var borrow: peer {
        peer("borrow") { object, count in
            let segment = Opened.from(object).segment
            var sum: UInt = 0
            for _ in 0..<count {
                sum &+= orExit { try segment.withBytes { UInt($0.unsafeLoad(as: UInt8.self)) + UInt($0.byteCount) } }
            }
            return sum
        }
    }

    static var text: peer {
        peer("text") { object, count in
            let segment = Opened.from(object).segment
            var sum: UInt = 0
            for _ in 0..<count {
                sum &+= orExit { try segment.withText { UInt($0.span[0]) + UInt($0.count) } }
            }
            return sum
        }
    }

    static var get: peer {
        peer("get") { object, count in
            let segment = Opened.from(object).segment
            var sum: UInt = 0
            for _ in 0..<count { sum &+= orExit { UInt(try segment.get().utf8.count) } }
            return sum
        }
    }

    static var reader: peer {
        peer("reader") { object, count in
            var reader = orExit { try Opened.from(object).segment.makeReader() }
            var sum: UInt = 0
            for _ in 0..<count {
                sum &+= orExit { try reader.withBytes { UInt($0.unsafeLoad(as: UInt8.self)) + UInt($0.byteCount) } }
            }
            return sum
        }
    }

    static var readerText: peer {
        peer("reader-text") { object, count in
            var reader = orExit { try Opened.from(object).segment.makeReader() }
            var sum: UInt = 0
            for _ in 0..<count {
                sum &+= orExit { try reader.withText { UInt($0.span[0]) + UInt($0.count) } }
            }
            return sum
        }
    }

    static var readerGet: peer {
        peer("reader-get") { object, count in
            var reader = orExit { try Opened.from(object).segment.makeReader() }
            var sum: UInt = 0
            for _ in 0..<count { sum &+= orExit { UInt(try reader.get().utf8.count) } }
            return sum
        }
    }

    private static func attach(_ job: job, lifetime: Lifetime, capacity: Int?) throws -> Segment {
        let options = AttachmentOptions(
            lifetime: lifetime, capacity: capacity, directory: String(cString: job.directory), creates: capacity != nil)
        return try Segment.attach("text", options)
    }

    private final class Opened {
        let segment: Segment
        let text: String

        init(_ job: job) {
            segment = orExit { try Ours.attach(job, lifetime: .whileAttached, capacity: nil) }
            text = String(cString: job.text)
        }

        static func from(_ object: UnsafeMutableRawPointer?) -> Opened {
            guard let object else { fatalError("nothing was opened") }
            return Unmanaged<Opened>.fromOpaque(object).takeUnretainedValue()
        }
    }
}

@inline(__always)
func orExit<Result: ~Copyable>(_ body: () throws -> Result) -> Result {
    do {
        return try body()
    } catch {
        fatalError("\(error)")
    }
}

extension StaticString {
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
