/// The status code of a response.
package enum Status: UInt32, CaseIterable, Sendable {
    case ok = 200, created = 201, noContent = 204
    case notModified = 304
    case badRequest = 400, unauthorized = 401, forbidden = 403, notFound = 404, methodNotAllowed = 405
    case requestTimeout = 408, conflict = 409, preconditionFailed = 412, contentTooLarge = 413
    case unsupportedMediaType = 415, expectationFailed = 417, misdirectedRequest = 421, requestHeaderFieldsTooLarge =
        431
    case internalServerError = 500, notImplemented = 501, badGateway = 502, serviceUnavailable = 503
    case gatewayTimeout = 504, insufficientStorage = 507, loopDetected = 508

    /// A small number for each.
    package var index: Int {
        switch self {
        case .ok: 0
        case .created: 1
        case .noContent: 2
        case .notModified: 3
        case .badRequest, .unauthorized, .forbidden, .notFound, .methodNotAllowed: Int(rawValue) - 396
        case .requestTimeout, .conflict, .preconditionFailed, .contentTooLarge, .unsupportedMediaType,
            .expectationFailed:
            Int(rawValue) - 398
        case .misdirectedRequest: 20
        case .requestHeaderFieldsTooLarge: 21
        case .internalServerError, .notImplemented, .badGateway, .serviceUnavailable, .gatewayTimeout:
            Int(rawValue) - 478
        case .insufficientStorage, .loopDetected: Int(rawValue) - 480
        }
    }
}
