extension Segment {
    /// Makes `text` the segment's text and returns its version.
    ///
    /// This is lock-free across processes: a writer that is stopped in the middle of it delays no other process.
    ///
    /// - Parameters:
    ///   - text: at most ``capacity`` bytes of UTF-8, without U+0000.
    ///   - expected: if not nil, the text is set only if it replaces this version.
    /// - Throws: ``SegmentError/tooLong(byteCount:capacity:)``, ``SegmentError/containsNUL(offset:)``,
    ///   ``SegmentError/versionMismatch(current:)``, ``SegmentError/noSpace(path:byteCount:)``,
    ///   ``SegmentError/readOnly(name:)``, ``SegmentError/replicated(name:directory:url:)``.
    @discardableResult
    public func set(_ text: String, ifVersion expected: Version? = nil) throws(SegmentError) -> Version {
        try unsafe text.utf8Span.span.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes: bytes, isUTF8: true), if: Self.condition(expected))
        }
    }

    /// Makes UTF-8 bytes the segment's text and returns its version.
    ///
    /// - Throws: as ``set(_:ifVersion:)-(String,_)``, and ``SegmentError/notUTF8(offset:)``.
    @discardableResult
    public func set(utf8 bytes: Span<UInt8>, ifVersion expected: Version? = nil) throws(SegmentError) -> Version {
        try set(utf8: bytes, if: Self.condition(expected))
    }

    /// Sets the text under a condition that is evaluated again after each lost race; for the HTTP interface.
    @discardableResult
    package func set(utf8 bytes: Span<UInt8>, if condition: SetCondition?) throws(SegmentError) -> Version {
        try unsafe bytes.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes: bytes, isUTF8: false), if: condition)
        }
    }

    /// Checks that bytes can be text, whatever the capacity.
    ///
    /// - Throws: ``SegmentError/notUTF8(offset:)`` or ``SegmentError/containsNUL(offset:)``.
    package static func check(utf8 bytes: Span<UInt8>) throws(SegmentError) {
        try unsafe bytes.withUnsafeBytes { bytes throws(SegmentError) in
            try unsafe Draft(bytes: bytes, isUTF8: false).check()
        }
    }

    /// Replaces the text with the result of `change`, and retries if another writer gets in first.
    ///
    /// - Parameter change: may run several times, and must not set this segment itself.
    /// - Throws: as ``set(_:ifVersion:)-(String,_)``, or what `change` throws.
    @discardableResult
    public func update(_ change: (String) throws -> String) throws -> Version {
        for _ in 0..<1_000_000 {
            let old = try snapshot()
            let new = try change(old.text)
            do {
                return try set(new, ifVersion: old.version)
            } catch SegmentError.versionMismatch {
                continue
            }
        }
        throw SegmentError.busy(doing: "updating '\(name)'")
    }

    /// Describes the current text, as to a condition; for the HTTP interface.
    package func publicationInfo() throws(SegmentError) -> PublicationInfo {
        defer { extendLifetime(self) }
        return try reference().attachment.currentInfo().1
    }

    /// Describes the current text, and the process that set it; nil for version 0.
    package func publication() throws(SegmentError) -> (info: PublicationInfo, setter: SettingProcess?) {
        defer { extendLifetime(self) }
        return try reference().attachment.membership.publication(path)
    }

    func publish(_ draft: Draft, if condition: SetCondition?, isReplica: Bool = false) throws(SegmentError) -> Version {
        defer { extendLifetime(self) }
        return try reference().with { attachment in
            Result { () throws(SegmentError) in try attachment.publish(draft, if: condition, isReplica: isReplica) }
        }.get()
    }

    private static func condition(_ expected: Version?) -> SetCondition? {
        expected.map { expected in { $0.version == expected } }
    }
}
