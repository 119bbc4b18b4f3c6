//! Events that the simulation handles in a second, on one core:
//!
//! ```sh
//! cargo bench -p brigade-model --bench simulation
//! ```
//! An event is a service that ended, a request that arrived or was held long enough, or a core that
//! began to work again; the steps inside of these are not counted. The median of the runs is
//! printed, with the slowest and the fastest.

use std::time::Instant;

use brigade_model::network::{
    Edge, Load, Network, PlacedCore, Placement, Route, ServiceTime, Stage, Step, Window,
};
use brigade_model::profile::{Machine, MachineCore};
use brigade_model::simulation::{Options, simulate};

const RUNS: usize = 9;
const REQUESTS: u64 = 100_000;

fn main() {
    let web = ["nic", "tcp", "http", "bookstore", "db", "fs", "block"];
    let all: Vec<usize> = (0..web.len()).collect();
    measure("one queue", &one_queue(), &placed(&[&[0]]));
    measure("web, a core each", &there_and_back(&web), &each(web.len()));
    measure(
        "web, two cores",
        &there_and_back(&web),
        &placed(&[&all[..2], &all[2..]]),
    );
    measure("web, fused", &there_and_back(&web), &placed(&[&all]));
}

fn measure(name: &str, network: &Network, placement: &Placement) {
    let machine = machine(8);
    let options = Options {
        seed: 1,
        requests: REQUESTS,
        warm_up_requests: REQUESTS / 10,
        exponential: true,
        ..Options::default()
    };
    let run = |_| {
        let begun = Instant::now();
        match simulate(network, placement, &machine, &options) {
            Ok(run) => run.events as f64 / begun.elapsed().as_secs_f64() / 1e6,
            Err(error) => panic!("{name}: {error}"),
        }
    };
    let mut rates: Vec<f64> = (0..RUNS).map(run).collect();
    rates.sort_by(f64::total_cmp);
    let (median, least, most) = (rates[RUNS / 2], rates[0], rates[RUNS - 1]);
    println!("{name:20} {median:6.2} million events/s ({least:.2} to {most:.2}, {RUNS} runs)");
}

fn one_queue() -> Network {
    let load = Load::Open {
        requests_per_s: 0.8e6,
    };
    network(&["server"], vec![step(0, None, 1_000_000)], load)
}

/// A request goes down the stages and up again, at most 64 at a time.
fn there_and_back(names: &[&str]) -> Network {
    let last = names.len() - 1;
    let down = (1..=last).map(|stage| step(stage, Some(stage - 1), 2_000_000));
    let up = (0..last)
        .rev()
        .map(|stage| step(stage, Some(last + stage), 1_000_000));
    let begin = std::iter::once(step(0, None, 0));
    let load = Load::Closed {
        clients: None,
        think_ps: 0,
    };
    let steps = begin.chain(down).chain(up).collect();
    let mut network = network(names, steps, load);
    network.edges = (0..last).map(|at| edge(at, at + 1)).collect();
    network.edges.extend((0..last).map(|at| edge(at + 1, at)));
    network.windows.push(Window {
        name: "requests".into(),
        stage: 0,
        out: 0,
        back: last,
        tokens: 64,
    });
    network
}

fn network(names: &[&str], steps: Vec<Step>, load: Load) -> Network {
    let stage = |name: &&str| Stage {
        name: (*name).into(),
        replicable: true,
        core_kind: None,
        batch_messages: 1,
        key_shares: Vec::new(),
    };
    Network {
        name: "benchmark".into(),
        stages: names.iter().map(stage).collect(),
        edges: Vec::new(),
        routes: vec![Route {
            share_ratio: 1.0,
            steps,
        }],
        windows: Vec::new(),
        load,
        cohort_messages: 32,
    }
}

fn edge(from: usize, to: usize) -> Edge {
    Edge {
        name: format!("{from}.to_{to}"),
        from,
        to,
        capacity_messages: 256,
        latency_ps: None,
    }
}

fn step(stage: usize, edge: Option<usize>, mean_ps: u64) -> Step {
    Step {
        stage,
        edge,
        messages: 1.0,
        service: ServiceTime::Exponential { mean_ps },
        latency_ps: 0,
    }
}

fn each(stages: usize) -> Placement {
    let stages: Vec<[usize; 1]> = (0..stages).map(|stage| [stage]).collect();
    let cores: Vec<&[usize]> = stages.iter().map(|stage| &stage[..]).collect();
    placed(&cores)
}

fn placed(cores: &[&[usize]]) -> Placement {
    let core = |(core, stages): (usize, &&[usize])| PlacedCore {
        core,
        stages: stages.to_vec(),
    };
    Placement {
        name: "benchmark".into(),
        cores: cores.iter().enumerate().map(core).collect(),
    }
}

fn machine(cores: usize) -> Machine {
    let core = |id| MachineCore {
        id,
        kind: "core".into(),
        speed_ratio: 1.0,
        physical: id,
        last_level_cache: 0,
        package: 0,
    };
    Machine {
        cores: (0..cores).map(core).collect(),
        ..Machine::default()
    }
}
