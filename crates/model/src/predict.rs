//! What a placement will bring: throughput and latency, each with an interval.
//!
//! The middle is the simulation with service times as they were measured (or with exponential ones,
//! where those are faster). The interval is what the model does not know: its lower end is the slower
//! of the two, its upper end is the bound that no run can beat, and both are widened by what
//! the profile's own means are uncertain.

use crate::Error;
use crate::network::{Load, Network, Placement, crossing_ps};
use crate::profile::Machine;
use crate::simulation::{Options, simulate};

/// Uncertainty of the measured means where the profile does not say: two standard errors of runs
/// on a quiet machine.
const SERVICE_ERROR: f64 = 0.03;

/// A figure and the interval that it should lie in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The lower end.
    pub low: f64,
    /// The middle.
    pub mean: f64,
    /// The upper end.
    pub high: f64,
}

/// What a placement runs into first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// This core has no time left.
    Core {
        /// The core's number.
        core: usize,
    },
    /// One stage, on a core of its own.
    Stage {
        /// The stage's name.
        stage: String,
    },
    /// All tokens of this window are under way.
    Window {
        /// The window's name.
        window: String,
    },
    /// All clients wait for their answers.
    Clients,
    /// What is offered.
    OfferedLoad,
}

/// What a placement will bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Throughput.
    pub requests_per_s: Estimate,
    /// Mean latency of a request.
    pub latency_ns: Estimate,
    /// 99th percentile of the latency.
    pub latency_p99_ns: f64,
    /// What limits it.
    pub limit: Limit,
}

/// The bound that no run of a placement can beat, and what it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Throughput.
    pub requests_per_s: f64,
    /// What it comes from.
    pub limit: Limit,
}

/// How to predict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictOptions {
    /// Where the random numbers begin.
    pub seed: u64,
    /// Requests that are simulated.
    pub requests: u64,
    /// Relative error of the measured service times.
    pub service_error_ratio: f64,
}

impl Default for PredictOptions {
    fn default() -> PredictOptions {
        PredictOptions {
            seed: 1,
            requests: 4_000,
            service_error_ratio: SERVICE_ERROR,
        }
    }
}

/// Predicts what `placement` will bring.
///
/// # Errors
/// As [`simulate`].
pub fn predict(
    network: &Network,
    placement: &Placement,
    machine: &Machine,
    options: &PredictOptions,
) -> Result<Prediction, Error> {
    let bound = bound(network, placement, machine);
    let run = |exponential| {
        let options = Options {
            seed: options.seed,
            requests: options.requests,
            warm_up_requests: options.requests / 4,
            exponential,
            ..Options::default()
        };
        simulate(network, placement, machine, &options)
    };
    let (measured, random) = (run(false)?, run(true)?);
    // Chance can only cost throughput. Where the run with more of it is faster, the other one was
    // locked in step (cohorts, wakes and windows in the same order for ever), which the noise of a
    // real machine dissolves.
    let in_step = random.requests_per_s > measured.requests_per_s;
    let middle = if in_step { &random } else { &measured };
    let error = options.service_error_ratio;
    let x = middle.requests_per_s;
    let latency_ns = middle.latency.mean_ps / 1e3;
    let ends_ns = [&measured, &random].map(|run| run.latency.mean_ps / 1e3);
    Ok(Prediction {
        requests_per_s: Estimate {
            low: random.requests_per_s.min(measured.requests_per_s) * (1.0 - error),
            mean: x,
            high: bound.requests_per_s.max(x) * (1.0 + error),
        },
        latency_ns: Estimate {
            low: ends_ns[0].min(ends_ns[1]) * (1.0 - error),
            mean: latency_ns,
            high: ends_ns[0].max(ends_ns[1]) * (1.0 + error),
        },
        latency_p99_ns: middle.latency.p99_ps as f64 / 1e3,
        limit: bound.limit,
    })
}

/// The asymptotic bounds of a placement: the core with the most work for one request, and each
/// window's tokens over the time of its loop when nobody waits (Denning and Buzen, 1978). Cheap
/// enough for thousands of placements.
pub fn bound(network: &Network, placement: &Placement, machine: &Machine) -> Bound {
    let demands = Demands::new(network, placement, machine);
    let mut best = demands.of_cores(network);
    for window in 0..network.windows.len() {
        best = least(best, demands.of_window(network, window));
    }
    match network.load {
        Load::Open { requests_per_s } => least(
            best,
            Bound {
                requests_per_s,
                limit: Limit::OfferedLoad,
            },
        ),
        Load::Closed {
            clients: Some(clients),
            think_ps,
        } => {
            let round_ps = demands.round_ps + think_ps as f64;
            least(
                best,
                Bound {
                    requests_per_s: clients as f64 * 1e12 / round_ps.max(1.0),
                    limit: Limit::Clients,
                },
            )
        }
        Load::Closed { clients: None, .. } => best,
    }
}

fn least(a: Bound, b: Bound) -> Bound {
    if b.requests_per_s < a.requests_per_s {
        b
    } else {
        a
    }
}

