//! Answers the stage's messages as the fs stage would, from a disk in memory.

use std::collections::VecDeque;

use brigade_messages::bookstore_db::{SqlKind, SqlReply, SqlRequest, SqlStatus};
use brigade_messages::db_fs::{FsKind, FsReply, FsRequest, OPEN_CREATE};
use brigade_messages::{Hop, Timings};
use brigade_stage::OptionValue;
use brigade_stage::harness::{Harness, Setup};

use super::disk_double::MemoryDisk;
use crate::disk::{Disk, Errno};

pub const FS_BYTES: usize = 4096;

/// The stage in a harness, with the disk behind its ports.
pub struct Bench {
    pub harness: Harness,
    pub disk: MemoryDisk,
    /// Replies that are ready, but not sent.
    pub ready: VecDeque<(FsReply, Vec<u8>)>,
    /// The kinds of all operations, in order.
    pub seen: Vec<FsRequest>,
    next_tag: u64,
}

pub fn setup() -> Setup {
    let small = OptionValue::Integer(1 << 20);
    Harness::new(&crate::kind())
        .page_bytes("operations", FS_BYTES)
        .page_bytes("results", FS_BYTES)
        .option("database_reserve_bytes", small.clone())
        .option("wal_reserve_bytes", small)
}

impl Bench {
    pub fn new(setup: Setup, disk: &MemoryDisk) -> Self {
        let harness = setup.build().unwrap();
        Bench {
            harness,
            disk: disk.clone(),
            ready: VecDeque::new(),
            seen: Vec::new(),
            next_tag: 0,
        }
    }

    /// Lets the disk do what the stage asks; true when there was something.
    pub fn serve(&mut self) -> bool {
        let before = self.seen.len();
        while let Some((request, payload)) = self.harness.receive::<FsRequest>("operations") {
            self.seen.push(request);
            let reply = answer(&mut self.disk, &request, &payload);
            self.ready.push_back(reply);
        }
        self.seen.len() > before
    }

    /// Sends the ready replies.
    pub fn deliver(&mut self) {
        while let Some((header, data)) = self.ready.pop_front() {
            self.harness.send("results", header, &data);
        }
    }

    /// Runs everything until nothing moves.
    pub fn settle(&mut self) {
        loop {
            self.harness.run_until_idle().unwrap();
            if !self.serve() && self.ready.is_empty() {
                return;
            }
            self.deliver();
        }
    }

    /// A tag that no other request has.
    pub fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }

    /// Sends a batch; gives its tag.
    pub fn batch(&mut self, kind: SqlKind, batch: &[u8]) -> u64 {
        self.tag();
        let mut timings = Timings::default();
        timings.add(Hop::Http, 3, 4);
        let length_bytes = batch.len() as u32;
        let header = SqlRequest {
            tag: self.next_tag,
            kind: kind.word(),
            length_bytes,
            timings,
            ..SqlRequest::default()
        };
        self.harness.send("queries", header, batch);
        self.next_tag
    }

    /// The next reply: header, status and payload.
    pub fn reply(&mut self) -> Option<(SqlReply, SqlStatus, Vec<u8>)> {
        let (header, mut payload) = self.harness.receive::<SqlReply>("rows")?;
        payload.truncate(header.length_bytes as usize);
        Some((
            header,
            SqlStatus::from_word(header.status).unwrap(),
            payload,
        ))
    }

    /// Runs a batch to its end; its status and payload.
    pub fn run(&mut self, kind: SqlKind, batch: &[u8]) -> (SqlStatus, Vec<u8>) {
        let tag = self.batch(kind, batch);
        self.settle();
        let (header, status, payload) = self.reply().unwrap();
        assert_eq!(header.tag, tag);
        (status, payload)
    }

    /// Closes the stage.
    pub fn finish(&mut self) {
        for _ in 0..100_000 {
            if self.harness.finish().unwrap() {
                return;
            }
            self.serve();
            self.deliver();
        }
        panic!("the stage does not finish");
    }
}

fn answer(disk: &mut MemoryDisk, request: &FsRequest, payload: &[u8]) -> (FsReply, Vec<u8>) {
    let FsRequest {
        tag,
        kind,
        file,
        offset_bytes,
        ..
    } = *request;
    let mut timings = Timings::default();
    timings.add(Hop::Fs, 1, 2);
    let mut reply = FsReply {
        tag,
        kind,
        file,
        timings,
        ..FsReply::default()
    };
    let length = request.length_bytes as usize;
    assert!(length <= FS_BYTES, "an operation is larger than a page");
    let mut data = Vec::new();
    let name = || std::str::from_utf8(&payload[..length]).unwrap();
    let done = match FsKind::from_word(kind).unwrap() {
        FsKind::Open => disk
            .open(name(), request.flags & OPEN_CREATE != 0)
            .map(|opened| {
                reply.file = opened.id;
                reply.size_bytes = opened.size_bytes;
            }),
        FsKind::Read => {
            data.resize(length, 0);
            disk.read(file, offset_bytes, &mut data)
                .map(|got| reply.length_bytes = got as u32)
        }
        FsKind::Write => {
            let written = disk.write(file, offset_bytes, &payload[..length]);
            written.and_then(|()| disk.write_error(file).map_or(Ok(()), Err))
        }
        FsKind::Sync => disk.sync(file),
        FsKind::Truncate => disk.truncate(file, offset_bytes),
        FsKind::Remove => disk.remove(name()),
        FsKind::Reserve => disk.reserve(file, offset_bytes),
        FsKind::Close => disk.close(file),
        FsKind::Exists => match disk.exists(name()) {
            Ok(false) => Err(Errno::NOENT),
            other => other.map(drop),
        },
        FsKind::Size => unreachable!("the stage keeps sizes itself"),
    };
    reply.status = done.err().map_or(0, |errno| errno.0);
    (reply, data)
}
