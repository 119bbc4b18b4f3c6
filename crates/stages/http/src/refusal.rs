//! The answers that the server gives by itself, and the names of all statuses.

/// A request that the server answers without the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the bytes are not a request, or could be read in two ways.
    BadRequest,
    /// 405: a known method that nothing here takes.
    MethodNotAllowed,
    /// 408: a request was begun and not finished.
    RequestTimeout,
    /// 411: POST without Content-Length or chunking.
    LengthRequired,
    /// 413: the body is longer than the server takes.
    ContentTooLarge,
    /// 414: the target is longer than the server takes.
    TargetTooLong,
    /// 417: an expectation other than `100-continue`.
    ExpectationFailed,
    /// 431: the head is longer, or has more lines, than the server takes.
    HeadTooLarge,
    /// 500: the application's answer was malformed.
    Internal,
    /// 501: an unknown method or transfer coding.
    NotImplemented,
    /// 503: too much is waiting, or the server is stopping.
    Unavailable,
    /// 505: a version other than 1.0 and 1.1.
    VersionNotSupported,
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::BadRequest => 400,
            Refusal::MethodNotAllowed => 405,
            Refusal::RequestTimeout => 408,
            Refusal::LengthRequired => 411,
            Refusal::ContentTooLarge => 413,
            Refusal::TargetTooLong => 414,
            Refusal::ExpectationFailed => 417,
            Refusal::HeadTooLarge => 431,
            Refusal::Internal => 500,
            Refusal::NotImplemented => 501,
            Refusal::Unavailable => 503,
            Refusal::VersionNotSupported => 505,
        }
    }

    /// What happened and what to do, for a person.
    pub const fn advice(self) -> &'static str {
        match self {
            Refusal::BadRequest => "The request could not be understood.",
            Refusal::MethodNotAllowed => "Only GET, HEAD and POST are served here.",
            Refusal::RequestTimeout => "The request did not arrive in time. Please try again.",
            Refusal::LengthRequired => "A POST needs a Content-Length or a chunked body.",
            Refusal::ContentTooLarge => "The request's body is too long.",
            Refusal::TargetTooLong => "The address is too long.",
            Refusal::ExpectationFailed => "Only the expectation 100-continue can be met.",
            Refusal::HeadTooLarge => "The request's header lines are too long or too many.",
            Refusal::Internal => "The application gave an answer that could not be sent.",
            Refusal::NotImplemented => "The server does not know this method or coding.",
            Refusal::Unavailable => "The server is busy or stopping. Please try again.",
            Refusal::VersionNotSupported => "Please use HTTP/1.1 or HTTP/1.0.",
        }
    }

    /// Header lines that the status calls for.
    pub const fn extra(self) -> &'static [u8] {
        match self {
            Refusal::MethodNotAllowed => b"Allow: GET, HEAD, POST\r\n",
            Refusal::Unavailable => b"Retry-After: 1\r\n",
            _ => b"",
        }
    }
}

/// The reason phrase of a status; empty for one without a common name.
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