/// Times of one request under a placement, in picoseconds.
struct Demands {
    /// For each placed core: its number and the time of one request on it.
    cores: Vec<(usize, f64)>,
    /// The stages on each placed core.
    stages: Vec<Vec<usize>>,
    /// For each route and step: busy time, held time and hop.
    steps: Vec<Vec<f64>>,
    round_ps: f64,
}

impl Demands {
    fn new(network: &Network, placement: &Placement, machine: &Machine) -> Demands {
        let cores = placement.cores.iter().map(|core| (core.core, 0.0));
        let mut demands = Demands {
            cores: cores.collect(),
            stages: placement.cores.iter().map(|c| c.stages.clone()).collect(),
            steps: Vec::new(),
            round_ps: 0.0,
        };
        for route in &network.routes {
            let mut times = Vec::new();
            for (at, step) in route.steps.iter().enumerate() {
                let before = at.checked_sub(1).map(|before| route.steps[before].stage);
                let time = demands.add(network, machine, step, before, route.share_ratio);
                times.push(time);
            }
            demands.round_ps += route.share_ratio * times.iter().sum::<f64>();
            demands.steps.push(times);
        }
        demands
    }

    /// Adds a step's work to the cores of its stage, evenly; gives the time it takes a request.
    fn add(
        &mut self,
        network: &Network,
        machine: &Machine,
        step: &crate::network::Step,
        before: Option<usize>,
        share: f64,
    ) -> f64 {
        let on: Vec<usize> = self.cores_of(step.stage);
        let from: Vec<usize> = before.map_or(Vec::new(), |stage| self.cores_of(stage));
        let hop_ns = self.mean_hop_ns(machine, &from, &on);
        let (receive_ps, send_ps) = crossing_ps(hop_ns);
        let busy_ps = step.service.mean_ps();
        let shares = &network.stages[step.stage].key_shares;
        for (replica, core) in on.iter().enumerate() {
            let even = 1.0 / on.len() as f64;
            let part = shares.get(replica).copied().unwrap_or(even);
            let speed = speed(machine, self.cores[*core].0);
            let work = busy_ps + receive_ps * step.messages;
            self.cores[*core].1 += share * part.max(even) * work / speed;
        }
        for core in &from {
            self.cores[*core].1 += share * send_ps * step.messages / from.len() as f64;
        }
        let known_ps = step.edge.and_then(|edge| network.edges[edge].latency_ps);
        busy_ps + step.latency_ps as f64 + known_ps.map_or(hop_ns * 1e3, |ps| ps as f64)
    }

    fn cores_of(&self, stage: usize) -> Vec<usize> {
        let cores = self.stages.iter().enumerate();
        let mut on = cores.filter(|(_, stages)| stages.contains(&stage));
        let mut found = Vec::new();
        found.extend(on.by_ref().map(|(core, _)| core));
        found
    }

    fn mean_hop_ns(&self, machine: &Machine, from: &[usize], to: &[usize]) -> f64 {
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
        let hops: Vec<f64> = pairs
            .map(|(a, b)| machine.hop_ns(self.cores[a].0, self.cores[b].0))
            .collect();
        hops.iter().sum::<f64>() / hops.len().max(1) as f64
    }

    fn of_cores(&self, network: &Network) -> Bound {
        let most = self.cores.iter().enumerate();
        let most = most.max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let Some((place, (core, ps))) = most else {
            return Bound {
                requests_per_s: 0.0,
                limit: Limit::OfferedLoad,
            };
        };
        let limit = match self.stages[place].as_slice() {
            [stage] => Limit::Stage {
                stage: network.stages[*stage].name.clone(),
            },
            _ => Limit::Core { core: *core },
        };
        Bound {
            requests_per_s: 1e12 / ps.max(1.0),
            limit,
        }
    }

    /// A window's tokens over the time from leaving to coming back.
    fn of_window(&self, network: &Network, index: usize) -> Bound {
        let window = &network.windows[index];
        let replicas = self.cores_of(window.stage).len().max(1) as f64;
        let mut loop_ps = 0.0;
        for (route, times) in network.routes.iter().zip(&self.steps) {
            let over = |edge| route.steps.iter().position(|s| s.edge == Some(edge));
            let (Some(out), Some(back)) = (over(window.out), over(window.back)) else {
                continue;
            };
            // The work after coming back is not in the loop; the hop there is little.
            let inside = times.get(out..back).unwrap_or_default();
            loop_ps += route.share_ratio * inside.iter().sum::<f64>();
        }
        Bound {
            requests_per_s: window.tokens as f64 * replicas * 1e12 / loop_ps.max(1.0),
            limit: Limit::Window {
                window: format!("{}.{}", network.stages[window.stage].name, window.name),
            },
        }
    }
}

fn speed(machine: &Machine, core: usize) -> f64 {
    let found = machine.cores.iter().find(|known| known.id == core);
    found.map_or(1.0, |core| core.speed_ratio.max(1e-3))
}
