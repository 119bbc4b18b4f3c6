//! Work: burns time, touches memory, waits, collects batches, keeps pages.

use std::collections::{HashMap, VecDeque};

use brigade_stage::{
    Builder, Input, Io, Kind, Message, OptionValue, Output, Stage, StageError, clock_ns,
};

use crate::state::{Distribution, Random};
use crate::{Item, SyntheticError, count};

/// Bytes of a cache line: one read in each touches the whole working set.
const LINE_BYTES: usize = 64;
/// The largest batch.
const BATCH_MAX: u64 = 1024;
/// Lines of the working set that one message touches at most.
const LINES_PER_MESSAGE: usize = 64;

/// The kind `synthetic-work`: `input` -> `output`, each page itself. May have replicas.
pub fn kind() -> Kind {
    let integer = OptionValue::Integer;
    Kind::new("synthetic-work", |b| Ok(Box::new(Work::new(b)?)))
        .input::<Item>("input")
        .output::<Item>("output")
        .needs("input", "output", 1)
        .replicable()
        .option("service_ns", integer(1000), "time that one message burns")
        .option(
            "distribution",
            OptionValue::text("deterministic"),
            "of `service_ns`: deterministic or exponential",
        )
        .option(
            "working_set_bytes",
            integer(0),
            "memory of its own, of which each message touches up to 64 cache lines in turn",
        )
        .option(
            "latency_us",
            integer(0),
            "time that a message is held beside the work, while others are worked on",
        )
        .option(
            "serialise_keys",
            OptionValue::Flag(false),
            "with a latency: a key's messages are held one after the other",
        )
        .option(
            "batch_messages",
            integer(1),
            "messages that are collected before they are worked on together",
        )
        .option("batch_cost_ns", integer(0), "time that a batch burns once")
        .option(
            "batch_timeout_us",
            integer(1_000_000),
            "a batch that is not full by then is worked on as it is",
        )
        .option(
            "hoard_pages",
            integer(0),
            "messages that are kept for ever, and their pages with them",
        )
        .option("seed", integer(1), "decides the times")
        .batch_option("batch_messages")
}

struct Work {
    input: Input<Item>,
    output: Output<Item>,
    service_ns: u64,
    distribution: Distribution,
    working_set: Vec<u8>,
    touched: usize,
    latency_ns: u64,
    serialise_keys: bool,
    batch: usize,
    batch_cost_ns: u64,
    batch_timeout_ns: u64,
    hoard: usize,
    hoarded: Vec<Message<Item>>,
    /// A batch that is being collected, and since when.
    collected: Vec<Message<Item>>,
    collecting_since_ns: u64,
    /// Messages that were worked on, and when they may leave; in that order.
    held: VecDeque<(u64, Message<Item>)>,
    /// With `serialise_keys`: until when each key is taken.
    taken_until_ns: HashMap<u64, u64>,
    random: Random,
}

impl Work {
    fn new(b: &mut Builder<'_>) -> Result<Work, StageError> {
        let batch = count(b, "batch_messages")?;
        if !(1..=BATCH_MAX).contains(&batch) {
            return Err(SyntheticError::Batch { batch }.into());
        }
        let bytes = usize::try_from(count(b, "working_set_bytes")?)?;
        Ok(Work {
            input: b.input("input")?,
            output: b.output("output")?,
            service_ns: count(b, "service_ns")?,
            distribution: Distribution::read(b, "distribution")?,
            working_set: vec![1; bytes],
            touched: 0,
            latency_ns: count(b, "latency_us")?.saturating_mul(1000),
            serialise_keys: b.flag("serialise_keys")?,
            batch: usize::try_from(batch)?,
            batch_cost_ns: count(b, "batch_cost_ns")?,
            batch_timeout_ns: count(b, "batch_timeout_us")?.saturating_mul(1000),
            hoard: usize::try_from(count(b, "hoard_pages")?)?,
            hoarded: Vec::new(),
            collected: Vec::new(),
            collecting_since_ns: 0,
            held: VecDeque::new(),
            taken_until_ns: HashMap::new(),
            random: Random::new(count(b, "seed")?),
        })
    }

