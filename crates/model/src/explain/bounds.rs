//! What a remedy can bring at most: the utilisation law, and the tokens of the windows.

use super::Gain;
use super::parts::{Loop, loops};
use super::view::{Unit, View};
use crate::words::{percent, plain};

/// The cores' loads, in messages' work per time, and how they change.
pub(super) struct Loads {
    cores: Vec<(usize, f64)>,
}

impl Loads {
    pub fn now(view: &View<'_>) -> Loads {
        let of = |id: usize| (id, view.core_busy(id));
        let unused = view.profile.machine.cores.iter().map(|core| core.id);
        let mut ids: Vec<usize> = view.cores().into_iter().chain(unused).collect();
        ids.sort_unstable();
        ids.dedup();
        Loads {
            cores: ids.into_iter().map(of).collect(),
        }
    }

    pub fn add(&mut self, core: usize, load: f64) {
        for entry in self.cores.iter_mut().filter(|(id, _)| *id == core) {
            entry.1 = (entry.1 + load).max(0.0);
        }
    }

    /// The core with the least load.
    pub fn least(&self) -> Option<usize> {
        let least = self.cores.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        least.map(|(id, _)| *id)
    }

    /// The core with the most load.
    pub fn most(&self) -> (usize, f64) {
        let most = self.cores.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        most.copied().unwrap_or((0, 0.0))
    }
}

/// What limits after a remedy that leaves these loads, when window `freed` limits no more.
pub(super) fn gain(view: &View<'_>, loads: &Loads, freed: Option<usize>) -> Gain {
    let (core, load) = loads.most();
    let mut ratio = 1.0 / load.max(1e-9);
    let mut then = format!(
        "then core {core} limits: {} of it at today's rate",
        percent(load)
    );
    for (i, around) in loops(view).iter().enumerate() {
        let room = room(around);
        if Some(i) != freed && room < ratio {
            let window = &view.profile.windows[i];
            ratio = room;
            then = format!(
                "then window {}.{} limits",
                plain(&window.stage),
                plain(&window.name)
            );
        }
    }
    worded(ratio, &then)
}

fn worded(ratio: f64, then: &str) -> Gain {
    let ratio = ratio.max(1.0);
    let text = match ratio {
        r if r < 1.03 => format!("less than 3 % ({then})"),
        r if r > 100.0 => "not bounded by anything this profile shows".into(),
        r => format!("at most x{r:.2} ({then})"),
    };
    Gain {
        throughput_ratio: None,
        throughput_ratio_max: (ratio <= 100.0).then_some(ratio),
        text,
    }
}

/// How much faster a window's tokens can go round when none of them waits in a queue.
fn room(around: &Loop<'_>) -> f64 {
    let moving = around.in_flight - around.waiting();
    match moving > 0.01 * around.tokens {
        true => around.tokens / moving,
        false => f64::INFINITY,
    }
}

/// The loads when a stage has one more replica on the core with the least load, and that core.
pub(super) fn with_a_replica(view: &View<'_>, unit: Unit) -> (Loads, Option<usize>) {
    let siblings: Vec<Unit> = view.siblings(unit).collect();
    let all: f64 = siblings.iter().map(|unit| view.busy(*unit)).sum();
    let each = all / (siblings.len() + 1) as f64;
    let mut loads = Loads::now(view);
    for sibling in siblings {
        loads.add(view.replica(sibling).core, each - view.busy(sibling));
    }
    let core = loads.least();
    if let Some(core) = core {
        loads.add(core, each);
    }
    (loads, core)
}

/// The loads when a replica has moved to the core with the least load, and that core.
pub(super) fn with_a_move(view: &View<'_>, unit: Unit) -> (Loads, Option<usize>) {
    let mut loads = Loads::now(view);
    loads.add(view.replica(unit).core, -view.busy(unit));
    let own = view.replica(unit).core;
    let core = loads.least().filter(|core| *core != own);
    loads.add(core.unwrap_or(own), view.busy(unit));
    (loads, core)
}

/// The loads when a stage costs nothing: the most that a faster stage can bring.
pub(super) fn without(view: &View<'_>, unit: Unit) -> Loads {
    let mut loads = Loads::now(view);
    for sibling in view.siblings(unit) {
        loads.add(view.replica(sibling).core, -view.busy(sibling));
    }
    loads
}
