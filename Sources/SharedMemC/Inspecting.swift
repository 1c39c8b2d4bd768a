public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_info(
    _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<sharedmem_options_t>?,
    _ info: UnsafeMutablePointer<sharedmem_info_t>?
) -> CInt {
    guard let info = unsafe info else { return failForNull("info") }
    guard let attachment = unsafe AttachmentOptions(options, for: "sharedmem_info") else { return -1 }
    return attempt { () throws(SegmentError) in
        unsafe info.pointee = sharedmem_info_t(
            try Segment.info(
                segmentName(name), directory: attachment.directory, trustedOwners: attachment.trustedOwners))
    }
}

@c @implementation
public func sharedmem_list(
    _ directory: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
    guard unsafe buffer != nil || size == 0 else { return Int(failForNull("buffer")) }
    var length = -1
    attempt { () throws(SegmentError) in
        let directory = unsafe directory.map { unsafe String(cString: $0) }
        var names = ""
        for name in try Segment.list(directory: directory) { names += name + "\n" }
        length = names.utf8.count
        names.withUTF8 { names in
            let room = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: size >= 0 ? size : .max)
            unsafe copyWholeCharacters(UnsafeRawBufferPointer(names), into: room)
        }
    }
    return length
}

@c @implementation
public func sharedmem_unlink(
    _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<sharedmem_options_t>?
) -> CInt {
    guard let name = unsafe segmentName(name) else { return failForNull("name") }
    guard let attachment = unsafe AttachmentOptions(options, for: "sharedmem_unlink") else { return -1 }
    return attempt { () throws(SegmentError) in
        try Segment.unlink(name, directory: attachment.directory, trustedOwners: attachment.trustedOwners)
    }
}

extension sharedmem_info_t {
    fileprivate init(_ info: SegmentInfo) {
        self.init()
        capacity = info.capacity
        length = info.byteCount
        version = sharedmem_version_t(info.version)
        publication_time = info.publicationTime.nanosecondsSince1970
        creation_time = info.creationTime.nanosecondsSince1970
        memory = info.memoryByteCount
        flags = info.lifetime == .persistent ? SHAREDMEM_PERSISTENT : 0
        mode = info.mode
        owner = info.owner
        pins = UInt32(info.pinCount)
        pin_count = UInt32(info.pinLimit)
        rows = UInt32(info.attached.count)
        row_count = UInt32(info.rowLimit)
        attachments = UInt32(clamping: info.attachmentCount ?? 0)
        guard let setter = info.setter else { return }
        setter_process = UInt32(setter.processID)
        setter_user = setter.user
        unsafe withUnsafeMutableBytes(of: &setter_program) { unsafe $0.copyBytes(from: setter.program.utf8.prefix(16)) }
    }
}
