//! What runs on the coroutine: one batch after the other, until the stage closes.

use std::rc::Rc;
use std::sync::Arc;

use brigade_messages::bookstore_db::{SqlReply, SqlRequest};
use brigade_stage::{Message, Page};

use crate::DbError;
use crate::connection::{Options, Pause};
use crate::link::{Call, Finished, Ledger, Link, Remote, Reply};
use crate::state::{Session, Work};

/// Opens the database, runs batches, closes it.
pub fn run(
    link: Link,
    ledger: Rc<Ledger>,
    page_bytes: usize,
    options: Options,
) -> Result<(), DbError> {
    let remote = Remote::new(link.clone(), ledger, page_bytes);
    let mut session = Session::new(remote, options, pause(link.clone()))?;
    // The first batch tries again, and its reply has the error.
    let _ = session.open();
    let mut finished = None;
    loop {
        session.settle();
        match link.call(Call::Next(finished.take())) {
            Reply::Batch(request, page) => finished = Some(answer(&mut session, request, page)),
            _ => return session.close(),
        }
    }
}

fn pause(link: Link) -> Pause {
    Arc::new(move || matches!(link.call(Call::Pause), Reply::Lost))
}

fn answer(session: &mut Session<Remote>, request: Message<SqlRequest>, mut page: Page) -> Finished {
    let SqlRequest {
        tag,
        kind,
        length_bytes,
        name_bytes,
        ..
    } = *request.header();
    // A length beyond the page is an error of the sender: as an empty batch it is malformed.
    let payload = request
        .payload()
        .get(..length_bytes as usize)
        .unwrap_or(&[]);
    let work = Work {
        kind,
        name_bytes: name_bytes as usize,
        payload,
    };
    let outcome = session.execute(work, page.payload_mut());
    let header = SqlReply {
        tag,
        status: outcome.status.word(),
        length_bytes: outcome.length_bytes as u32,
        ..SqlReply::default()
    };
    Finished {
        request,
        reply: Message::new(page, header),
    }
}
