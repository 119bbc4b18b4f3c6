//! The source: messages as fast as the window allows, at a rate, or in bursts.

use std::collections::VecDeque;

use brigade_stage::{
    Builder, Input, Io, Kind, Message, OptionValue, Output, Route, Stage, StageError, Window,
};

use crate::state::{Distribution, Random};
use crate::{Item, SyntheticError, count};

/// The kind `synthetic-source`: its messages go to any replica of the next stage.
pub fn kind() -> Kind {
    let kind = Kind::new("synthetic-source", |b| {
        Ok(Box::new(Source::new(b, false, true)?))
    });
    answered(declared(kind.output::<Item>("requests")))
}

/// The kind `synthetic-source-open`: without replies and without a window, so that only full rings
/// hold it up.
pub fn open_kind() -> Kind {
    let kind = Kind::new("synthetic-source-open", |b| {
        Ok(Box::new(Source::new(b, false, false)?))
    });
    declared(kind.output::<Item>("requests"))
}

/// The kind `synthetic-source-keyed`: all messages of one key go to one replica of the next stage.
pub fn keyed_kind() -> Kind {
    let make = |b: &mut Builder<'_>| -> Result<Box<dyn Stage>, StageError> {
        Ok(Box::new(Source::new(b, true, true)?))
    };
    let kind = Kind::new("synthetic-source-keyed", make);
    answered(declared(kind.output_keyed::<Item>("requests")))
}

fn answered(kind: Kind) -> Kind {
    kind.input::<Item>("replies")
        .window("requests", "requests", "replies", 16)
}

fn declared(kind: Kind) -> Kind {
    let integer = OptionValue::Integer;
    kind.option(
        "rate_per_s",
        OptionValue::Real(0.0),
        "messages a second, as far as the window allows; 0: as many as it allows",
    )
    .option(
        "arrivals",
        OptionValue::text("deterministic"),
        "gaps at a rate: deterministic or exponential",
    )
    .option(
        "burst_messages",
        integer(1),
        "messages that come together; their rate is `rate_per_s` all the same",
    )
    .option(
        "think_us",
        integer(0),
        "without a rate: pause between a reply and the next message of its token",
    )
    .option("keys", integer(1024), "different keys")
    .option(
        "hot_key_ratio",
        OptionValue::Real(0.0),
        "share of the messages that have key 0 whatever is drawn",
    )
    .option("seed", integer(1), "decides gaps and keys")
}

/// Messages sent in one run at most.
const COHORT_MAX: usize = 64;

struct Source {
    requests: Output<Item>,
    /// Where replies come in, and the window that they give tokens back to.
    answers: Option<(Input<Item>, Window)>,
    keyed: bool,
    gap_ns: u64,
    arrivals: Distribution,
    burst: u64,
    think_ns: u64,
    keys: u64,
    hot_key_ratio: f64,
    random: Random,
    number: u64,
    /// With a rate: when the next burst is due, and what is left of the one before.
    due_ns: u64,
    left: u64,
    /// Without a rate: when tokens that came back may leave again.
    thinking: VecDeque<u64>,
    /// There was no room for the last message.
    is_full: bool,
}

impl Source {
    fn new(b: &mut Builder<'_>, keyed: bool, answered: bool) -> Result<Source, StageError> {
        let rate_per_s = b.real("rate_per_s")?.max(0.0);
        let burst = count(b, "burst_messages")?.max(1);
        let gap_ns = match rate_per_s {
            0.0 => 0,
            rate => (burst as f64 / rate * 1e9) as u64,
        };
        let hot_key_ratio = b.real("hot_key_ratio")?;
        if !(0.0..=1.0).contains(&hot_key_ratio) {
            let (option, value) = ("hot_key_ratio", hot_key_ratio.to_string());
            return Err(SyntheticError::Share { option, value }.into());
        }
        Ok(Source {
            requests: b.output("requests")?,
            answers: match answered {
                true => Some((b.input("replies")?, b.window("requests")?)),
                false => None,
            },
            keyed,
            gap_ns,
            arrivals: Distribution::read(b, "arrivals")?,
            burst,
            think_ns: count(b, "think_us")?.saturating_mul(1000),
            keys: count(b, "keys")?.max(1),
            hot_key_ratio,
            random: Random::new(count(b, "seed")?),
            number: 0,
            due_ns: 0,
            left: 0,
            thinking: VecDeque::new(),
            is_full: false,
        })
    }

