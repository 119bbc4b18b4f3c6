//! Placements worth considering.

use std::collections::BTreeSet;

use super::grouping::groups;
use super::text::name_of;
use crate::Error;
use crate::network::{Network, PlacedCore, Placement};
use crate::profile::Machine;

/// All assignments are tried when they are no more than this.
const ASSIGNMENTS_MAX: usize = 5_000;
/// All contiguous groupings are tried for pipelines of up to so many stages.
const STAGES_MAX: usize = 12;

/// A group of stages and the number of cores that it shall have.
type Group = (Vec<usize>, usize);

/// All candidates for a machine, each once.
///
/// # Errors
/// [`Error::NoCore`] when a stage is bound to a kind of core that the machine has not.
pub fn candidates(network: &Network, machine: &Machine) -> Result<Vec<Placement>, Error> {
    let site = Site { network, machine };
    site.check()?;
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let named = [fused(network, machine), replicated(network, machine)];
    let grouped = site.groupings().into_iter().filter_map(|g| site.place(&g));
    let assigned = site
        .assignments()
        .into_iter()
        .filter_map(|g| site.place(&g));
    for placement in named.into_iter().flatten().chain(grouped).chain(assigned) {
        let key: Vec<(usize, Vec<usize>)> = placement
            .cores
            .iter()
            .map(|core| (core.core, core.stages.clone()))
            .collect();
        if seen.insert(key) {
            all.push(placement);
        }
    }
    Ok(all)
}

/// All stages on the fastest core that may have them; none when they are bound to several kinds.
pub fn fused(network: &Network, machine: &Machine) -> Option<Placement> {
    let site = Site { network, machine };
    let all = (0..network.stages.len()).collect();
    let mut placement = site.place(&[(all, 1)])?;
    placement.name = "fused".into();
    Some(placement)
}

/// Contiguous groups as equal in number as possible, as `--placement spread` makes them.
pub fn spread(network: &Network, machine: &Machine) -> Option<Placement> {
    let site = Site { network, machine };
    let stages = network.stages.len();
    let count = machine.cores.len().min(stages);
    let begin = |group: usize| (group * stages).div_ceil(count);
    let groups = (0..count).map(|g| ((begin(g)..begin(g + 1)).collect(), 1));
    let mut placement = site.place(&groups.collect::<Vec<Group>>())?;
    placement.name = "spread".into();
    Some(placement)
}

/// Run-to-completion: every stage that may have replicas on every core, the others on the first.
/// None when no stage may, when there is one core, or when a stage is bound to a kind.
pub fn replicated(network: &Network, machine: &Machine) -> Option<Placement> {
    let may = |stage: &usize| network.stages[*stage].replicable;
    let free = network.stages.iter().all(|stage| stage.core_kind.is_none());
    let all: Vec<usize> = (0..network.stages.len()).collect();
    if machine.cores.len() < 2 || !all.iter().any(may) || !free {
        return None;
    }
    let cores = machine.cores.iter().enumerate().map(|(place, core)| {
        let own = all.iter().copied().filter(|stage| place == 0 || may(stage));
        PlacedCore {
            core: core.id,
            stages: own.collect(),
        }
    });
    Some(Placement {
        name: "replicated".into(),
        cores: cores.collect(),
    })
}

struct Site<'a> {
    network: &'a Network,
    machine: &'a Machine,
}

