//! The stage in a harness, with a disk double that answers in any order.

use std::collections::HashMap;

use brigade_fs::BLOCK_BYTES;
use brigade_messages::db_fs::{FsKind, FsReply, FsRequest, OPEN_CREATE};
use brigade_messages::fs_block::{BlockKind, BlockReply, BlockRequest};
use brigade_stage::harness::Harness;
use brigade_stage::{OptionValue, StageError};

use super::{Random, TestDisk};

pub struct Rig {
    pub harness: Harness,
    pub disk: TestDisk,
    pub random: Random,
    waiting: Vec<(BlockRequest, Vec<u8>)>,
    answers: HashMap<u64, (FsReply, Vec<u8>)>,
    tag: u64,
    pub requests: usize,
}

impl Rig {
    pub fn new(disk: &TestDisk, seed: u64) -> Rig {
        Self::with(disk, seed, 256, 65536)
    }

    pub fn with(disk: &TestDisk, seed: u64, cache_pages: i64, growth_bytes: i64) -> Rig {
        let harness = Harness::new(&brigade_fs::kind())
            .page_bytes_all(BLOCK_BYTES)
            .option("disk", OptionValue::text("test.img"))
            .option("cache_pages", OptionValue::Integer(cache_pages))
            .option("growth_bytes", OptionValue::Integer(growth_bytes))
            .build()
            .unwrap();
        Rig {
            harness,
            disk: disk.clone(),
            random: Random(seed),
            waiting: Vec::new(),
            answers: HashMap::new(),
            tag: 0,
            requests: 0,
        }
    }

    /// Sends an operation; returns its tag.
    pub fn send(&mut self, kind: FsKind, file: u32, offset_bytes: u64, data: &[u8]) -> u64 {
        self.send_length(kind, file, offset_bytes, data, data.len() as u32)
    }

    pub fn send_length(
        &mut self,
        kind: FsKind,
        file: u32,
        offset_bytes: u64,
        data: &[u8],
        length_bytes: u32,
    ) -> u64 {
        self.tag += 1;
        let (tag, flags) = (self.tag, OPEN_CREATE);
        let kind = kind.word();
        let request = FsRequest {
            tag,
            kind,
            file,
            offset_bytes,
            length_bytes,
            flags,
        };
        self.harness.send("operations", request, data);
        tag
    }

    fn serve(disk: &TestDisk, request: &BlockRequest, data: &mut [u8]) -> BlockReply {
        let length = request.length_bytes as usize;
        let mut reply = BlockReply {
            tag: request.tag,
            kind: request.kind,
            offset_bytes: request.offset_bytes,
            length_bytes: request.length_bytes,
            ..BlockReply::default()
        };
        let result = match BlockKind::from_word(request.kind).unwrap() {
            BlockKind::Read => disk
                .read_at(request.offset_bytes, length)
                .map(|bytes| data[..length].copy_from_slice(&bytes)),
            BlockKind::Write => disk.write_at(request.offset_bytes, &data[..length]),
            BlockKind::Flush => disk.flush(),
            BlockKind::Size => {
                reply.offset_bytes = disk.bytes();
                Ok(())
            }
        };
        reply.status = result.err().unwrap_or(0);
        reply
    }

    /// One visit of the stage, and some answers of the disk, in any order.
    pub fn step(&mut self) -> Result<(), StageError> {
        self.harness.run()?;
        self.exchange();
        Ok(())
    }

    pub fn exchange(&mut self) {
        while let Some((request, data)) = self.harness.receive::<BlockRequest>("blocks_out") {
            self.requests += 1;
            self.waiting.push((request, data));
        }
        while let Some((reply, data)) = self.harness.receive::<FsReply>("results") {
            self.answers.insert(reply.tag, (reply, data));
        }
        let count = self.random.below(self.waiting.len() as u64 + 1) as usize;
        for _ in 0..count.max(usize::from(!self.waiting.is_empty())) {
            let at = self.random.below(self.waiting.len() as u64) as usize;
            let (request, mut data) = self.waiting.swap_remove(at);
            let reply = Self::serve(&self.disk, &request, &mut data);
            self.harness.send("blocks_in", reply, &data);
        }
    }

    pub fn answered(&mut self, tag: u64) -> Option<(FsReply, Vec<u8>)> {
        self.answers.remove(&tag)
    }

    /// Waits for the answer to `tag`.
    pub fn wait(&mut self, tag: u64) -> (FsReply, Vec<u8>) {
        self.try_wait(tag).unwrap()
    }

    pub fn try_wait(&mut self, tag: u64) -> Result<(FsReply, Vec<u8>), StageError> {
        for _ in 0..200_000 {
            if let Some(answer) = self.answered(tag) {
                return Ok(answer);
            }
            self.step()?;
        }
        panic!("operation {tag} is never answered");
    }

    pub fn call(&mut self, kind: FsKind, file: u32, offset_bytes: u64, data: &[u8]) -> FsReply {
        let tag = self.send(kind, file, offset_bytes, data);
        self.wait(tag).0
    }

    pub fn open(&mut self, name: &str) -> u32 {
        let reply = self.call(FsKind::Open, 0, 0, name.as_bytes());
        assert_eq!(reply.status, 0);
        reply.file
    }

    pub fn read(&mut self, file: u32, offset_bytes: u64, length: u32) -> (u32, Vec<u8>) {
        let tag = self.send_length(FsKind::Read, file, offset_bytes, &[], length);
        let (reply, mut data) = self.wait(tag);
        data.truncate(reply.length_bytes as usize);
        (reply.status, data)
    }

    /// The whole file.
    pub fn content(&mut self, file: u32) -> Vec<u8> {
        let size = self.call(FsKind::Size, file, 0, &[]).size_bytes;
        let mut content = Vec::new();
        while (content.len() as u64) < size {
            let (status, data) = self.read(file, content.len() as u64, 4096);
            assert_eq!(status, 0);
            content.extend(data);
        }
        content
    }

    pub fn finish(&mut self) -> Result<(), StageError> {
        for _ in 0..200_000 {
            if self.harness.finish()? {
                self.exchange();
                return Ok(());
            }
            self.exchange();
        }
        panic!("the stage never finishes");
    }
}
