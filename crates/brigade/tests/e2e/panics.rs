//! A stage that fails in the middle of the pipeline.

use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_messages::http_bookstore::{HttpRequest, HttpResponse};
use brigade_runtime::RuntimeError;
use brigade_stage::{Input, Io, Kind, Stage, StageError};

use crate::browser::get;
use crate::house::{House, fused, spread, web};
use crate::street::Street;

/// A shop with a trap: the first request makes it fail, while it holds that request's page.
struct Trapped {
    requests: Input<HttpRequest>,
    panics: bool,
}

impl Stage for Trapped {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let Some(request) = io.take(self.requests) else {
            return Ok(());
        };
        let tag = request.header().tag;
        if self.panics {
            // The page is still held when the stack unwinds.
            let _held = request;
            panic!("the trap shut over request {tag}");
        }
        io.release(request);
        Err("the till is jammed".into())
    }
}

fn trapped(panics: bool) -> brigade_graph::Pipeline {
    let mut registry = brigade::registry();
    let kind = Kind::new("bookstore", move |builder| {
        let requests = builder.input("requests")?;
        Ok(Box::new(Trapped { requests, panics }))
    });
    registry.add(
        kind.input::<HttpRequest>("requests")
            .output::<HttpResponse>("responses")
            .output::<SqlRequest>("queries")
            .input::<SqlReply>("rows"),
    );
    web(&registry)
}

fn end_of(plan: brigade_runtime::Plan) -> RuntimeError {
    let (house, peer) = House::open(plan);
    let mut street = Street::new(peer);
    let connection = street.connect();
    street.send(connection, &get("/", ""));
    house.ends(&mut street).expect_err("the stage failed")
}

#[test]
fn a_panic_ends_the_process_and_names_the_stage() {
    for plan in [fused(trapped(true)), spread(trapped(true))] {
        let error = end_of(plan);
        let text = error.to_string();
        assert!(
            matches!(&error, RuntimeError::Panicked { stage, message, .. }
                if stage == "bookstore" && message.starts_with("the trap shut over request")),
            "{error:?}"
        );
        assert!(text.contains("bookstore"), "{text}");
        assert!(!text.contains('\n'), "one line: {text}");
    }
}

#[test]
fn an_error_of_a_stage_ends_the_process_and_names_the_stage() {
    for plan in [fused(trapped(false)), spread(trapped(false))] {
        let error = end_of(plan);
        assert!(
            matches!(&error, RuntimeError::Stopped { stage, source, .. }
                if stage == "bookstore" && source.to_string() == "the till is jammed"),
            "{error:?}"
        );
    }
}
