//! The [`Disk`] on the coroutine's side: each operation is a message to the fs stage.
//!
//! Reads, syncs and the like wait for their reply. Writes are posted: they go out as soon as a
//! token is free, and what becomes of them is written down in the [`Ledger`] by the stage.
//! Neighbouring writes are put together into one page up to a block's end, because SQLite writes
//! a log frame in two pieces that do not start at a block: so most of what fs gets is whole blocks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use brigade_messages::bookstore_db::SqlRequest;
use brigade_messages::db_fs::{FsKind, FsReply, FsRequest, OPEN_CREATE};
use brigade_stage::coroutine::Caller;
use brigade_stage::{Message, Page};

use crate::disk::{Disk, Errno, Opened};
use crate::state::Outcome;

/// What the coroutine wants of the stage.
pub enum Call {
    /// An empty page for an operation.
    Page,
    /// Send an operation. Without a page, the stage takes one.
    Send {
        /// All but the tag.
        request: FsRequest,
        /// The page with the data or the name.
        page: Option<Page>,
        /// Whether the reply is waited for.
        wait: bool,
    },
    /// Take a page back.
    Release(Page),
    /// Let other stages run.
    Pause,
    /// Answer these batches, and give what comes next.
    Next(Vec<Batch>),
}

/// A batch that came.
pub struct Batch {
    /// The request.
    pub request: Message<SqlRequest>,
    /// Where its rows are written.
    pub page: Page,
    /// How it ended, once it has run.
    pub outcome: Outcome,
    /// When it was taken from its ring, in nanoseconds of the stage's clock.
    pub taken_ns: u64,
}

impl Batch {
    /// How long it has waited at `now_ns`, in its ring and behind others, if it begins then.
    pub fn queue_ns(&self, now_ns: u64) -> u64 {
        self.request.queue_ns() + now_ns.saturating_sub(self.taken_ns)
    }
}

/// What the stage gives for a [`Call`].
pub enum Reply {
    /// An empty page.
    Page(Page),
    /// The operation was sent; the page was taken; go on.
    Done,
    /// The reply that was waited for; the page only of a read that succeeded.
    Answer(FsReply, Option<Page>),
    /// One batch; or several, all of them writes, to be committed together.
    Batches(Vec<Batch>),
    /// There are no more batches: close the database.
    Finish,
    /// The stage is going down: nothing can be sent any more.
    Lost,
}

/// The way from the coroutine to its stage.
pub type Link = Caller<Call, Reply>;

/// Errors of posted writes: written by the stage, read by the coroutine.
#[derive(Debug, Default)]
pub struct Ledger {
    failed: RefCell<Vec<(u32, Errno)>>,
    any: Cell<bool>,
}

impl Ledger {
    /// Notes that a write to the open file failed. Only its first error counts.
    pub fn note(&self, file: u32, errno: Errno) {
        let mut failed = self.failed.borrow_mut();
        if !failed.iter().any(|(known, _)| *known == file) {
            failed.push((file, errno));
            self.any.set(true);
        }
    }

    fn error_of(&self, file: u32) -> Option<Errno> {
        if !self.any.get() {
            return None;
        }
        let failed = self.failed.borrow();
        failed
            .iter()
            .find(|(known, _)| *known == file)
            .map(|(_, errno)| *errno)
    }

    fn forget(&self, file: u32) {
        self.failed.borrow_mut().retain(|(known, _)| *known != file);
        self.any.set(!self.failed.borrow().is_empty());
    }
}

/// A page that is being filled with neighbouring writes.
struct Filling {
    page: Page,
    file: u32,
    offset_bytes: u64,
    length: usize,
}

/// The file system behind the stage's ports.
pub struct Remote {
    link: Link,
    ledger: Rc<Ledger>,
    page_bytes: usize,
    filling: Option<Filling>,
    lost: bool,
}

impl Remote {
    /// A disk over `link`, whose pages have `page_bytes`.
    pub fn new(link: Link, ledger: Rc<Ledger>, page_bytes: usize) -> Self {
        Self {
            link,
            ledger,
            page_bytes,
            filling: None,
            lost: false,
        }
    }

    fn call(&mut self, call: Call) -> Result<Reply, Errno> {
        if self.lost {
            return Err(Errno::IO);
        }
        let reply = self.link.call(call);
        self.lost = matches!(reply, Reply::Lost);
        if self.lost { Err(Errno::IO) } else { Ok(reply) }
    }

    fn page(&mut self) -> Result<Page, Errno> {
        match self.call(Call::Page)? {
            Reply::Page(page) => Ok(page),
            _ => Err(Errno::IO),
        }
    }

    /// Hands a page back. When the stage is going down, dropping it is enough.
    fn release(&mut self, page: Page) {
        let _ = self.call(Call::Release(page));
    }

    /// Sends the page that is being filled, if there is one.
    fn flush(&mut self) -> Result<(), Errno> {
        let Some(Filling {
            page,
            file,
            offset_bytes,
            length,
        }) = self.filling.take()
        else {
            return Ok(());
        };
        let request = FsRequest {
            kind: FsKind::Write.word(),
            file,
            offset_bytes,
            length_bytes: length as u32,
            ..FsRequest::default()
        };
        self.call(Call::Send {
            request,
            page: Some(page),
            wait: false,
        })
        .map(drop)
    }

