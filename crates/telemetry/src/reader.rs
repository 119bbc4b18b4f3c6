//! The reading side. The segment is another process's memory: everything in it is checked.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::io::Errno;

use crate::figures::Record;
use crate::layout::{self, Layout, Row, header};
use crate::memory::{Memory, load_record, record_words};
use crate::{
    ConsumerFigures, CoreFigures, CounterFigures, DESCRIPTION_BYTES_MAX, Description, Error,
    MEMFD_NAME, ProducerFigures, StageFigures, WindowFigures,
};

/// Attempts at a record that is replaced while it is read, before the reader sleeps between them.
const SPINS: usize = 64;
/// Sleeps of [`NAP`] before it gives up: it was itself interrupted in the middle, again and again.
const NAPS: usize = 200;
const NAP: Duration = Duration::from_micros(250);

/// A read-only view of a running Brigade's telemetry.
#[derive(Debug)]
pub struct Reader {
    memory: Memory,
    layout: Layout,
    description: Description,
    pid: u32,
    start_ns: u64,
}

/// Both halves of an edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeFigures {
    /// The producer's half.
    pub producer: ProducerFigures,
    /// The consumer's half.
    pub consumer: ConsumerFigures,
}

/// All figures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The moment, in ns of the monotonic clock; not before any moment in the records.
    pub at_ns: u64,
    /// As [`Description::stages`].
    pub stages: Vec<StageFigures>,
    /// As [`Description::cores`].
    pub cores: Vec<CoreFigures>,
    /// As [`Description::edges`].
    pub edges: Vec<EdgeFigures>,
    /// As [`Description::windows`].
    pub windows: Vec<WindowFigures>,
    /// As [`Description::counters`].
    pub counters: Vec<CounterFigures>,
}

impl Reader {
    /// The ids of the processes in which a Brigade runs, ascending. Processes that may not be
    /// looked into (another user's) are passed over.
    pub fn find() -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut found: Vec<u32> = pids
            .filter(|pid| matches!(segment_path(*pid), Ok(Some(_))))
            .collect();
        found.sort_unstable();
        found
    }

    /// Maps the telemetry of process `pid`.
    ///
    /// # Errors
    /// [`Error::Process`] when there is no such process or it may not be looked into,
    /// [`Error::NotBrigade`] when it has no segment, else as [`open`](Self::open).
    pub fn attach(pid: u32) -> Result<Reader, Error> {
        let process = |source| Error::Process { pid, source };
        let path = segment_path(pid)
            .map_err(process)?
            .ok_or(Error::NotBrigade { pid })?;
        let file = File::open(path).map_err(process)?;
        let mut reader = Reader::open(&file)?;
        // The header's id is that of the writer's own namespace; the caller knows this one.
        reader.pid = pid;
        Ok(reader)
    }

    /// Maps the segment in `file`. The file may be closed afterwards.
    ///
    /// # Errors
    /// [`Error::Map`] when the kernel refuses, [`Error::Segment`] when the contents are not a
    /// complete segment of this version.
    pub fn open(file: impl AsFd) -> Result<Reader, Error> {
        let file = file.as_fd();
        let memory = Memory::readable(file, checked_words(file)?).map_err(map_failed("mmap"))?;
        let head = read_header(&memory)?;
        let description_bytes = check_header(&head, memory.words_total())?;
        let description = read_description(&memory, description_bytes)?;
        let layout = Layout::of(&description, description_bytes);
        if layout.words != memory.words_total() {
            return Err(Error::Segment(
                "its size does not fit its description".into(),
            ));
        }
        let pid = u32::try_from(head[header::PID]).unwrap_or(0);
        Ok(Reader {
            memory,
            layout,
            description,
            pid,
            start_ns: head[header::START_NS],
        })
    }

    /// What runs there.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The process that is watched.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When the segment was made, in ns of the monotonic clock.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Reads all records, also of a process that is stopped. Each is consistent in itself; they are read one after the other, within
    /// microseconds.
    ///
    /// # Errors
    /// [`Error::Unsettled`] when a record was replaced while it was read, each time, for some 50 ms.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let d = &self.description;
        let edge = |i| -> Result<EdgeFigures, Error> {
            Ok(EdgeFigures {
                // The consumer first: what it took was sent before, so the difference of the
                // counts does not become negative by the order of reading.
                consumer: self.record("edge", self.layout.consumers, i)?,
                producer: self.record("edge", self.layout.producers, i)?,
            })
        };
        let l = &self.layout;
        Ok(Snapshot {
            stages: all(d.stages.len(), |i| self.record("stage", l.stages, i))?,
            cores: all(d.cores.len(), |i| self.record("core", l.cores, i))?,
            edges: all(d.edges.len(), edge)?,
            windows: all(d.windows.len(), |i| self.record("window", l.windows, i))?,
            counters: all(d.counters.len(), |i| self.record("counter", l.counters, i))?,
            // Last, so that no record can be newer.
            at_ns: crate::now_ns(),
        })
    }

    fn record<R: Record>(&self, sort: &str, row: Row, i: usize) -> Result<R, Error> {
        let unsettled = || Error::Unsettled {
            record: format!("{sort} {i}"),
        };
        let first = row.at(i).ok_or_else(unsettled)?;
        let words = self.memory.words(first, record_words::<R>());
        for attempt in 0..SPINS + NAPS {
            if let Some(record) = load_record(words) {
                return Ok(record);
            }
            pause(attempt);
        }
        Err(unsettled())
    }
}

