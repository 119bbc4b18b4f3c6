//! Small networks with known answers.

use brigade_model::network::{
    Edge, Load, Network, PlacedCore, Placement, Route, ServiceTime, Stage, Step, Window,
};
use brigade_model::profile::{Hops, Machine, MachineCore, Waking};
use brigade_model::simulation::{Options, Run, simulate};

/// One time unit of the examples.
pub const UNIT_PS: u64 = 1_000_000;

/// Cores without distance, at no cost for parking.
pub fn machine(cores: usize) -> Machine {
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
        hops: Hops {
            sibling_ns: 0.0,
            last_level_cache_ns: 0.0,
            other_ns: 0.0,
        },
        waking: Waking {
            spin_ns: 1e12,
            wake_ns: 0.0,
            latency_ns: 0.0,
        },
        ..Machine::default()
    }
}

pub fn fixed(units: u64) -> ServiceTime {
    ServiceTime::Deterministic {
        time_ps: units * UNIT_PS,
    }
}

pub fn random(units: f64) -> ServiceTime {
    ServiceTime::Exponential {
        mean_ps: (units * UNIT_PS as f64) as u64,
    }
}

/// A chain of stages with these services, joined by rings of these capacities.
pub fn chain(services: &[ServiceTime], capacities: &[u64], load: Load) -> Network {
    let stage = |i: usize| Stage {
        name: format!("s{i}"),
        replicable: true,
        core_kind: None,
        batch_messages: 1,
        key_shares: Vec::new(),
    };
    let edge = |(i, capacity): (usize, &u64)| Edge {
        name: format!("s{i}.out"),
        from: i,
        to: i + 1,
        capacity_messages: *capacity,
        latency_ps: None,
    };
    let step = |(i, service): (usize, &ServiceTime)| Step {
        stage: i,
        edge: i.checked_sub(1),
        messages: if i == 0 { 0.0 } else { 1.0 },
        service: service.clone(),
        latency_ps: 0,
    };
    Network {
        name: "chain".into(),
        stages: (0..services.len()).map(stage).collect(),
        edges: capacities.iter().enumerate().map(edge).collect(),
        routes: vec![Route {
            share_ratio: 1.0,
            steps: services.iter().enumerate().map(step).collect(),
        }],
        windows: Vec::new(),
        load,
        cohort_messages: 1,
    }
}

/// A chain that leads back to its first stage at no cost, every hop taking `hop` units.
pub fn round(services: &[u64], hop: u64, window: u64) -> Network {
    let fixed: Vec<ServiceTime> = services.iter().map(|units| self::fixed(*units)).collect();
    let capacities = vec![1024; services.len() - 1];
    let mut network = chain(&fixed, &capacities, closed(None));
    let last = services.len() - 1;
    network.edges.push(Edge {
        name: "back".into(),
        from: last,
        to: 0,
        capacity_messages: 1024,
        latency_ps: None,
    });
    network.routes[0].steps.push(Step {
        stage: 0,
        edge: Some(last),
        messages: 1.0,
        service: self::fixed(0),
        latency_ps: 0,
    });
    for edge in &mut network.edges {
        edge.latency_ps = Some(hop * UNIT_PS);
    }
    network.windows.push(Window {
        name: "requests".into(),
        stage: 0,
        out: 0,
        back: last,
        tokens: window,
    });
    network
}

pub fn closed(clients: Option<u64>) -> Load {
    Load::Closed {
        clients,
        think_ps: 0,
    }
}

pub fn thinking(clients: u64, units: u64) -> Load {
    Load::Closed {
        clients: Some(clients),
        think_ps: units * UNIT_PS,
    }
}

pub fn open(per_unit: f64) -> Load {
    Load::Open {
        requests_per_s: per_unit * 1e12 / UNIT_PS as f64,
    }
}

/// Every stage on a core of its own, with so many replicas.
pub fn spread(replicas: &[usize]) -> Placement {
    let stages = replicas.iter().enumerate();
    let stages = stages.flat_map(|(stage, count)| std::iter::repeat_n(stage, *count));
    let core = |(core, stage)| PlacedCore {
        core,
        stages: vec![stage],
    };
    Placement {
        name: "spread".into(),
        cores: stages.enumerate().map(core).collect(),
    }
}

pub fn seed() -> u64 {
    let text = std::env::var("BRIGADE_SEED").ok();
    let seed = text.map_or(1, |text| text.parse().expect("BRIGADE_SEED is a number"));
    println!("BRIGADE_SEED={seed}");
    seed
}

pub fn run(network: &Network, placement: &Placement, requests: u64) -> Run {
    run_with(network, placement, &options(requests))
}

pub fn options(requests: u64) -> Options {
    Options {
        seed: seed(),
        requests,
        warm_up_requests: requests / 10,
        ..Options::default()
    }
}

pub fn run_with(network: &Network, placement: &Placement, options: &Options) -> Run {
    let cores = placement.cores.iter().map(|core| core.core).max();
    simulate(
        network,
        placement,
        &machine(cores.unwrap_or(0) + 1),
        options,
    )
    .expect("it runs")
}

/// Requests for one unit of time.
pub fn per_unit(run: &Run) -> f64 {
    run.requests_per_s * UNIT_PS as f64 / 1e12
}

pub fn close(found: f64, wanted: f64, share: f64) {
    let off = (found - wanted).abs() / wanted;
    assert!(off <= share, "found {found}, wanted {wanted}, off {off}");
}
