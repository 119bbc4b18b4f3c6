//! The echo application: answers each request with what it got. The smallest stage behind http.
//!
//! ```text
//!   http --requests--> echo --responses--> http
//! ```

use brigade_messages::http_bookstore::{
    ContentType, HttpRequest, HttpResponse, Method, RESPONSE_HEADROOM_BYTES, RESPONSE_LAST,
};
use brigade_messages::{Hop, Timings};
use brigade_stage::{Input, Io, Kind, Message, Output, Stage, StageError};

struct Echo {
    requests: Input<HttpRequest>,
    responses: Output<HttpResponse>,
}

/// The kind `echo`.
pub fn kind() -> Kind {
    Kind::new("echo", |b| {
        Ok(Box::new(Echo {
            requests: b.input("requests")?,
            responses: b.output("responses")?,
        }))
    })
    .input::<HttpRequest>("requests")
    .output::<HttpResponse>("responses")
    .needs("requests", "responses", 1)
    .replicable()
}

impl Stage for Echo {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(request) = io.take(self.requests) {
            let taken_ns = io.now_ns();
            let (tag, queue_ns) = (request.header().tag, request.queue_ns());
            let mut timings = request.header().timings;
            let Some(mut page) = io.page(self.responses) else {
                return Err("needs(requests, responses) was not kept".into());
            };
            let body_bytes = echo(&request, page.payload_mut());
            io.count_copy(body_bytes);
            io.release(request);
            timings.add(Hop::Bookstore, queue_ns, io.clock_ns() - taken_ns);
            io.send(
                self.responses,
                Message::new(page, answer(tag, body_bytes, timings)),
            );
        }
        Ok(())
    }
}

/// Copies the request's body, or its path when it has none, behind the headroom.
fn echo(request: &Message<HttpRequest>, page: &mut [u8]) -> usize {
    let header = request.header();
    let path_bytes = header.path_bytes as usize;
    let before_body = path_bytes + (header.query_bytes + header.cookie_bytes) as usize;
    let part = match Method::from_word(header.method) {
        Some(Method::Post) => before_body..before_body + header.body_bytes as usize,
        _ => 0..path_bytes,
    };
    let source = request.payload().get(part).unwrap_or_default();
    let room = &mut page[RESPONSE_HEADROOM_BYTES..];
    let bytes = source.len().min(room.len());
    room[..bytes].copy_from_slice(&source[..bytes]);
    bytes
}

fn answer(tag: u64, body_bytes: usize, timings: Timings) -> HttpResponse {
    HttpResponse {
        tag,
        total_bytes: body_bytes as u64,
        status: 200,
        content_type: ContentType::Text.word() as u16,
        flags: RESPONSE_LAST,
        body_offset_bytes: RESPONSE_HEADROOM_BYTES as u32,
        body_bytes: body_bytes as u32,
        extra_offset_bytes: 0,
        extra_bytes: 0,
        timings,
    }
}
