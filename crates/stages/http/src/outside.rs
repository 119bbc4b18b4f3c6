//! What the pure part asks of the world around it, so that it can be tested without rings.

use brigade_messages::http_bookstore::HttpRequest;
use brigade_messages::tcp_http::TcpCommand;

/// The bytes of a page.
pub trait PageBytes {
    /// The whole page.
    fn payload(&self) -> &[u8];
    /// The whole page, to be written.
    fn payload_mut(&mut self) -> &mut [u8];
}

/// Ports, window and clocks of the stage.
pub trait Outside {
    /// A page, owned.
    type Page: PageBytes;

    /// Whether one command can be sent now.
    fn has_command_room(&mut self) -> bool;
    /// An empty page for a command; `None` when there is no room.
    fn command_page(&mut self) -> Option<Self::Page>;
    /// Sends a command with its page: one from `command_page`, or a response's page when there
    /// is room.
    fn send_command(&mut self, command: TcpCommand, page: Self::Page);
    /// An empty page for a request, with a token of the window taken; `None` when there is no
    /// room or no token.
    fn request_page(&mut self) -> Option<Self::Page>;
    /// Sends a request with a page from `request_page`.
    fn send_request(&mut self, request: HttpRequest, page: Self::Page);
    /// Gives back the token of a request that was answered `latency_ns` after it was sent.
    fn give_token(&mut self, latency_ns: u64);
    /// Hands back a page that is no longer needed.
    fn release(&mut self, page: Self::Page);
    /// Counts a copy of payload.
    fn count_copy(&mut self, bytes: usize);
    /// The pipeline's clock as it was last read, in nanoseconds.
    fn now_ns(&self) -> u64;
    /// The pipeline's clock read afresh, in nanoseconds.
    fn clock_ns(&mut self) -> u64;
    /// The calendar's clock, in nanoseconds since 1970.
    fn unix_ns(&self) -> u64;
}
