//! From the programs' maps to figures.

use std::io::Read as _;

use aya::Ebpf;
use aya::maps::{HashMap, PerCpuArray};
use aya::programs::Iter;

use crate::ProbesError;
use crate::load::words;

/// Slots of a thread's record, as in `observe.bpf.c`.
const SLOTS: usize = 6;
const SLOT_WORDS: usize = 8;
/// `struct dumped`: two numbers in the first word, then `struct figures`.
const DUMPED_WORDS: usize = 1 + 6 + SLOTS * SLOT_WORDS;
const RUNNING: u32 = 1;
const READY: u32 = 2;
const ASLEEP: u32 = 3;

/// What was counted in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// How long the window was.
    pub length_ns: u64,
    /// Whether soft interrupts and the work of the kernel's workers were counted. In a window that is
    /// not whole a soft interrupt's wakes are those of the thread that it interrupted.
    pub is_whole: bool,
    /// Threads that began or stopped running in it; others did the same all the time.
    pub threads: Vec<ThreadReading>,
    /// Who woke whom.
    pub wakes: Vec<Wake>,
    /// What was sent over unix sockets.
    pub unix: Vec<UnixSent>,
    /// Soft interrupts that receive packets, of the cores that had some.
    pub receives: Vec<Receive>,
    /// What their polls took.
    pub polls: Vec<Poll>,
    /// Work that the kernel's workers began.
    pub works: Vec<Work>,
}

/// What a thread did in a window. Its times sum to the window's length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadReading {
    /// Its process.
    pub pid: u32,
    /// Its number.
    pub tid: u32,
    /// Time on a core.
    pub running_ns: u64,
    /// Time ready without a core.
    pub ready_ns: u64,
    /// Time asleep in calls for which there was no room.
    pub other_ns: u64,
    /// Time asleep, by system call.
    pub sleeps: Vec<SleepReading>,
}

/// One system call that a thread slept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SleepReading {
    /// The call's number; below 0: in none.
    pub number: i64,
    /// Its first five arguments.
    pub arguments: [u64; 5],
    /// Time asleep.
    pub slept_ns: u64,
    /// Times that it ended.
    pub sleeps: u64,
}

/// Wake-ups of one thread by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// Process and thread that woke.
    pub waker: (u32, u32),
    /// Process and thread that was woken.
    pub wakee: (u32, u32),
    /// The system call that it slept in.
    pub number: i64,
    /// How often.
    pub wakes: u64,
}

/// What one thread sent over one unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixSent {
    /// Process and thread that sent.
    pub sender: (u32, u32),
    /// The socket's inode.
    pub from_inode: u64,
    /// The other end's; 0 when it has none.
    pub to_inode: u64,
    /// How often.
    pub messages: u64,
    /// How much.
    pub bytes: u64,
}

/// Soft interrupts of one core that receive packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// The core.
    pub core: usize,
    /// How often one began that had been asked for.
    pub runs: u64,
    /// How long they waited from that on, in all.
    pub wait_ns: u64,
}

/// Polls of one interface on one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// The core.
    pub core: usize,
    /// The interface; without a name, the core's backlog.
    pub interface: String,
    /// How often it was polled.
    pub polls: u64,
    /// Packets that were taken.
    pub packets: u64,
}

/// Work that one thread gave to one of the kernel's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Process and thread that gave it; 0 for a soft interrupt.
    pub giver: (u32, u32),
    /// Process and thread that took it.
    pub worker: (u32, u32),
    /// How often.
    pub works: u64,
    /// How long it waited, in all.
    pub wait_ns: u64,
}

pub(crate) struct Window {
    pub number: u64,
    pub began_ns: u64,
    pub end_ns: u64,
    pub is_whole: bool,
}

pub(crate) fn reading(ebpf: &mut Ebpf, window: &Window) -> Result<Reading, ProbesError> {
    let mut bytes = Vec::new();
    if let Some(iterator) = ebpf.program_mut("dump_threads") {
        bytes = dump(iterator).map_err(ProbesError::Read)?;
    }
    let records = bytes.chunks_exact(DUMPED_WORDS * 8);
    let counts = |map| counts(ebpf, map, window.number);
    let wake = |(key, wakes, _): Counted| Wake {
        waker: halves(key[0]),
        wakee: halves(key[1]),
        number: key[2] as i64,
        wakes,
    };
    let sent = |(key, messages, bytes): Counted| UnixSent {
        sender: halves(key[2]),
        from_inode: key[0],
        to_inode: key[1],
        messages,
        bytes,
    };
    let poll = |(key, polls, packets): Counted| Poll {
        core: key[0] as usize,
        interface: name([key[1], key[2]]),
        polls,
        packets,
    };
    let work = |(key, works, wait_ns): Counted| Work {
        giver: halves(key[0]),
        worker: halves(key[1]),
        works,
        wait_ns,
    };
    Ok(Reading {
        length_ns: window.end_ns.saturating_sub(window.began_ns),
        is_whole: window.is_whole,
        threads: records
            .filter_map(|record| thread(record, window))
            .collect(),
        wakes: counts("wakes")?.into_iter().map(wake).collect(),
        unix: counts("unix_sent")?.into_iter().map(sent).collect(),
        receives: receives(ebpf, window.number)?,
        polls: counts("polls")?.into_iter().map(poll).collect(),
        works: counts("given")?.into_iter().map(work).collect(),
    })
}

/// A text of at most 16 bytes, as it lies in memory.
fn name(words: [u64; 2]) -> String {
    let bytes = words.map(u64::to_ne_bytes).concat();
    let length = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..length.unwrap_or(bytes.len())]).into_owned()
}

