//! From the machine's cores to the profile's.

use brigade_model::profile::{Cache, Hops, Machine, MachineCore, Waking};
use brigade_topology as topology;
use topology::{CacheKind, Core, CoreKind, Costs};

/// The machine that this process runs on. `used` are the cores that a pipeline is bound to: they
/// are there even if this process may not use them.
pub(crate) fn read(used: &[usize]) -> Result<Machine, topology::Error> {
    let cores = topology::Machine::read()?;
    let costs = topology::costs(&cores);
    Ok(machine(&cores, used, &costs))
}

fn machine(found: &topology::Machine, used: &[usize], costs: &Costs) -> Machine {
    let mut cores: Vec<MachineCore> = found.cores().iter().map(core).collect();
    let hidden = used.iter().filter(|id| found.core(**id).is_none());
    cores.extend(hidden.map(|id| {
        core(&Core {
            id: *id,
            ..Core::default()
        })
    }));
    cores.sort_by_key(|core| core.id);
    Machine {
        processor: topology::processor().unwrap_or_default(),
        cores,
        caches: found.cores().first().map(caches).unwrap_or_default(),
        hops: hops(costs),
        waking: waking(costs),
    }
}

fn core(core: &Core) -> MachineCore {
    MachineCore {
        id: core.id,
        kind: kind(core.kind).into(),
        speed_ratio: core.speed_ratio.unwrap_or(1.0),
        physical: core.siblings.iter().copied().min().unwrap_or(core.id),
        last_level_cache: core.last_level_cache(),
        package: core.package.unwrap_or(0),
    }
}

fn kind(kind: CoreKind) -> &'static str {
    match kind {
        CoreKind::Uniform => "core",
        CoreKind::Performance => "performance",
        CoreKind::Efficient => "efficient",
    }
}

fn caches(core: &Core) -> Vec<Cache> {
    let data = core
        .caches
        .iter()
        .filter(|c| c.kind != CacheKind::Instruction && c.bytes > 0);
    data.map(|cache| Cache {
        level: u32::try_from(cache.level).unwrap_or(u32::MAX),
        size_bytes: cache.bytes as u64,
    })
    .collect()
}

/// Distances that the machine does not have, or that could not be measured, keep common values.
fn hops(costs: &Costs) -> Hops {
    let common = Hops::default();
    Hops {
        sibling_ns: costs.sibling_ns.unwrap_or(common.sibling_ns),
        last_level_cache_ns: costs
            .last_level_cache_ns
            .unwrap_or(common.last_level_cache_ns),
        other_ns: costs.other_ns.unwrap_or(common.other_ns),
    }
}

fn waking(costs: &Costs) -> Waking {
    let common = Waking::default();
    Waking {
        wake_ns: costs.wake_ns.unwrap_or(common.wake_ns),
        latency_ns: costs.wake_latency_ns.unwrap_or(common.latency_ns),
        ..common
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_are_hidden_from_this_process_are_there_and_unmeasured_costs_are_common() {
        let found = topology::Machine::read_from(std::path::Path::new("/nowhere"), &[2, 0]);
        let costs = Costs {
            last_level_cache_ns: Some(99.0),
            wake_ns: Some(1.0),
            ..Costs::default()
        };
        let machine = machine(&found, &[0, 5], &costs);
        let ids: Vec<usize> = machine.cores.iter().map(|core| core.id).collect();
        assert_eq!(ids, [0, 2, 5]);
        let core = &machine.cores[2];
        assert_eq!(
            (core.kind.as_str(), core.speed_ratio, core.physical),
            ("core", 1.0, 5)
        );
        assert_eq!(machine.hops.last_level_cache_ns, 99.0);
        assert_eq!(machine.hops.other_ns, Hops::default().other_ns);
        assert_eq!(machine.waking.wake_ns, 1.0);
        assert_eq!(machine.waking.latency_ns, Waking::default().latency_ns);
        assert_eq!(machine.hop_ns(0, 0), 0.0);
        assert_eq!(machine.hop_ns(0, 5), 99.0);
        assert_eq!(machine.hop_ns(0, 7), machine.hops.other_ns);
    }
}
