//! Files that are open already are read beside the coroutine: all pieces of a file are asked for at
//! once, and several files at a time. One file after the other, a piece at a time, would cost a turn of
//! the whole pipeline for each piece.

use std::collections::VecDeque;
use std::rc::Rc;

use brigade_messages::bookstore_db::{SqlKind, SqlStatus};
use brigade_messages::db_fs::{FsKind, FsReply, FsRequest};
use brigade_messages::{Hop, Timings};

use crate::batch::Refusal;
use crate::disk::{Errno, Opened};
use crate::folder::{self, Folder, FolderError};
use crate::link::Batch;
use crate::state::Outcome;

/// Files read at a time. Each holds a request and the page of its answer.
const FILES_MAX: usize = 16;

/// A part of a file, at most a page, that is to be read or was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    reading: u64,
    /// Where it begins, in the file and in the answer's page.
    at: usize,
    bytes: usize,
}

/// The file of a batch, being read into the batch's page.
struct Reading {
    id: u64,
    batch: Batch,
    file: Opened,
    bytes: usize,
    asked_bytes: usize,
    /// Pieces that were asked for and have not come.
    missing: usize,
    failed: Option<Errno>,
    began_ns: u64,
    service_ns: u64,
    /// Of the stages behind: what the pieces took in all, and the longest that one waited, for they
    /// waited at the same time.
    service: Timings,
    queue_ns_max: [u64; Hop::ALL.len()],
    reply_queue_ns_max: u64,
}

/// The files that are being read.
pub struct Reads {
    folder: Rc<Folder>,
    /// The database's file name, which no file of the application begins with.
    database: String,
    page_bytes: usize,
    running: VecDeque<Reading>,
    next_id: u64,
}

impl Reads {
    /// Nothing is read; pieces are of `page_bytes` at most.
    pub fn new(folder: Rc<Folder>, database: String, page_bytes: usize) -> Self {
        Self {
            folder,
            database,
            page_bytes,
            running: VecDeque::with_capacity(FILES_MAX),
            next_id: 0,
        }
    }

    /// How many files are being read.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Begins to read, if the batch asks for a file that is open and can be answered without a word
    /// more to be said; else it is given back. Its pieces are [`Reads::next`].
    pub fn begin(&mut self, batch: Batch, now_ns: u64) -> Result<(), Batch> {
        let file = match self.running.len() < FILES_MAX {
            true => self.file(&batch),
            false => None,
        };
        let Some(file) = file else {
            return Err(batch);
        };
        self.next_id += 1;
        self.running.push_back(Reading {
            id: self.next_id,
            batch,
            file,
            bytes: file.size_bytes as usize,
            asked_bytes: 0,
            missing: 0,
            failed: None,
            began_ns: now_ns,
            service_ns: 0,
            service: Timings::default(),
            queue_ns_max: [0; Hop::ALL.len()],
            reply_queue_ns_max: 0,
        });
        Ok(())
    }

    /// The open file that a batch asks for, if it has something in it and fits the answer's page.
    fn file(&self, batch: &Batch) -> Option<Opened> {
        if SqlKind::from_word(batch.request.header().kind) != Some(SqlKind::ReadFile) {
            return None;
        }
        let name = folder::checked(self.name(batch)?, &self.database).ok()?;
        let file = self.folder.find(name)?;
        let fits = 1..=batch.page.payload().len() as u64;
        fits.contains(&file.size_bytes).then_some(file)
    }