/// `struct soft` of every core that a window touched.
fn receives(ebpf: &Ebpf, window: u64) -> Result<Vec<Receive>, ProbesError> {
    let map = ebpf.map("soft");
    let map = map.ok_or_else(|| ProbesError::Read("no map `soft`".into()))?;
    let refuses = |error| ProbesError::Read(words(&error));
    let map: PerCpuArray<_, [u64; 5]> = PerCpuArray::try_from(map).map_err(refuses)?;
    let cores = map.get(&0, 0).map_err(refuses)?;
    let receive = |(core, soft): (usize, &[u64; 5])| Receive {
        core,
        runs: soft[3],
        wait_ns: soft[4],
    };
    let touched = cores
        .iter()
        .enumerate()
        .filter(|(_, soft)| soft[0] == window);
    Ok(touched.map(receive).filter(|core| core.runs > 0).collect())
}

fn dump(program: &mut aya::programs::Program) -> Result<Vec<u8>, String> {
    let program: &mut Iter = program.try_into().map_err(|error| words(&error))?;
    let link = program.attach().map_err(|error| words(&error))?;
    let link = program.take_link(link).map_err(|error| words(&error))?;
    let mut file = link.into_file().map_err(|error| words(&error))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| words(&error))?;
    Ok(bytes)
}

/// Two numbers of 32 bits that stand in one word, the first one first in memory.
fn halves(word: u64) -> (u32, u32) {
    let bytes = word.to_ne_bytes();
    let half = |i: usize| u32::from_ne_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
    (half(0), half(4))
}

/// One record of the iterator; none when it is not of this window.
fn thread(record: &[u8], window: &Window) -> Option<ThreadReading> {
    let word = |i: usize| {
        let bytes = record
            .get(i * 8..i * 8 + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    if word(1) != window.number {
        return None;
    }
    let (pid, tid) = halves(word(0));
    let (state, slot) = halves(word(3));
    let slot_at = |i: usize| {
        let first = 7 + i * SLOT_WORDS;
        SleepReading {
            number: word(first) as i64,
            arguments: [1, 2, 3, 4, 5].map(|at| word(first + at)),
            slept_ns: word(first + 6),
            sleeps: word(first + 7),
        }
    };
    let mut sleeps: Vec<SleepReading> = (0..SLOTS).map(slot_at).collect();
    let mut thread = ThreadReading {
        pid,
        tid,
        running_ns: word(4),
        ready_ns: word(5),
        other_ns: word(6),
        sleeps: Vec::new(),
    };
    // What it has been doing since its last event.
    let rest_ns = window.end_ns.saturating_sub(word(2));
    match (state, sleeps.get_mut(slot as usize)) {
        (RUNNING, _) => thread.running_ns += rest_ns,
        (READY, _) => thread.ready_ns += rest_ns,
        (ASLEEP, Some(slot)) => slot.slept_ns += rest_ns,
        _ => thread.other_ns += rest_ns,
    }
    sleeps.retain(|sleep| sleep.slept_ns > 0);
    thread.sleeps = sleeps;
    Some(thread)
}

/// A key, how often it was counted, and the sum of its amounts.
type Counted = ([u64; 3], u64, u64);

/// The entries of a map of `struct count` that a window made or changed.
fn counts(ebpf: &Ebpf, name: &str, window: u64) -> Result<Vec<Counted>, ProbesError> {
    let map = ebpf.map(name);
    let map = map.ok_or_else(|| ProbesError::Read(format!("no map `{name}`")))?;
    let map: HashMap<_, [u64; 3], [u64; 3]> =
        HashMap::try_from(map).map_err(|error| ProbesError::Read(words(&error)))?;
    // An entry that goes while it is read is not an error.
    let known = map.iter().flatten();
    let own = known.filter(|(_, count)| count[0] == window);
    Ok(own
        .map(|(key, [_, times, amount])| (key, times, amount))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(words: &[u64]) -> Vec<u8> {
        let mut all = vec![0; DUMPED_WORDS];
        all[..words.len()].copy_from_slice(words);
        all.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    const WINDOW: Window = Window {
        number: 7,
        began_ns: 1000,
        end_ns: 2000,
        is_whole: true,
    };

    #[test]
    fn what_a_thread_has_done_since_its_last_event_belongs_to_the_window() {
        let number = u64::from_ne_bytes([5, 0, 0, 0, 6, 0, 0, 0]);
        let asleep = u64::from_ne_bytes([3, 0, 0, 0, 0, 0, 0, 0]);
        let words = [
            number, 7, 1600, asleep, 100, 200, 0, 202, 9, 0, 2, 0, 0, 300, 1,
        ];
        let thread = thread(&record(&words), &WINDOW).unwrap();
        assert_eq!((thread.pid, thread.tid), (5, 6));
        let sum = thread.running_ns + thread.ready_ns + thread.sleeps[0].slept_ns;
        assert_eq!(sum, 1000);
        assert_eq!(thread.sleeps[0].arguments[2], 2);
    }

    #[test]
    fn a_name_ends_where_it_ends_or_at_sixteen_bytes() {
        let words = |text: &[u8; 16]| {
            let half = |i: usize| u64::from_ne_bytes(text[i..i + 8].try_into().unwrap());
            [half(0), half(8)]
        };
        assert_eq!(name(words(b"eth0\0garbage\0\0\0\0")), "eth0");
        assert_eq!(name(words(b"0123456789abcdef")), "0123456789abcdef");
        assert_eq!(name([0, 0]), "");
    }

    #[test]
    fn records_of_other_windows_and_broken_ones_are_left_out() {
        assert_eq!(thread(&record(&[0, 6]), &WINDOW), None);
        assert_eq!(thread(&[1, 2, 3], &WINDOW), None);
    }
}
