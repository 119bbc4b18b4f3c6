//! `brigade plan`: from a profile to the best placement, with what it will bring.
//!
//! ```text
//!  profile --> model::network --> model::plan --> table, curve, JSON, placement file
//!  machine --------------------------^
//! ```

mod json;
mod table;

use std::fs;
use std::path::Path;

use brigade_model::network::Network;
use brigade_model::plan::{self, Objective, Plan, PlanOptions};
use brigade_model::profile::{Machine, Profile, Source};

use crate::cli::{Goal, PlanArgs};
use crate::record::{self, RecordError};

pub(crate) use table::{Row, limit, table};

/// `brigade plan`.
///
/// # Errors
/// When the profile or the machine is wrong, or a file cannot be written.
pub fn plan(args: &PlanArgs) -> Result<(), RecordError> {
    let profile = record::read(&args.profile)?;
    if profile.source == Source::Linux {
        return Err(RecordError::LinuxPlan {
            path: args.profile.clone(),
        });
    }
    let machine = match &args.machine {
        Some(path) => machine(path)?,
        None => profile.machine.clone(),
    };
    let machine = match args.cores {
        Some(cores) => plan::extended(&machine, cores),
        None => machine,
    };
    let network = Network::from_profile(&profile)?;
    let options = options(args, &profile);
    let found = plan::plan(&network, &machine, &options)?;
    let curve = match args.json || args.curve || args.svg.is_some() {
        true => plan::curve(&network, &machine, &options.predict)?,
        false => Vec::new(),
    };
    if let Some(path) = &args.output {
        let text = plan::placement_toml(&network, &found.best().placement);
        record::write(path, &text)?;
    }
    if let Some(path) = &args.svg {
        let title = format!("{}: predicted requests per second", profile.name);
        record::write(path, &plan::curve_svg(&curve, &title))?;
    }
    let text = match args.json {
        true => json::json(&network, &found, &curve),
        false => text(args, &profile, &machine, &network, &found, &curve),
    };
    record::print(&text)
}

fn options(args: &PlanArgs, profile: &Profile) -> PlanOptions {
    let mut options = PlanOptions {
        objective: args.objective.into(),
        ..PlanOptions::default()
    };
    options.predict.service_error_ratio = service_error(profile);
    options.predict.seed = args.seed;
    options
}

/// Two standard errors of the busy time of one request, of all stages together.
pub(crate) fn service_error(profile: &Profile) -> f64 {
    let (mut busy, mut variance) = (0.0, 0.0);
    for replica in profile.stages.iter().flat_map(|stage| &stage.replicas) {
        let Some(service) = &replica.service else {
            continue;
        };
        let error = service.standard_error_ns.unwrap_or(0.03 * service.mean_ns);
        let scale = replica.messages_per_s / 1e9;
        busy += service.mean_ns * scale;
        variance += (error * scale).powi(2);
    }
    if busy > 0.0 {
        (2.0 * variance.sqrt() / busy).clamp(0.01, 0.5)
    } else {
        0.03
    }
}

fn machine(path: &Path) -> Result<Machine, RecordError> {
    let text = fs::read_to_string(path).map_err(|source| RecordError::File {
        path: path.into(),
        source,
    })?;
    Ok(Machine::parse(&text, &path.display().to_string())?)
}

fn text(
    args: &PlanArgs,
    profile: &Profile,
    machine: &Machine,
    network: &Network,
    found: &Plan,
    curve: &[plan::CurvePoint],
) -> String {
    let best = found.best();
    let mut text = format!(
        "{}: the best placement for {} on {} cores (of {} considered)\n\n",
        profile.name,
        args.objective.name(),
        machine.cores.len(),
        found.considered,
    );
    let rows = found.alternatives.iter().map(|alternative| Row {
        name: plan::name_of(network, &alternative.placement),
        note: note(alternative, best, profile),
        prediction: &alternative.prediction,
    });
    text += &table(&rows.collect::<Vec<_>>());
    if args
        .cores
        .is_some_and(|cores| cores > profile.machine.cores.len())
        && args.machine.is_none()
    {
        text += "\nCores beyond the profile's machine are taken to be copies of its own.\n";
    }
    if !curve.is_empty() {
        text +=
            "\nThe best placement for each number of cores (copies of the machine's cores):\n\n";
        text += &plan::curve_text(curve, network);
    }
    if let Some(path) = &args.output {
        text += &format!(
            "\nThe best one is in {path}: brigade run --placement {path}\n",
            path = path.display()
        );
    }
    text
}

fn note(row: &plan::Alternative, best: &plan::Alternative, profile: &Profile) -> String {
    let mut notes: Vec<&str> = Vec::new();
    if row.placement == best.placement {
        notes.push("best");
    }
    if ["fused", "spread", "replicated"].contains(&row.placement.name.as_str()) {
        notes.push(&row.placement.name);
    }
    if profile.placement.as_deref() == Some(&row.placement.name) {
        notes.push("measured");
    }
    notes.join(", ")
}

impl From<Goal> for Objective {
    fn from(goal: Goal) -> Objective {
        match goal {
            Goal::Throughput => Objective::Throughput,
            Goal::Latency => Objective::Latency,
            Goal::Cores => Objective::Cores,
        }
    }
}
