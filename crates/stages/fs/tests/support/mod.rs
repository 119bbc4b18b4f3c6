//! A small disk double with a log of writes and flushes, a power cut, and e2fsck.
#![allow(dead_code)]

pub mod rig;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use brigade_fs::BLOCK_BYTES;
use brigade_fs::disk::{BlockWrite, Transport};
use brigade_fs::error::Errno;

const ALL_SECTORS: u8 = 0xFF;

/// The label of the volumes made here.
pub const LABEL: &str = "brigade";

#[derive(Clone)]
pub enum Logged {
    Write(u64, Arc<Vec<u8>>),
    Flush,
}

#[derive(Default)]
pub struct DiskState {
    /// The image before the first entry of the log.
    base: Arc<Vec<u8>>,
    /// What was written since, by block.
    written: BTreeMap<u64, Arc<Vec<u8>>>,
    log: Vec<Logged>,
    pub flush_does_nothing: bool,
    /// The errno of every write (and flush) from now on.
    pub fail_writes: Option<u32>,
    /// The errno of every read from now on.
    pub fail_reads: Option<u32>,
    /// Writes that still succeed before `fail_writes` takes effect.
    pub writes_left: usize,
}

impl DiskState {
    fn block(&self, block: u64) -> &[u8] {
        match self.written.get(&block) {
            Some(content) => content,
            None => &self.base[block as usize * BLOCK_BYTES..][..BLOCK_BYTES],
        }
    }

    /// Takes the sectors of `landed` (a bit each) of a write of one block.
    fn put(&mut self, offset: u64, data: &Arc<Vec<u8>>, landed: u8) {
        let block = offset / BLOCK_BYTES as u64;
        let mut content = Arc::clone(data);
        if landed != ALL_SECTORS {
            let mut torn = self.block(block).to_vec();
            for sector in (0..8).filter(|sector| landed & (1 << sector) != 0) {
                let range = sector * 512..(sector + 1) * 512;
                torn[range.clone()].copy_from_slice(&data[range]);
            }
            content = Arc::new(torn);
        }
        self.written.insert(block, content);
    }
}

/// An in-memory disk shared by the test and what it tests.
#[derive(Clone, Default)]
pub struct TestDisk(pub Arc<Mutex<DiskState>>);

impl TestDisk {
    pub fn new(image: Vec<u8>) -> Self {
        let base = Arc::new(image);
        TestDisk(Arc::new(Mutex::new(DiskState {
            base,
            ..DiskState::default()
        })))
    }

    pub fn blank(bytes: usize) -> Self {
        Self::new(vec![0; bytes])
    }

    pub fn bytes(&self) -> u64 {
        self.0.lock().unwrap().base.len() as u64
    }

    pub fn image(&self) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        let mut image = state.base.to_vec();
        for (block, content) in &state.written {
            image[*block as usize * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(content);
        }
        image
    }

    pub fn log_length(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }

    pub fn flushes(&self) -> usize {
        let state = self.0.lock().unwrap();
        state
            .log
            .iter()
            .filter(|entry| matches!(entry, Logged::Flush))
            .count()
    }

    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, u32> {
        let state = self.0.lock().unwrap();
        if let Some(errno) = state.fail_reads {
            return Err(errno);
        }
        if offset as usize + length > state.base.len() {
            return Err(5);
        }
        let first = offset / BLOCK_BYTES as u64;
        let blocks = first..first + (length / BLOCK_BYTES) as u64;
        Ok(blocks
            .flat_map(|block| state.block(block).to_vec())
            .collect())
    }

    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), u32> {
        let mut state = self.0.lock().unwrap();
        if let Some(errno) = state.fail_writes {
            if state.writes_left == 0 {
                return Err(errno);
            }
            state.writes_left -= 1;
        }
        if offset as usize + data.len() > state.base.len() {
            return Err(5);
        }
        assert_eq!((offset % 4096, data.len()), (0, BLOCK_BYTES));
        let data = Arc::new(data.to_vec());
        state.put(offset, &data, ALL_SECTORS);
        state.log.push(Logged::Write(offset, data));
        Ok(())
    }

    pub fn flush(&self) -> Result<(), u32> {
        let mut state = self.0.lock().unwrap();
        if state.fail_writes.is_some() && state.writes_left == 0 {
            return Err(5);
        }
        if !state.flush_does_nothing {
            state.log.push(Logged::Flush);
        }
        Ok(())
    }

    /// The disk after a power cut when `position` entries of the log had been issued: what was
    /// flushed is there; of the rest each write is there, lost or torn, by sectors of
    /// 512 bytes; the last one mostly torn.
    pub fn cut(&self, position: usize, random: &mut Random) -> TestDisk {
        let state = self.0.lock().unwrap();
        let log = &state.log[..position];
        let stable = log
            .iter()
            .rposition(|e| matches!(e, Logged::Flush))
            .map_or(0, |at| at + 1);
        let mut after = DiskState {
            base: state.base.clone(),
            ..DiskState::default()
        };
        for (index, entry) in log.iter().enumerate() {
            let Logged::Write(offset, data) = entry else {
                continue;
            };
            // A disk may write a block's sectors in order, or in any.
            let in_order = ((1u32 << random.below(9)) - 1) as u8;
            let torn = [in_order, random.below(256) as u8][random.below(2) as usize];
            let landed = match random.below(8) {
                _ if index < stable => ALL_SECTORS,
                _ if index + 1 == position => torn,
                0..3 => 0,
                3 => torn,
                _ => ALL_SECTORS,
            };
            after.put(*offset, data, landed);
        }
        TestDisk(Arc::new(Mutex::new(after)))
    }
}

impl Transport for TestDisk {
    fn read(&self, first: u64, count: usize) -> Result<Vec<u8>, Errno> {
        self.read_at(first * BLOCK_BYTES as u64, count * BLOCK_BYTES)
            .map_err(Errno)
    }

    fn write(&self, blocks: Vec<BlockWrite>) -> Result<(), Errno> {
        for (block, content) in blocks {
            self.write_at(block * BLOCK_BYTES as u64, &content[..])
                .map_err(Errno)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Errno> {
        TestDisk::flush(self).map_err(Errno)
    }
}

/// A seeded generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The seed of this run: `BRIGADE_SEED`, or a fixed one; printed so that a failure can be
/// repeated.
pub fn seed() -> u64 {
    let seed = std::env::var("BRIGADE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(20_261_123);
    println!("seed {seed} (repeat with BRIGADE_SEED={seed})");
    seed
}

/// e2fsck, if this machine has it; says so when it has not.
pub fn e2fsck() -> Option<PathBuf> {
    let found = ["/usr/sbin/e2fsck", "/sbin/e2fsck", "/usr/local/sbin/e2fsck"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: no e2fsck on this machine (package e2fsprogs); nothing was checked");
    }
    found
}

/// Runs e2fsck with `mode` on `image` (which it may change); returns its exit code and report.
pub fn fsck(e2fsck: &PathBuf, mode: &str, image: &mut Vec<u8>) -> (i32, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &image).unwrap();
    let output = Command::new(e2fsck)
        .arg(mode)
        .arg(file.path())
        .output()
        .unwrap();
    *image = std::fs::read(file.path()).unwrap();
    let report = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&report).into_owned(),
    )
}
