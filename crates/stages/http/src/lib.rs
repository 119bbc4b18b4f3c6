//! The http stage: HTTP/1.1 on httparse.
//!
//! ```text
//!                      +-----------------------------------------+
//!  tcp --events-----> | reader: bytes -> one request at a time   | --requests--> application
//!       (TcpEvent)    |   scan, parse, target, body              |  (HttpRequest)
//!                     |            waiting: FIFO for a token     |
//!  tcp <-commands---- | outbound: heads, pages, credit           | <-responses-- application
//!       (TcpCommand)  +-----------------------------------------+   (HttpResponse)
//! ```
//!
//! - `events` can always be taken: data is bounded by the credit that was granted, everything
//!   else is a change of state. A `response` is taken when one command has room (declared).
//! - A connection has at most one request at the application. What a pipelining client sends
//!   behind it stays in a bounded inbox and no credit is returned for it, so TCP throttles it.
//! - The head is written into the headroom of the application's page and the same page goes on
//!   to tcp. A page is cut into copied pieces only when the connection's send buffer has no room for
//!   all of it, and has for a quarter of itself: tcp tells of more only below that.
//! - Requests wait for a token of the window `bookstore` in a bounded FIFO, and for a bounded
//!   time; beyond either bound they are answered 503, and at once when the tokens come back too
//!   slowly for the requests ahead of them.
//! - Every wait has a bound; every buffer has one; whatever RFC 9112 lets a server refuse
//!   because two parsers could read it in two ways is refused.
//!
//! [`state::State`] is the stage without rings; [`outside::Outside`] is what it asks of them.

pub mod limits;
pub mod outside;
pub mod state;

mod admission;
mod answer;
mod body;
mod connection;
mod date;
mod due;
mod error;
mod idle;
mod outbound;
mod parse;
mod reader;
mod refusal;
mod response;
mod scan;
mod sending;
mod stage;
mod table;
mod target;
mod timers;

pub use error::HttpError;
pub use stage::kind;
