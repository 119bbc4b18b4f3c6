//! The http stage: HTTP/1.1 on httparse.
