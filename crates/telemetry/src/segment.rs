//! The writing side: one segment per running Brigade, one writer per record.

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;

use crate::figures::Record;
use crate::layout::{self, Layout, Row, header};
use crate::memory::{Memory, record_words, store_record};
use crate::{
    ConsumerFigures, CoreFigures, CounterFigures, DESCRIPTION_BYTES_MAX, Description, Error,
    ProducerFigures, Reader, StageFigures, WindowFigures,
};

/// The memfd's name; a reader finds it among the open files of a process.
pub const MEMFD_NAME: &str = "brigade-telemetry";

/// The telemetry of this process. Keep it open as long as the pipeline runs: readers find it by
/// its file descriptor, and nothing of it is left when the process ends.
#[derive(Debug)]
pub struct Segment {
    file: OwnedFd,
    memory: Arc<Memory>,
    layout: Layout,
    /// First words of the records that have been given to a writer.
    given: Vec<usize>,
}

/// The single writer of one record. It can be sent to the thread that will own it.
#[derive(Debug)]
pub struct Writer<R> {
    memory: Arc<Memory>,
    first: usize,
    sequence: u64,
    record: PhantomData<fn(R)>,
}

/// Writer of a stage's record.
pub type StageWriter = Writer<StageFigures>;
/// Writer of a core's record.
pub type CoreWriter = Writer<CoreFigures>;
/// Writer of the producer's half of an edge.
pub type ProducerWriter = Writer<ProducerFigures>;
/// Writer of the consumer's half of an edge.
pub type ConsumerWriter = Writer<ConsumerFigures>;
/// Writer of a window's record.
pub type WindowWriter = Writer<WindowFigures>;
/// Writer of a counter.
pub type CounterWriter = Writer<CounterFigures>;

impl<R: Record> Writer<R> {
    /// Publishes `figures`: some plain stores, no lock and no call.
    #[inline]
    pub fn publish(&mut self, figures: &R) {
        let words = self.memory.words(self.first, record_words::<R>());
        self.sequence = store_record(words, self.sequence, figures);
    }
}

impl Segment {
    /// Makes the segment for `description`, all figures zero.
    ///
    /// # Errors
    /// [`Error::Description`] when the description contradicts itself or is too large,
    /// [`Error::Create`] when the kernel refuses the memory.
    pub fn create(description: &Description) -> Result<Segment, Error> {
        description.check()?;
        let json =
            serde_json::to_vec(description).map_err(|e| Error::Description(e.to_string()))?;
        if json.len() > DESCRIPTION_BYTES_MAX {
            let text = format!("{} bytes, at most {DESCRIPTION_BYTES_MAX} fit", json.len());
            return Err(Error::Description(text));
        }
        let layout = Layout::of(description, json.len());
        let (file, memory) = allocate(layout.words)?;
        write_head(&memory, &json, layout.words);
        Ok(Segment {
            file,
            memory: Arc::new(memory),
            layout,
            given: Vec::new(),
        })
    }

    /// The writer of stage `i`.
    ///
    /// # Panics
    /// Like all of these: when there is no such record or it already has a writer; both are
    /// mistakes of the caller.
    pub fn stage(&mut self, i: usize) -> StageWriter {
        self.writer(self.layout.stages, i)
    }

    /// The writer of core `i`, as an index into [`Description::cores`].
    ///
    /// # Panics
    /// As [`stage`](Self::stage).
    pub fn core(&mut self, i: usize) -> CoreWriter {
        self.writer(self.layout.cores, i)
    }

    /// The writer of the producer's half of edge `i`.
    ///
    /// # Panics
    /// As [`stage`](Self::stage).
    pub fn producer(&mut self, i: usize) -> ProducerWriter {
        self.writer(self.layout.producers, i)
    }

    /// The writer of the consumer's half of edge `i`.
    ///
    /// # Panics
    /// As [`stage`](Self::stage).
    pub fn consumer(&mut self, i: usize) -> ConsumerWriter {
        self.writer(self.layout.consumers, i)
    }

    /// The writer of window `i`.
    ///
    /// # Panics
    /// As [`stage`](Self::stage).
    pub fn window(&mut self, i: usize) -> WindowWriter {
        self.writer(self.layout.windows, i)
    }

    /// The writer of counter `i`.
    ///
    /// # Panics
    /// As [`stage`](Self::stage).
    pub fn counter(&mut self, i: usize) -> CounterWriter {
        self.writer(self.layout.counters, i)
    }

    /// A reader of this segment, for the process itself.
    ///
    /// # Errors
    /// [`Error::Map`] when the kernel refuses a second mapping.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.file)
    }

    /// Where the segment can be opened while it is not dropped, for tools that are given a path.
    pub fn path(&self) -> PathBuf {
        let (pid, file) = (std::process::id(), self.file.as_raw_fd());
        PathBuf::from(format!("/proc/{pid}/fd/{file}"))
    }

    fn writer<R: Record>(&mut self, row: Row, i: usize) -> Writer<R> {
        let first = row.at(i).expect("no such telemetry record");
        assert!(
            !self.given.contains(&first),
            "telemetry record {i} already has its writer"
        );
        self.given.push(first);
        Writer {
            memory: self.memory.clone(),
            first,
            sequence: 0,
            record: PhantomData,
        }
    }
}

/// Makes the memfd with `words` words of zeros and maps it.
fn allocate(words: usize) -> Result<(OwnedFd, Memory), Error> {
    let failed = |call| {
        move |errno: Errno| Error::Create {
            call,
            source: errno.into(),
        }
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(MEMFD_NAME, flags).map_err(failed("memfd_create"))?;
    ftruncate(&file, (words * 8) as u64).map_err(failed("ftruncate"))?;
    let memory = Memory::writable(&file, words).map_err(failed("mmap"))?;
    seal(&file).map_err(failed("fcntl(F_ADD_SEALS)"))?;
    Ok((file, memory))
}

/// Fixes the size, so that a reader's mapping can never fault, and keeps others from writing.
fn seal(file: &OwnedFd) -> Result<(), Errno> {
    let size = SealFlags::SHRINK | SealFlags::GROW;
    // Kernels before 5.1 do not know FUTURE_WRITE; a fixed size is what a reader insists on.
    fcntl_add_seals(file, size | SealFlags::FUTURE_WRITE | SealFlags::SEAL)
        .or_else(|_| fcntl_add_seals(file, size | SealFlags::SEAL))
}

fn write_head(memory: &Memory, json: &[u8], words: usize) {
    let set = |at, value: u64| memory.word(at).store(value, Ordering::Relaxed);
    set(header::VERSION, layout::VERSION);
    set(header::PID, u64::from(std::process::id()));
    set(header::START_NS, crate::now_ns());
    set(header::DESCRIPTION_BYTES, json.len() as u64);
    set(header::SEGMENT_WORDS, words as u64);
    for (i, chunk) in json.chunks(8).enumerate() {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        set(header::WORDS + i, u64::from_ne_bytes(bytes));
    }
    memory
        .word(header::MAGIC)
        .store(layout::MAGIC, Ordering::Release);
}
