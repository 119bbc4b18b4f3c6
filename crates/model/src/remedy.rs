//! What a remedy would bring: the pipeline as it was measured, and with the remedy, both simulated.

use crate::explain::Change;
use crate::network::{Network, PlacedCore, Placement};
use crate::predict::{PredictOptions, predict};
use crate::profile::Profile;

impl Placement {
    /// The placement that a profile was measured in.
    pub fn of_profile(profile: &Profile) -> Placement {
        let cores = profile.cores.iter().map(|core| {
            let here = |stage: &crate::profile::Stage| {
                stage.replicas.iter().any(|replica| replica.core == core.id)
            };
            let stages = profile.stages.iter().enumerate();
            let own = stages.filter(|(_, stage)| here(stage));
            PlacedCore {
                core: core.id,
                stages: own.map(|(index, _)| index).collect(),
            }
        });
        Placement {
            name: profile.placement.clone().unwrap_or_default(),
            cores: cores.filter(|core| !core.stages.is_empty()).collect(),
        }
    }
}

/// Throughput with the change over throughput now, both simulated; none where the profile does not
/// make a network, or the change does not fit it.
pub fn gain(profile: &Profile, change: &Change) -> Option<f64> {
    gain_with(profile, change, &PredictOptions::default())
}

/// The same, with options for the simulation.
pub fn gain_with(profile: &Profile, change: &Change, options: &PredictOptions) -> Option<f64> {
    let network = Network::from_profile(profile).ok()?;
    let placement = Placement::of_profile(profile);
    let throughput = |network: &Network, placement: &Placement| {
        let prediction = predict(network, placement, &profile.machine, options).ok()?;
        Some(prediction.requests_per_s.mean)
    };
    let now = throughput(&network, &placement)?;
    let (network, placement) = changed(network, placement, change)?;
    let then = throughput(&network, &placement)?;
    (now > 0.0).then(|| then / now)
}

fn changed(
    mut network: Network,
    mut placement: Placement,
    change: &Change,
) -> Option<(Network, Placement)> {
    let index = |name: &str| network.stages.iter().position(|stage| stage.name == *name);
    match change {
        Change::Replicate { stage, core } => add(&mut placement, index(stage)?, *core)?,
        Change::Move {
            stage,
            replica,
            core,
        } => {
            let stage = index(stage)?;
            let mut own = placement.cores.iter_mut();
            let own = own.by_ref().filter(|placed| placed.stages.contains(&stage));
            own.into_iter()
                .nth(*replica)?
                .stages
                .retain(|other| *other != stage);
            add(&mut placement, stage, *core)?;
            placement.cores.retain(|placed| !placed.stages.is_empty());
        }
        Change::Tokens {
            stage,
            window,
            tokens,
        } => {
            let stage = index(stage)?;
            let mut windows = network.windows.iter_mut();
            let found = windows.find(|own| own.stage == stage && own.name == *window)?;
            found.tokens = *tokens;
        }
    }
    Some((network, placement))
}

/// Puts a stage on a core, in data order; none when it is there already.
fn add(placement: &mut Placement, stage: usize, core: usize) -> Option<()> {
    let placed = placement
        .cores
        .iter()
        .position(|placed| placed.core == core);
    let at = placed.unwrap_or_else(|| {
        let stages = Vec::new();
        placement.cores.push(PlacedCore { core, stages });
        placement.cores.len() - 1
    });
    let stages = &mut placement.cores[at].stages;
    if stages.contains(&stage) {
        return None;
    }
    stages.push(stage);
    stages.sort_unstable();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &str = include_str!("../profiles/window.json");

    fn profile() -> Profile {
        Profile::parse(WINDOW, "window.json").expect("the example is right")
    }

    #[test]
    fn twice_the_tokens_of_a_window_that_limits_are_nearly_twice_the_throughput() {
        let change = Change::Tokens {
            stage: "shop".into(),
            window: "disk".into(),
            tokens: 8,
        };
        let gain = gain(&profile(), &change).unwrap();
        assert!((1.7..2.1).contains(&gain), "{gain}");
    }

    #[test]
    fn moving_a_stage_that_waits_brings_nothing_and_what_does_not_fit_is_unknown() {
        let to = |stage: &str, core| Change::Move {
            stage: stage.into(),
            replica: 0,
            core,
        };
        let same = gain(&profile(), &to("disk", 0)).unwrap();
        assert!((0.9..1.1).contains(&same), "{same}");
        assert_eq!(gain(&profile(), &to("nobody", 0)), None);
        assert_eq!(
            gain(&profile(), &to("disk", 1)).map(|gain| gain > 0.0),
            Some(true)
        );
    }
}
