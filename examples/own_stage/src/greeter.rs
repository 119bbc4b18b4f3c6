//! The application behind http: asks the counter, and answers with a greeting.
//!
//! ```text
//!   http --requests--> greeter --visits---> counter
//!   http <-responses-- greeter <--counted-- counter
//! ```

use std::io::Write;

use brigade::messages::http_bookstore::{
    ContentType, HttpRequest, HttpResponse, RESPONSE_HEADROOM_BYTES, RESPONSE_LAST,
};
use brigade::stage::{Input, Io, Kind, Message, Output, Stage, StageError};

use crate::visit::Visit;

struct Greeter {
    requests: Input<HttpRequest>,
    responses: Output<HttpResponse>,
    visits: Output<Visit>,
    counted: Input<Visit>,
}

/// The kind `greeter`.
pub fn kind() -> Kind {
    Kind::new("greeter", |b| {
        Ok(Box::new(Greeter {
            requests: b.input("requests")?,
            responses: b.output("responses")?,
            visits: b.output("visits")?,
            counted: b.input("counted")?,
        }))
    })
    .input::<HttpRequest>("requests")
    .output::<HttpResponse>("responses")
    .output::<Visit>("visits")
    .input::<Visit>("counted")
    .needs("requests", "visits", 1)
    .needs("counted", "responses", 1)
}

impl Stage for Greeter {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(visit) = io.take(self.counted) {
            let mut page = io
                .page(self.responses)
                .ok_or("needs(counted, responses) was not kept")?;
            let header = greet(&visit, page.payload_mut())?;
            io.release(visit);
            io.send(self.responses, Message::new(page, header));
        }
        while let Some(request) = io.take(self.requests) {
            // The request's page, whose payload begins with the path, goes on as a visit.
            let HttpRequest {
                tag, path_bytes, ..
            } = *request.header();
            let visit = Visit {
                tag,
                name_bytes: u64::from(path_bytes),
                count: 0,
            };
            io.send(self.visits, Message::new(request.into_page(), visit));
        }
        Ok(())
    }
}

fn greet(visit: &Message<Visit>, page: &mut [u8]) -> Result<HttpResponse, StageError> {
    let Visit {
        tag,
        name_bytes,
        count,
    } = *visit.header();
    let name = String::from_utf8_lossy(&visit.payload()[..name_bytes as usize]);
    let mut body = &mut page[RESPONSE_HEADROOM_BYTES..];
    let room = body.len();
    writeln!(
        body,
        "Hello {}, this is visit {count}.",
        name.trim_matches('/')
    )?;
    let body_bytes = room - body.len();
    Ok(HttpResponse {
        tag,
        total_bytes: body_bytes as u64,
        status: 200,
        content_type: ContentType::Text.word() as u16,
        flags: RESPONSE_LAST,
        body_offset_bytes: RESPONSE_HEADROOM_BYTES as u32,
        body_bytes: body_bytes as u32,
        ..HttpResponse::default()
    })
}