fn all<T>(count: usize, read: impl Fn(usize) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    (0..count).map(read).collect()
}

fn pause(attempt: usize) {
    if attempt < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::sleep(NAP);
    }
}

/// The open telemetry file of a process, if it has one.
fn segment_path(pid: u32) -> io::Result<Option<PathBuf>> {
    let wanted = format!("/memfd:{MEMFD_NAME} (deleted)");
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(
        paths
            .find(|path| fs::read_link(path).is_ok_and(|link| link.as_os_str() == wanted.as_str())),
    )
}

fn map_failed(call: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Map {
        call,
        source: errno.into(),
    }
}

/// The number of words of `file`, once it is certain that they will stay.
fn checked_words(file: impl AsFd) -> Result<usize, Error> {
    let file = file.as_fd();
    let seals = fcntl_get_seals(file).map_err(map_failed("fcntl(F_GET_SEALS)"))?;
    if !seals.contains(SealFlags::SHRINK) {
        return Err(Error::Segment("its size is not sealed".into()));
    }
    let bytes = fstat(file).map_err(map_failed("fstat"))?.st_size;
    let words = usize::try_from(bytes).unwrap_or(0) / 8;
    if words < header::WORDS || !bytes.unsigned_abs().is_multiple_of(8) {
        return Err(Error::Segment(format!("{bytes} bytes are no segment")));
    }
    Ok(words)
}

/// Loads words that nobody changes any more (or, from a hostile writer, any words).
fn load_words(words: &[AtomicU64]) -> Vec<u64> {
    words
        .iter()
        .map(|word| word.load(Ordering::Relaxed))
        .collect()
}

fn read_header(memory: &Memory) -> Result<Vec<u64>, Error> {
    if memory.word(header::MAGIC).load(Ordering::Relaxed) != layout::MAGIC {
        return Err(Error::Segment("it does not begin as one".into()));
    }
    // The magic word is stored last; what was stored before it is visible from here on.
    fence(Ordering::Acquire);
    Ok(load_words(memory.words(0, header::WORDS)))
}

/// Checks the header and returns the length of the description, in bytes.
fn check_header(head: &[u64], words: usize) -> Result<usize, Error> {
    let wrong = |text: String| Err(Error::Segment(text));
    if head[header::VERSION] != layout::VERSION {
        let found = head[header::VERSION];
        return wrong(format!(
            "its version is {found}, this program reads {}",
            layout::VERSION
        ));
    }
    if head[header::SEGMENT_WORDS] != words as u64 {
        return wrong("its size is not what its header says".into());
    }
    let bytes = usize::try_from(head[header::DESCRIPTION_BYTES]).unwrap_or(usize::MAX);
    if bytes > DESCRIPTION_BYTES_MAX || header::WORDS + layout::description_words(bytes) > words {
        return wrong("its description does not fit in".into());
    }
    Ok(bytes)
}

fn read_description(memory: &Memory, bytes: usize) -> Result<Description, Error> {
    let words = load_words(memory.words(header::WORDS, bytes.div_ceil(8)));
    let mut json: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    json.truncate(bytes);
    let wrong = |text: String| Error::Segment(format!("its description is not valid: {text}"));
    let description: Description =
        serde_json::from_slice(&json).map_err(|e| wrong(e.to_string()))?;
    description.check().map_err(|e| wrong(e.to_string()))?;
    Ok(description)
}