    /// Sends an operation after all the writes before it and waits for the reply. An error in
    /// the reply is an error here.
    fn ask(
        &mut self,
        request: FsRequest,
        page: Option<Page>,
    ) -> Result<(FsReply, Option<Page>), Errno> {
        self.flush()?;
        let Reply::Answer(reply, page) = self.call(Call::Send {
            request,
            page,
            wait: true,
        })?
        else {
            return Err(Errno::IO);
        };
        if reply.status == 0 {
            Ok((reply, page))
        } else {
            Err(Errno(reply.status))
        }
    }

    /// An operation on an open file whose reply has nothing but success.
    fn command(&mut self, kind: FsKind, file: u32, offset_bytes: u64) -> Result<(), Errno> {
        let request = FsRequest {
            kind: kind.word(),
            file,
            offset_bytes,
            ..FsRequest::default()
        };
        self.ask(request, None).map(drop)
    }

    /// An operation on the file called `name`; gives the reply.
    fn by_name(&mut self, kind: FsKind, name: &str, flags: u32) -> Result<FsReply, Errno> {
        // First, for it may hold the last page there is.
        self.flush()?;
        let mut page = self.page()?;
        let Some(place) = page.payload_mut().get_mut(..name.len()) else {
            self.release(page);
            return Err(Errno::NOENT);
        };
        place.copy_from_slice(name.as_bytes());
        let length_bytes = name.len() as u32;
        let request = FsRequest {
            kind: kind.word(),
            length_bytes,
            flags,
            ..FsRequest::default()
        };
        self.ask(request, Some(page)).map(|(reply, _)| reply)
    }

    /// Reads at most a page.
    fn read_piece(
        &mut self,
        file: u32,
        offset_bytes: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let kind = FsKind::Read.word();
        let length_bytes = buffer.len() as u32;
        let request = FsRequest {
            kind,
            file,
            offset_bytes,
            length_bytes,
            ..FsRequest::default()
        };
        let (reply, page) = self.ask(request, None)?;
        let page = page.ok_or(Errno::IO)?;
        // More than a page, or than was asked for: the reply is wrong.
        let data = page.payload().get(..reply.length_bytes as usize);
        let place = data.and_then(|data| buffer.get_mut(..data.len()).zip(Some(data)));
        let read = place.map(|(place, data)| place.copy_from_slice(data));
        self.release(page);
        read.map(|()| reply.length_bytes as usize).ok_or(Errno::IO)
    }

    /// Adds what fits to the page that is being filled, or begins one; gives what it took.
    fn fill(&mut self, file: u32, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno> {
        let follows = |filling: &Filling| {
            filling.file == file && filling.offset_bytes + filling.length as u64 == offset_bytes
        };
        if !self.filling.as_ref().is_some_and(follows) {
            self.flush()?;
            let page = self.page()?;
            self.filling = Some(Filling {
                page,
                file,
                offset_bytes,
                length: 0,
            });
        }
        let Some(filling) = &mut self.filling else {
            return Err(Errno::IO);
        };
        let to_block_end = self.page_bytes - (offset_bytes % self.page_bytes as u64) as usize;
        let count = data.len().min(to_block_end);
        let (from, to) = (filling.length, filling.length + count);
        filling.page.payload_mut()[from..to].copy_from_slice(&data[..count]);
        filling.length = to;
        if count == to_block_end {
            self.flush()?;
        }
        Ok(count)
    }
}

impl Disk for Remote {
    fn open(&mut self, name: &str, create: bool) -> Result<Opened, Errno> {
        let flags = if create { OPEN_CREATE } else { 0 };
        let reply = self.by_name(FsKind::Open, name, flags)?;
        self.ledger.forget(reply.file);
        Ok(Opened {
            id: reply.file,
            size_bytes: reply.size_bytes,
        })
    }

    fn read(&mut self, id: u32, offset_bytes: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < buffer.len() {
            let end = buffer.len().min(done + self.page_bytes);
            let piece = &mut buffer[done..end];
            let got = self.read_piece(id, offset_bytes + done as u64, piece)?;
            done += got;
            if done < end {
                break;
            }
        }
        Ok(done)
    }

    fn write(&mut self, id: u32, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < data.len() {
            done += self.fill(id, offset_bytes + done as u64, &data[done..])?;
        }
        Ok(())
    }

    fn write_error(&self, id: u32) -> Option<Errno> {
        if self.lost {
            Some(Errno::IO)
        } else {
            self.ledger.error_of(id)
        }
    }

    fn settle(&mut self) {
        // Fails only when the stage is going down, and then all later operations fail too.
        let _ = self.flush();
    }

    fn sync(&mut self, id: u32) -> Result<(), Errno> {
        self.command(FsKind::Sync, id, 0)
    }

    fn truncate(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno> {
        self.command(FsKind::Truncate, id, size_bytes)
    }

    fn reserve(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno> {
        self.command(FsKind::Reserve, id, size_bytes)
    }

    fn close(&mut self, id: u32) -> Result<(), Errno> {
        self.command(FsKind::Close, id, 0)
    }

    fn remove(&mut self, name: &str) -> Result<(), Errno> {
        self.by_name(FsKind::Remove, name, 0).map(drop)
    }

    fn exists(&mut self, name: &str) -> Result<bool, Errno> {
        match self.by_name(FsKind::Exists, name, 0) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}