    fn name<'b>(&self, batch: &'b Batch) -> Option<&'b [u8]> {
        let header = batch.request.header();
        let payload = batch.request.payload();
        let payload = payload.get(..header.length_bytes as usize)?;
        payload.get(..header.name_bytes as usize)
    }

    /// The piece that is to be asked for next; call [`Reads::asked`] when that was done.
    pub fn next(&self) -> Option<(Piece, FsRequest)> {
        let reading = self
            .running
            .iter()
            .find(|reading| reading.asked_bytes < reading.bytes)?;
        let (at, bytes) = (
            reading.asked_bytes,
            self.page_bytes.min(reading.bytes - reading.asked_bytes),
        );
        let piece = Piece {
            reading: reading.id,
            at,
            bytes,
        };
        let request = FsRequest {
            kind: FsKind::Read.word(),
            file: reading.file.id,
            offset_bytes: at as u64,
            length_bytes: bytes as u32,
            ..FsRequest::default()
        };
        Some((piece, request))
    }

    /// A piece was asked for, which took `service_ns`.
    pub fn asked(&mut self, piece: Piece, service_ns: u64) {
        if let Some(reading) = self.reading(piece) {
            reading.asked_bytes = piece.at + piece.bytes;
            reading.missing += 1;
            reading.service_ns += service_ns;
        }
    }

    fn reading(&mut self, piece: Piece) -> Option<&mut Reading> {
        self.running
            .iter_mut()
            .find(|reading| reading.id == piece.reading)
    }

    /// A piece has come, or not: the reply, which waited for `queue_ns`, and its data. Gives the bytes
    /// that were copied.
    pub fn arrived(
        &mut self,
        piece: Piece,
        reply: &FsReply,
        data: &[u8],
        queue_ns: u64,
    ) -> Option<usize> {
        let reading = self.reading(piece)?;
        reading.missing -= 1;
        reading.gather(&reply.timings, queue_ns);
        let data = match (reply.status, reply.length_bytes as usize) {
            (0, bytes) if bytes == piece.bytes => data.get(..bytes),
            // It may have been replaced under us.
            (0, _) => None,
            (errno, _) => {
                reading.fail(Errno(errno));
                return None;
            }
        };
        let place = reading.batch.page.payload_mut();
        let place = place.get_mut(piece.at..piece.at + piece.bytes);
        let Some((place, data)) = place.zip(data) else {
            reading.fail(Errno::IO);
            return None;
        };
        place.copy_from_slice(data);
        Some(data.len())
    }

    /// Adds to what the piece's file took; gives the batch, with its outcome and where its time went,
    /// if that was the last one.
    pub fn served(&mut self, piece: Piece, service_ns: u64) -> Option<(Batch, Timings)> {
        let reading = self.reading(piece)?;
        reading.service_ns += service_ns;
        if !reading.is_over() {
            return None;
        }
        let at = self
            .running
            .iter()
            .position(|reading| reading.id == piece.reading)?;
        let mut reading = self.running.remove(at)?;
        reading.batch.outcome = match reading.failed {
            None => Outcome {
                status: SqlStatus::Ok,
                length_bytes: reading.bytes,
            },
            Some(errno) => self.refused(&mut reading.batch, errno),
        };
        let timings = reading.timings();
        Some((reading.batch, timings))
    }

    fn refused(&self, batch: &mut Batch, errno: Errno) -> Outcome {
        let name = self.name(batch).map(String::from_utf8_lossy);
        let name = name.unwrap_or_default().into_owned();
        self.folder.suspect(&name);
        let refusal: Refusal = FolderError::Failed(errno).refusal(&name);
        Outcome::refused(&refusal, batch.page.payload_mut())
    }
}

impl Reading {
    fn gather(&mut self, timings: &Timings, queue_ns: u64) {
        for (hop, queue_ns_max) in Hop::ALL.into_iter().zip(&mut self.queue_ns_max) {
            self.service.add(hop, 0, u64::from(timings.service_ns(hop)));
            *queue_ns_max = (*queue_ns_max).max(u64::from(timings.queue_ns(hop)));
        }
        self.reply_queue_ns_max = self.reply_queue_ns_max.max(queue_ns);
    }

    /// No more pieces are asked for. The first error counts.
    fn fail(&mut self, errno: Errno) {
        self.failed.get_or_insert(errno);
        self.bytes = self.asked_bytes;
    }

    fn is_over(&self) -> bool {
        self.missing == 0 && self.asked_bytes >= self.bytes
    }

    fn timings(&self) -> Timings {
        let mut timings = self.batch.request.header().timings;
        timings.merge(&self.service);
        for (hop, queue_ns) in Hop::ALL.into_iter().zip(self.queue_ns_max) {
            timings.add(hop, queue_ns, 0);
        }
        let queue_ns = self.batch.queue_ns(self.began_ns) + self.reply_queue_ns_max;
        timings.add(Hop::Db, queue_ns, self.service_ns);
        timings
    }
}
