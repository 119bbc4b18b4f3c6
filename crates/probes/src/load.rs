//! Loading and attaching, one program after the other, and the window in which they count.

use aya::maps::Array;
use aya::programs::tp_btf::BtfTracePointLinkId;
use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned};
use rustix::time::{ClockId, clock_gettime};

use crate::ProbesError;
use crate::read::{self, Reading};

static OBJECT: &[u8] = include_bytes_aligned!("../bpf/observe.bpf.o");

/// Programs at tracepoints: name, tracepoint, and what is missing without it. The first ones count in
/// every window, the rest only where it is asked for: attaching takes about as long for each as a
/// hundred events.
const PROGRAMS: [(&str, &str, &str); 9] = [
    ("on_switch", "sched_switch", WAITS),
    ("on_wakeup", "sched_wakeup", WAITS),
    ("on_send", "sock_send_length", "who sends over unix sockets"),
    ("on_raise", "softirq_raise", RECEIVES),
    ("on_soft_entry", "softirq_entry", RECEIVES),
    ("on_soft_exit", "softirq_exit", RECEIVES),
    (
        "on_poll",
        "napi_poll",
        "what is received from which interface",
    ),
    ("on_queue_work", "workqueue_queue_work", WORKS),
    ("on_execute", "workqueue_execute_start", WORKS),
];
const ALWAYS: usize = 3;
const WAITS: &str = "what threads sleep in, exactly, and who wakes whom";
const RECEIVES: &str = "how long packets wait for a core's soft interrupts";
const WORKS: &str = "who gives work to the kernel's workers";

/// A program that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub program: String,
    /// What is missing without it.
    pub missing: &'static str,
    /// Why, in the kernel's words.
    pub reason: String,
}

/// Loaded programs. They are taken out of the kernel when this is dropped.
pub struct Probes {
    ebpf: Ebpf,
    refused: Vec<Refused>,
    links: Vec<(&'static str, BtfTracePointLinkId)>,
    window: u64,
    began_ns: u64,
    is_whole: bool,
}

impl Probes {
    /// Loads what the kernel takes, and sees whether it lets it be attached.
    ///
    /// # Errors
    /// When it takes nothing: without the privilege, without BPF, without a description of its types.
    pub fn load() -> Result<Probes, ProbesError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(ProbesError::Processor);
        }
        let types = Btf::from_sys_fs().map_err(|error| ProbesError::Types(words(&error)))?;
        let mut loader = EbpfLoader::new();
        // The loader does not know maps that belong to threads; it only makes them.
        loader.btf(Some(&types)).allow_unsupported_maps();
        let refuses = |error| ProbesError::Refused(words(&error));
        let mut ebpf = loader.load(OBJECT).map_err(refuses)?;
        let mut refused = Vec::new();
        for (program, tracepoint, missing) in PROGRAMS {
            if let Err(reason) = load(&mut ebpf, program, tracepoint, &types) {
                refused.push(Refused {
                    program: program.into(),
                    missing,
                    reason,
                });
            }
        }
        if let Err(reason) = load_iterator(&mut ebpf, &types) {
            refused.push(Refused {
                program: "dump_threads".into(),
                missing: WAITS,
                reason,
            });
        }
        if refused.len() > PROGRAMS.len() {
            let reason = refused.swap_remove(0).reason;
            return Err(ProbesError::Refused(reason));
        }
        let mut probes = Probes {
            ebpf,
            refused,
            links: Vec::new(),
            window: 0,
            began_ns: 0,
            is_whole: true,
        };
        probes.attach();
        probes.detach();
        Ok(probes)
    }

    /// The programs that the kernel refused.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Opens a window: from now on events are counted; soft interrupts and the work of the kernel's
    /// workers only if it is to be whole.
    ///
    /// # Errors
    /// When the kernel does not take its number.
    pub fn open(&mut self, whole: bool) -> Result<(), ProbesError> {
        self.is_whole = whole;
        self.attach();
        self.window += 1;
        self.began_ns = now_ns();
        self.set([self.window, self.began_ns])
    }

    /// Closes the window, and says what was counted in it.
    ///
    /// # Errors
    /// When the kernel does not give it.
    pub fn close(&mut self) -> Result<Reading, ProbesError> {
        let end_ns = now_ns();
        self.set([0, 0])?;
        self.detach();
        let window = read::Window {
            number: self.window,
            began_ns: self.began_ns,
            end_ns,
            is_whole: self.is_whole,
        };
        let mut reading = read::reading(&mut self.ebpf, &window)?;
        // Wakes alone do not tell when a sleep began, nor what ran.
        if self
            .refused
            .iter()
            .any(|refused| refused.program == "on_switch")
        {
            reading.threads.clear();
        }
        Ok(reading)
    }

    /// Attaches what was loaded; what is refused is refused for good.
    fn attach(&mut self) {
        let programs = if self.is_whole {
            PROGRAMS.len()
        } else {
            ALWAYS
        };
        for (name, _, missing) in PROGRAMS.into_iter().take(programs) {
            if self.refused.iter().any(|refused| refused.program == name) {
                continue;
            }
            match attach(&mut self.ebpf, name) {
                Ok(link) => self.links.push((name, link)),
                Err(reason) => self.refused.push(Refused {
                    program: name.into(),
                    missing,
                    reason,
                }),
            }
        }
    }

    fn detach(&mut self) {
        for (name, link) in self.links.drain(..) {
            let program = self.ebpf.program_mut(name).and_then(|program| {
                let program: Result<&mut BtfTracePoint, _> = program.try_into();
                program.ok()
            });
            if let Some(program) = program {
                // A link is a descriptor: closing it cannot fail in a way that matters.
                let _ = program.detach(link);
            }
        }
    }

    fn set(&mut self, window: [u64; 2]) -> Result<(), ProbesError> {
        let map = self.ebpf.map_mut("window");
        let map = map.ok_or_else(|| ProbesError::Read("no map `window`".into()))?;
        let read = |error| ProbesError::Read(words(&error));
        let mut map: Array<_, [u64; 2]> = Array::try_from(map).map_err(read)?;
        map.set(0, window, 0).map_err(read)
    }
}

/// The clock of the kernel's `bpf_ktime_get_ns`.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64).saturating_mul(1_000_000_000) + now.tv_nsec as u64
}

fn load(ebpf: &mut Ebpf, name: &str, tracepoint: &str, types: &Btf) -> Result<(), String> {
    let program = tracing(ebpf, name)?;
    program
        .load(tracepoint, types)
        .map_err(|error| words(&error))
}

fn attach(ebpf: &mut Ebpf, name: &str) -> Result<BtfTracePointLinkId, String> {
    let program = tracing(ebpf, name)?;
    program.attach().map_err(|error| words(&error))
}

fn tracing<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, String> {
    let program = ebpf.program_mut(name).ok_or("it is not in the object")?;
    program.try_into().map_err(|error| words(&error))
}

fn load_iterator(ebpf: &mut Ebpf, types: &Btf) -> Result<(), String> {
    let program = ebpf
        .program_mut("dump_threads")
        .ok_or("it is not in the object")?;
    let program: &mut Iter = program.try_into().map_err(|error| words(&error))?;
    program.load("task", types).map_err(|error| words(&error))
}

/// An error with its causes, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text.lines().next().unwrap_or_default().trim().to_owned()
}
