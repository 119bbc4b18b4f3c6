//! From the programs' maps to figures.

use std::collections::HashMap as Known;
use std::io::Read as _;

use aya::maps::HashMap;
use aya::programs::Iter;
use aya::{Ebpf, Pod};

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
    /// Threads that began or stopped running in it; others did the same all the time.
    pub threads: Vec<ThreadReading>,
    /// Who woke whom.
    pub wakes: Vec<Wake>,
    /// What was sent over unix sockets.
    pub unix: Vec<UnixSent>,
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

pub(crate) struct Window {
    pub number: u64,
    pub began_ns: u64,
    pub end_ns: u64,
}

/// Counts at the end of the window before, by the key's words.
pub(crate) type Counts = Known<([u64; 3], bool), [u64; 2]>;

pub(crate) fn reading(
    ebpf: &mut Ebpf,
    window: &Window,
    counts: &mut Counts,
) -> Result<Reading, ProbesError> {
    let mut bytes = Vec::new();
    if let Some(iterator) = ebpf.program_mut("dump_threads") {
        bytes = dump(iterator).map_err(ProbesError::Read)?;
    }
    let records = bytes.chunks_exact(DUMPED_WORDS * 8);
    let wakes = table::<u64>(ebpf, "wakes")?;
    let unix = table::<[u64; 2]>(ebpf, "unix_sent")?;
    // What is no longer in the maps is forgotten here, too: threads and sockets come and go for ever.
    let before = std::mem::take(counts);
    let mut since = |key: [u64; 3], unix: bool, now: [u64; 2]| {
        let then = before.get(&(key, unix)).copied().unwrap_or_default();
        counts.insert((key, unix), now);
        // An entry that was pushed out begins anew.
        [0, 1].map(|i| now[i].checked_sub(then[i]).unwrap_or(now[i]))
    };
    let wakes = wakes.into_iter().map(|(key, count)| {
        let [wakes, _] = since(key, false, [count, 0]);
        Wake {
            waker: halves(key[0]),
            wakee: halves(key[1]),
            number: key[2] as i64,
            wakes,
        }
    });
    let wakes: Vec<Wake> = wakes.filter(|wake| wake.wakes > 0).collect();
    let unix = unix.into_iter().map(|(key, amount)| {
        let [messages, bytes] = since(key, true, amount);
        UnixSent {
            sender: halves(key[2]),
            from_inode: key[0],
            to_inode: key[1],
            messages,
            bytes,
        }
    });
    let unix = unix.filter(|sent| sent.messages > 0).collect();
    Ok(Reading {
        length_ns: window.end_ns.saturating_sub(window.began_ns),
        threads: records
            .filter_map(|record| thread(record, window))
            .collect(),
        wakes,
        unix,
    })
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

/// All entries of a map whose key has three words.
fn table<V: Pod>(ebpf: &Ebpf, name: &str) -> Result<Vec<([u64; 3], V)>, ProbesError> {
    let map = ebpf.map(name);
    let map = map.ok_or_else(|| ProbesError::Read(format!("no map `{name}`")))?;
    let map: HashMap<_, [u64; 3], V> =
        HashMap::try_from(map).map_err(|error| ProbesError::Read(words(&error)))?;
    // An entry that goes while it is read is not an error.
    Ok(map.iter().flatten().collect())
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
    fn records_of_other_windows_and_broken_ones_are_left_out() {
        assert_eq!(thread(&record(&[0, 6]), &WINDOW), None);
        assert_eq!(thread(&[1, 2, 3], &WINDOW), None);
    }
}
