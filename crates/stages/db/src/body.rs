//! What runs on the coroutine: what comes, one after the other, until the stage closes.

use std::rc::Rc;
use std::sync::Arc;

use brigade_messages::bookstore_db::SqlRequest;

use crate::DbError;
use crate::connection::{Options, Pause};
use crate::folder::Folder;
use crate::group::Write;
use crate::link::{Batch, Call, Ledger, Link, Remote, Reply};
use crate::state::{Session, Work};

/// Opens the database, runs batches, closes it.
pub fn run(
    link: Link,
    (ledger, folder): (Rc<Ledger>, Rc<Folder>),
    page_bytes: usize,
    options: Options,
) -> Result<(), DbError> {
    let remote = Remote::new(link.clone(), ledger, page_bytes);
    let session = Session::new(remote, options, pause(link.clone()))?;
    let mut session = session.with_folder(folder);
    // The first batch tries again, and its reply has the error.
    let _ = session.open();
    let mut batches = Vec::new();
    loop {
        session.settle();
        match link.call(Call::Next(batches)) {
            Reply::Batches(next) => batches = next,
            _ => return session.close(),
        }
        run_all(&mut session, &mut batches);
    }
}

fn pause(link: Link) -> Pause {
    Arc::new(move || matches!(link.call(Call::Pause), Reply::Lost))
}

fn run_all(session: &mut Session<Remote>, batches: &mut [Batch]) {
    if let [batch] = batches {
        let work = work(batch.request.header(), batch.request.payload());
        batch.outcome = session.execute(work, batch.page.payload_mut());
        return;
    }
    let writes = batches.iter_mut().map(|batch| Write {
        batch: work(batch.request.header(), batch.request.payload()).payload,
        page: batch.page.payload_mut(),
        outcome: &mut batch.outcome,
    });
    session.execute_group(&mut writes.collect::<Vec<_>>());
}

fn work<'a>(header: &SqlRequest, payload: &'a [u8]) -> Work<'a> {
    Work {
        kind: header.kind,
        name_bytes: header.name_bytes as usize,
        // A length beyond the page is an error of the sender: as an empty batch it is malformed.
        payload: payload.get(..header.length_bytes as usize).unwrap_or(&[]),
    }
}
