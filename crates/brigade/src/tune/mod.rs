//! `brigade tune`: measure one placement, predict all others from that alone, choose, run the
//! chosen one, and say how wrong the prediction was.
//!
//! ```text
//!  run fused --profile--> plan --chosen, predicted--> run fused and chosen in turn --> outcome
//! ```
//! The prediction is printed before the chosen placement has run. Nothing is fitted to a result.

mod child;
mod error;
mod outcome;

use std::path::PathBuf;

use brigade_model::network::{self, Network};
use brigade_model::plan::{self, Alternative, Plan, PlanOptions};
use brigade_model::profile::{Machine, Profile};
use brigade_model::words::{rate, time};
use brigade_topology::parse_cores;

use crate::cli::TuneArgs;
use crate::plan::{limit, service_error};
use crate::record;
use crate::signals::Stopper;
use child::Runs;
use outcome::{Outcome, Try, median};

pub use error::TuneError;

/// `brigade tune`.
///
/// # Errors
/// When the pipeline cannot be run or recorded; the message says which run failed.
pub fn tune(args: &TuneArgs) -> Result<(), TuneError> {
    // Before anything runs: a busy machine shows longer hops.
    let machine = machine(args)?;
    if machine.cores.len() < 2 {
        return Err(TuneError::OneCore {
            pipeline: args.pipeline.clone(),
        });
    }
    let stopper = Stopper::new().map_err(|_| TuneError::Interrupted)?;
    let folder = Folder::new()?;
    let runs = Runs {
        args,
        stopper: &stopper,
        folder: folder.path.clone(),
    };
    say(
        args,
        &format!("measuring {} fused on one core", args.pipeline),
    );
    let mut profile = runs.profile("fused")?;
    profile.machine = machine.clone();
    let network = Network::from_profile(&profile)?;
    let mut options = PlanOptions::default();
    options.predict.service_error_ratio = service_error(&profile);
    let planned = plan::plan(&network, &machine, &options)?;
    let chosen = planned.best();
    let predicted = ratio(&network, &planned, chosen);
    say(args, &choice(&profile, &network, chosen, predicted));
    let outcome = measure(&runs, &network, &planned, &profile, &options)?;
    if let Some(path) = &args.output {
        let toml = match outcome.recommends_fused() {
            true => fused_toml(&network, &planned, chosen),
            false => plan::placement_toml(&network, &chosen.placement),
        };
        record::write(path, &toml)?;
    }
    let text = match args.json {
        true => outcome.json(),
        false => outcome.text(),
    };
    Ok(record::print(&text)?)
}

/// The machine, with its costs measured now, and only the cores that may be used.
fn machine(args: &TuneArgs) -> Result<Machine, TuneError> {
    let mut machine = record::machine::read(&[])?;
    if let Some(list) = &args.cores {
        let wanted = parse_cores(list)?;
        brigade_topology::Machine::read()?.check(&wanted)?;
        machine.cores.retain(|core| wanted.contains(&core.id));
        // In the order that was asked for.
        let place = |id: usize| wanted.iter().position(|wanted| *wanted == id);
        machine.cores.sort_by_key(|core| place(core.id));
    }
    Ok(machine)
}

/// Progress goes where it does not mix with JSON.
fn say(args: &TuneArgs, text: &str) {
    if args.json {
        eprintln!("brigade: {text}");
    } else {
        println!("brigade: {text}");
    }
}

/// Throughput of an alternative over that of fused, as predicted.
fn ratio(network: &Network, planned: &Plan, alternative: &Alternative) -> f64 {
    let fused = fused_of(network, planned);
    let own = alternative.prediction.requests_per_s.mean;
    own / fused.map_or(own, |fused| fused.prediction.requests_per_s.mean)
}

fn fused_of<'p>(network: &Network, planned: &'p Plan) -> Option<&'p Alternative> {
    let all = network.stages.len();
    let is_fused =
        |a: &&Alternative| a.placement.cores.len() == 1 && a.placement.cores[0].stages.len() == all;
    planned.alternatives.iter().find(is_fused)
}

fn fused_toml(network: &Network, planned: &Plan, chosen: &Alternative) -> String {
    let fused = fused_of(network, planned).unwrap_or(chosen);
    plan::placement_toml(network, &fused.placement)
}