impl Site<'_> {
    fn check(&self) -> Result<(), Error> {
        for stage in &self.network.stages {
            let Some(kind) = &stage.core_kind else {
                continue;
            };
            if !self.machine.cores.iter().any(|core| core.kind == *kind) {
                return Err(Error::NoCore {
                    stage: stage.name.clone(),
                    kind: kind.clone(),
                });
            }
        }
        Ok(())
    }

    /// Busy time of one request at a stage.
    fn work_ps(&self, stage: usize) -> f64 {
        let routes = self.network.routes.iter();
        routes
            .map(|route| {
                let own = route.steps.iter().filter(|step| step.stage == stage);
                route.share_ratio * own.map(|step| step.service.mean_ps()).sum::<f64>()
            })
            .sum()
    }

    /// Contiguous groups, with spare cores given to the groups that may have replicas and have the
    /// most work for a core.
    fn groupings(&self) -> Vec<Vec<Group>> {
        let cores = self.machine.cores.len();
        let works: Vec<f64> = (0..self.network.stages.len())
            .map(|stage| self.work_ps(stage))
            .collect();
        let mut all = Vec::new();
        for cut in self.cuts(&works) {
            let groups: Vec<Group> = cut.into_iter().map(|group| (group, 1)).collect();
            all.push(groups.clone());
            all.extend(self.with_replicas(groups, &works, cores));
        }
        all
    }

    /// The contiguous groupings: all of them, or for long pipelines the best for each number of
    /// groups.
    fn cuts(&self, works: &[f64]) -> Vec<Vec<Vec<usize>>> {
        let (stages, cores) = (works.len(), self.machine.cores.len());
        if stages > STAGES_MAX {
            let counts = 1..=cores.min(stages);
            return counts.map(|count| groups(works, count, 0.0, 0.0)).collect();
        }
        let masks = 0..1_usize << (stages - 1);
        let few = masks.filter(|mask| (mask.count_ones() as usize) < cores);
        few.map(|mask| cut(stages, mask)).collect()
    }

    /// One more core at a time for the group with the most work for a core, while it may have one.
    fn with_replicas(&self, groups: Vec<Group>, works: &[f64], cores: usize) -> Vec<Vec<Group>> {
        let mut all = Vec::new();
        let mut groups = groups;
        let may = |group: &Group| group.0.iter().all(|s| self.network.stages[*s].replicable);
        let load =
            |group: &Group| group.0.iter().map(|stage| works[*stage]).sum::<f64>() / group.1 as f64;
        while groups.iter().map(|group| group.1).sum::<usize>() < cores {
            let able = groups.iter_mut().filter(|group| may(group));
            let Some(most) = able.max_by(|a, b| load(a).total_cmp(&load(b))) else {
                break;
            };
            most.1 += 1;
            all.push(groups.clone());
        }
        all
    }

    /// Every way to put the stages on at most as many cores as there are, up to the cores' names;
    /// nothing when these are too many.
    fn assignments(&self) -> Vec<Vec<Group>> {
        let (stages, cores) = (self.network.stages.len(), self.machine.cores.len());
        let mut all: Vec<Vec<Vec<usize>>> = vec![Vec::new()];
        for stage in 0..stages {
            let mut next = Vec::new();
            for groups in all {
                for place in 0..=groups.len().min(cores - 1) {
                    let mut longer = groups.clone();
                    match longer.get_mut(place) {
                        Some(group) => group.push(stage),
                        None => longer.push(vec![stage]),
                    }
                    next.push(longer);
                }
            }
            if next.len() > ASSIGNMENTS_MAX {
                return Vec::new();
            }
            all = next;
        }
        let ones = |groups: Vec<Vec<usize>>| groups.into_iter().map(|group| (group, 1)).collect();
        all.into_iter().map(ones).collect()
    }

    /// Gives groups their cores: in order where all cores are alike; else the group with the most
    /// work gets the fastest core that it may have. None when there is no core for a group.
    fn place(&self, groups: &[Group]) -> Option<Placement> {
        let mut free: Vec<usize> = (0..self.machine.cores.len()).collect();
        let mut order: Vec<usize> = (0..groups.len()).collect();
        if !self.cores_are_alike() {
            let work = |group: &usize| -> f64 {
                let (stages, cores) = &groups[*group];
                stages.iter().map(|stage| self.work_ps(*stage)).sum::<f64>() / *cores as f64
            };
            // Bound groups choose first.
            let bound = |group: &usize| !self.is_bound(&groups[*group].0);
            order.sort_by(|a, b| bound(a).cmp(&bound(b)).then(work(b).total_cmp(&work(a))));
        }
        let mut placed: Vec<(usize, usize)> = Vec::new();
        for group in order {
            for _ in 0..groups[group].1 {
                let core = self.take_core(&mut free, &groups[group].0)?;
                placed.push((core, group));
            }
        }
        placed.sort_unstable();
        let cores = placed.into_iter().map(|(core, group)| PlacedCore {
            core: self.machine.cores[core].id,
            stages: groups[group].0.clone(),
        });
        let mut placement = Placement {
            name: String::new(),
            cores: cores.collect(),
        };
        placement.name = name_of(self.network, &placement);
        Some(placement)
    }

    fn cores_are_alike(&self) -> bool {
        let first = &self.machine.cores[0];
        let mut cores = self.machine.cores.iter();
        cores.all(|core| core.kind == first.kind && core.speed_ratio == first.speed_ratio)
    }

    fn is_bound(&self, stages: &[usize]) -> bool {
        let mut stages = stages.iter();
        stages.any(|stage| self.network.stages[*stage].core_kind.is_some())
    }

    fn take_core(&self, free: &mut Vec<usize>, stages: &[usize]) -> Option<usize> {
        let may = |core: &usize| {
            let kind = &self.machine.cores[*core].kind;
            let kinds = stages
                .iter()
                .map(|stage| &self.network.stages[*stage].core_kind);
            kinds.flatten().all(|wanted| wanted == kind)
        };
        let speed = |at: &usize| self.machine.cores[free[*at]].speed_ratio;
        let able = (0..free.len()).filter(|at| may(&free[*at]));
        // Of equals the first.
        let at = able.rev().max_by(|a, b| speed(a).total_cmp(&speed(b)))?;
        Some(free.remove(at))
    }
}

/// The groups that `mask` cuts: bit i is a cut behind stage i.
fn cut(stages: usize, mask: usize) -> Vec<Vec<usize>> {
    let mut groups = vec![Vec::new()];
    for stage in 0..stages {
        if let Some(group) = groups.last_mut() {
            group.push(stage);
        }
        if mask >> stage & 1 == 1 {
            groups.push(Vec::new());
        }
    }
    groups
}
