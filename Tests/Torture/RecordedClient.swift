import SharedMemory
import TestSupport

// Requests over HTTP that are recorded in the history.

extension RawClient {
    /// Sets the text, and records that once the server acknowledges it.
    func set(_ text: [UInt8], _ recorder: Recorder) throws {
        recorder.willSet(text)
        let start = HistoryFile.now
        try sendRequest("PUT", body: text)
        try finish(text, since: start, recorder)
    }

    /// Sets the text unless another writer gets in first.
    func setConditionally(_ text: [UInt8], _ recorder: Recorder) throws {
        let expected = try version(request("HEAD"))
        recorder.willSet(text)
        let start = HistoryFile.now
        let response = try request("PUT", "/shared", ["If-Match: \"\(expected)\""], body: text)
        if response.status == 412 { return }
        try expect(response.status == 204, "PUT: \(response)")
        recorder.record(
            .set, since: start, try version(response), digest: ChecksummedText.digest(of: text.span.bytes),
            replaced: expected)
    }

    @discardableResult
    func get(_ recorder: Recorder) throws -> [UInt8] {
        let start = HistoryFile.now
        try sendRequest("GET")
        return try finish(nil, since: start, recorder)
    }

    /// Waits for the response to a request that was sent before: a PUT of `text`, or a GET if that is nil.
    ///
    /// - Returns: the text.
    @discardableResult
    func finish(_ text: [UInt8]?, since start: UInt64, _ recorder: Recorder) throws -> [UInt8] {
        let response = try response()
        try expect(response.status == (text == nil ? 200 : 204), "\(response)")
        let bytes = text ?? response.body
        recorder.record(
            text == nil ? .read : .set, since: start, try version(response),
            digest: ChecksummedText.digest(of: bytes.span.bytes))
        return bytes
    }

    private func version(_ response: RawResponse) throws -> Version {
        guard let version = response["ETag"].flatMap({ Version(String($0.dropFirst().dropLast())) }) else {
            throw Failed(description: "no ETag: \(response)")
        }
        return version
    }
}