    fn take_replies(&mut self, io: &mut Io<'_>) {
        let Some((replies, window)) = self.answers else {
            return;
        };
        while let Some(message) = io.take(replies) {
            let now_ns = io.now_ns();
            let latency_ns = now_ns.saturating_sub(message.header().intended_ns);
            io.token_give(window, latency_ns);
            io.release(message);
            if self.think_ns > 0 {
                self.thinking.push_back(now_ns + self.think_ns);
            }
        }
    }

    /// When the next message should leave; `None` when nothing is due.
    fn due(&mut self, io: &Io<'_>, now_ns: u64) -> Option<u64> {
        // Without a window the room in the ring is the limit.
        let free = self
            .answers
            .map_or(usize::MAX, |(_, window)| io.tokens(window));
        if self.gap_ns == 0 {
            while self.thinking.front().is_some_and(|at_ns| *at_ns <= now_ns) {
                self.thinking.pop_front();
            }
            return (free > self.thinking.len()).then_some(now_ns);
        }
        if self.due_ns == 0 {
            self.due_ns = now_ns;
        }
        if self.left == 0 && self.due_ns <= now_ns {
            self.left = self.burst;
        }
        (self.left > 0 && free > 0).then_some(self.due_ns)
    }

    /// One of a burst has left; with the last one the next burst's time is set. A source that was
    /// held up sends what it owes: latency counts from the intended time.
    fn has_left(&mut self) {
        if self.gap_ns == 0 {
            return;
        }
        self.left -= 1;
        if self.left == 0 {
            self.due_ns += self.random.time_ns(self.gap_ns, self.arrivals).max(1);
        }
    }

    fn item(&mut self, intended_ns: u64) -> Item {
        let hot = self.hot_key_ratio > 0.0 && self.random.unit() <= self.hot_key_ratio;
        let drawn = self.random.word() % self.keys;
        let number = self.number;
        self.number += 1;
        Item {
            number,
            key: if hot { 0 } else { drawn },
            intended_ns,
        }
    }

    /// Sends one message; false when there is no room for it.
    fn send(&mut self, io: &mut Io<'_>, intended_ns: u64) -> bool {
        self.is_full = false;
        // The key decides the lane, and so whether there is room: draw it first, give it back if not.
        let before = (self.random.clone(), self.number);
        let item = self.item(intended_ns);
        let route = if self.keyed {
            Route::Keyed(item.key)
        } else {
            Route::Any
        };
        let Some(page) = io.page_to(self.requests, route) else {
            (self.random, self.number) = before;
            self.is_full = true;
            return false;
        };
        if let Some((_, window)) = self.answers {
            io.token_take(window);
        }
        io.send_to(self.requests, route, Message::new(page, item));
        true
    }
}

impl Stage for Source {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.take_replies(io);
        let now_ns = io.clock_ns();
        // A source without a window has no other end to its run than a cohort.
        for _ in 0..COHORT_MAX {
            if io.draining() {
                break;
            }
            let Some(intended_ns) = self.due(io, now_ns) else {
                break;
            };
            if !self.send(io, intended_ns) {
                break;
            }
            self.has_left();
        }
        Ok(())
    }

    fn timer_ns(&self) -> Option<u64> {
        if self.gap_ns == 0 && self.answers.is_none() {
            // There is always more; while the ring is full, room wakes it.
            return (!self.is_full).then_some(0);
        }
        if self.gap_ns > 0 {
            // What is left of a burst waits for tokens, not for time.
            return (self.left == 0).then_some(self.due_ns);
        }
        self.thinking.front().copied()
    }
}
