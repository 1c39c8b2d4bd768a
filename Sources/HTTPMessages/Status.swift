/// The status code of a response.
package enum Status: UInt32, Sendable {
    case ok = 200, created = 201, noContent = 204
    case notModified = 304
    case badRequest = 400, unauthorized = 401, forbidden = 403, notFound = 404, methodNotAllowed = 405
    case requestTimeout = 408, preconditionFailed = 412, contentTooLarge = 413, unsupportedMediaType = 415
    case expectationFailed = 417, misdirectedRequest = 421, requestHeaderFieldsTooLarge = 431
    case internalServerError = 500, notImplemented = 501, serviceUnavailable = 503, insufficientStorage = 507
}