    /// Burns one message's time. The clock is read inside, so that its cost counts.
    fn burn(&mut self, extra_ns: u64) {
        let begun_ns = clock_ns();
        let drawn_ns = self.random.time_ns(self.service_ns, self.distribution);
        self.touch();
        while clock_ns().saturating_sub(begun_ns) < drawn_ns + extra_ns {
            std::hint::spin_loop();
        }
    }

    fn touch(&mut self) {
        let lines = self.working_set.len() / LINE_BYTES;
        for _ in 0..lines.min(LINES_PER_MESSAGE) {
            let at = self.touched * LINE_BYTES;
            self.working_set[at] = std::hint::black_box(self.working_set[at].wrapping_add(1));
            self.touched = (self.touched + 1) % lines;
        }
    }

    fn worked_on(&mut self, io: &mut Io<'_>, message: Message<Item>) {
        if self.latency_ns == 0 {
            return self.pass_on(io, message);
        }
        let now_ns = io.clock_ns();
        let mut free_ns = now_ns;
        if self.serialise_keys {
            let key = message.header().key;
            free_ns = free_ns.max(self.taken_until_ns.get(&key).copied().unwrap_or(0));
            self.taken_until_ns.insert(key, free_ns + self.latency_ns);
            self.taken_until_ns.retain(|_, until_ns| *until_ns > now_ns);
        }
        let at_ns = free_ns + self.latency_ns;
        let place = self
            .held
            .partition_point(|(other_ns, _)| *other_ns <= at_ns);
        self.held.insert(place, (at_ns, message));
    }

    fn pass_on(&mut self, io: &mut Io<'_>, message: Message<Item>) {
        let item = *message.header();
        io.send(self.output, Message::new(message.into_page(), item));
    }

    /// Sends what was held long enough, as far as there is room.
    fn let_go(&mut self, io: &mut Io<'_>) {
        while self
            .held
            .front()
            .is_some_and(|(at_ns, _)| *at_ns <= io.now_ns())
        {
            if !io.has_room(self.output, 1) {
                return;
            }
            if let Some((_, message)) = self.held.pop_front() {
                self.pass_on(io, message);
            }
        }
    }

    fn collect(&mut self, io: &mut Io<'_>) {
        while self.collected.len() < self.batch {
            let Some(message) = io.take(self.input) else {
                break;
            };
            if self.collected.is_empty() {
                self.collecting_since_ns = io.now_ns();
            }
            self.collected.push(message);
        }
        let waited_ns = io.now_ns().saturating_sub(self.collecting_since_ns);
        let late =
            !self.collected.is_empty() && (waited_ns >= self.batch_timeout_ns || io.draining());
        if (self.collected.len() < self.batch && !late)
            || !io.has_room(self.output, self.collected.len())
        {
            return;
        }
        let mut extra_ns = self.batch_cost_ns;
        for message in std::mem::take(&mut self.collected) {
            self.burn(std::mem::take(&mut extra_ns));
            self.worked_on(io, message);
        }
        io.worked();
    }
}

impl Stage for Work {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        io.clock_ns();
        self.let_go(io);
        if self.batch > 1 {
            self.collect(io);
            return Ok(());
        }
        while let Some(message) = io.take(self.input) {
            if self.hoarded.len() < self.hoard {
                self.hoarded.push(message);
                continue;
            }
            self.burn(0);
            self.worked_on(io, message);
        }
        Ok(())
    }

    fn timer_ns(&self) -> Option<u64> {
        let held_ns = self.held.front().map(|(at_ns, _)| *at_ns);
        let batch_ns = (!self.collected.is_empty()).then_some(
            self.collecting_since_ns
                .saturating_add(self.batch_timeout_ns),
        );
        held_ns.into_iter().chain(batch_ns).min()
    }

    fn held(&self) -> usize {
        self.held.len() + self.collected.len()
    }
}