/// Runs other placements, once each.
fn tries(
    runs: &Runs<'_>,
    network: &Network,
    planned: &Plan,
    profile: &Profile,
    options: &PlanOptions,
) -> Result<Vec<Try>, TuneError> {
    let (args, machine) = (runs.args, &profile.machine);
    let others = outcome::others(network, machine, planned.best(), args.tries, args.seed)?;
    let mut tries = Vec::new();
    for (at, placement) in others.iter().enumerate() {
        let name = plan::name_of(network, placement);
        say(args, &format!("try {} of {}: {name}", at + 1, others.len()));
        let predicted = brigade_model::predict(network, placement, machine, &options.predict)?;
        let toml = plan::placement_toml(network, placement);
        let run = runs.profile_of(&toml)?;
        tries.push(Try {
            name,
            predicted_per_s: predicted.requests_per_s.mean,
            measured_per_s: network::requests_per_s(&run),
            toml,
        });
    }
    Ok(tries)
}

/// The best of many single runs is lucky: runs the best two again, in turn with the chosen one, whose
/// new figures come second.
fn best_again(
    runs: &Runs<'_>,
    mut tries: Vec<Try>,
    chosen_toml: &str,
) -> Result<(Vec<Try>, Vec<f64>), TuneError> {
    tries.sort_by(|a, b| b.measured_per_s.total_cmp(&a.measured_per_s));
    let mut chosen = Vec::new();
    let mut best: Vec<Vec<f64>> = vec![Vec::new(); tries.len().min(2)];
    for round in 0..runs
        .args
        .rounds
        .min(if tries.is_empty() { 0 } else { u32::MAX })
    {
        say(runs.args, &format!("the best again, round {}", round + 1));
        chosen.push(network::requests_per_s(&runs.profile_of(chosen_toml)?));
        for (row, figures) in tries.iter().zip(&mut best) {
            figures.push(network::requests_per_s(&runs.profile_of(&row.toml)?));
        }
    }
    for (row, mut figures) in tries.iter_mut().zip(best) {
        figures.push(row.measured_per_s);
        row.measured_per_s = median(&figures);
    }
    Ok((tries, chosen))
}

/// What `--placement spread` would be, for comparison.
fn spread_toml(network: &Network, machine: &Machine) -> Option<String> {
    let spread = plan::spread(network, machine)?;
    Some(plan::placement_toml(network, &spread))
}

fn choice(profile: &Profile, network: &Network, chosen: &Alternative, ratio: f64) -> String {
    let prediction = &chosen.prediction;
    format!(
        "fused: {}\nbrigade: chosen before it has run: {}\nbrigade: predicted {:+.0} %: {} ({} - {}), latency {}, limited by {}",
        rate(network::requests_per_s(profile)),
        plan::name_of(network, &chosen.placement),
        100.0 * (ratio - 1.0),
        rate(prediction.requests_per_s.mean),
        rate(prediction.requests_per_s.low),
        rate(prediction.requests_per_s.high),
        time(Some(prediction.latency_ns.mean)),
        limit(&prediction.limit),
    )
}

/// Runs fused and the chosen placement in turn, then the tries.
fn measure(
    runs: &Runs<'_>,
    network: &Network,
    planned: &Plan,
    profile: &Profile,
    options: &PlanOptions,
) -> Result<Outcome, TuneError> {
    let args = runs.args;
    let chosen = planned.best();
    let fused_toml = fused_toml(network, planned, chosen);
    let chosen_toml = plan::placement_toml(network, &chosen.placement);
    let spread_toml = spread_toml(network, &profile.machine);
    let (mut fused, mut best) = (vec![network::requests_per_s(profile)], Vec::new());
    let mut spread = Vec::new();
    for round in 0..args.rounds {
        say(args, &format!("round {} of {}", round + 1, args.rounds));
        best.push(network::requests_per_s(&runs.profile_of(&chosen_toml)?));
        fused.push(network::requests_per_s(&runs.profile_of(&fused_toml)?));
        if let Some(toml) = spread_toml.as_ref().filter(|toml| **toml != chosen_toml) {
            spread.push(network::requests_per_s(&runs.profile_of(toml)?));
        }
    }
    let tries = tries(runs, network, planned, profile, options)?;
    let (tries, again) = best_again(runs, tries, &chosen_toml)?;
    let all_of_chosen = [best.as_slice(), &again].concat();
    Ok(Outcome {
        pipeline: profile.name.clone(),
        chosen: Try {
            name: plan::name_of(network, &chosen.placement),
            predicted_per_s: chosen.prediction.requests_per_s.mean,
            measured_per_s: median(&all_of_chosen),
            toml: chosen_toml,
        },
        predicted_ratio: ratio(network, planned, chosen),
        fused_per_s: fused,
        chosen_per_s: best,
        spread_per_s: spread,
        tries,
        seed: args.seed,
    })
}

/// A folder for placements that is removed in the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Result<Folder, TuneError> {
        let name = format!("brigade-tune-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(|source| TuneError::File {
            path: path.clone(),
            source,
        })?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a folder of temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
