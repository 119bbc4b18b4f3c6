//! From a plan to seats that can be taken: banks, rings, ports and telemetry.

use brigade_bank::Bank;
use brigade_stage::Ports;
use brigade_stage::wiring::{EdgeSize, End, join};
use brigade_telemetry::{
    Description, EdgeDescription, Segment, StageDescription, WindowDescription,
};

use crate::accounts::Writers;
use crate::{Plan, RuntimeError};

/// Everything that a pipeline needs before its stages are made.
pub(crate) struct Assembly {
    pub(crate) banks: Vec<Bank>,
    /// By stage.
    pub(crate) ports: Vec<Ports>,
    /// By stage.
    pub(crate) writers: Vec<Writers>,
    pub(crate) segment: Segment,
}

/// The number of a stage in the holder tables; 0 is nobody.
pub(crate) fn holder(stage: usize) -> u16 {
    stage as u16 + 1
}

pub(crate) fn assemble(plan: &Plan) -> Result<Assembly, RuntimeError> {
    let pipeline = &plan.pipeline;
    let mut banks = Vec::new();
    for (index, bank) in pipeline.banks().iter().enumerate() {
        // A bank that no edge uses has no pages; make the smallest, so that indices agree.
        let pages = pipeline.bank_pages(index).max(1);
        banks.push(Bank::new(index as u16 + 1, pages, bank.page_bytes)?);
    }
    let mut ports = ports_of(plan);
    for edge in pipeline.edges() {
        let size = EdgeSize {
            ring: edge.ring,
            hold: edge.hold,
        };
        let (from, to) = two_of(&mut ports, edge.from.stage, edge.to.stage);
        let from = End {
            ports: from,
            port: edge.from.port,
            core: core_slot(plan, edge.from.stage),
        };
        let to = End {
            ports: to,
            port: edge.to.port,
            core: core_slot(plan, edge.to.stage),
        };
        join(&banks[edge.bank], size, from, to)?;
    }
    let mut segment = Segment::create(&description(plan))?;
    let stages = 0..pipeline.stages().len();
    let writers = stages
        .map(|stage| writers_of(plan, &mut segment, stage))
        .collect();
    Ok(Assembly {
        banks,
        ports,
        writers,
        segment,
    })
}

fn ports_of(plan: &Plan) -> Vec<Ports> {
    let pipeline = &plan.pipeline;
    let stages = pipeline.stages().iter().enumerate();
    stages
        .map(|(index, stage)| {
            let windows = pipeline.windows().iter().filter(|w| w.stage == index);
            let tokens: Vec<usize> = windows.map(|w| w.tokens).collect();
            Ports::new(&stage.kind, holder(index), &tokens)
        })
        .collect()
}

/// The ports of two different stages at once. (An edge from a stage to itself is refused when
/// the pipeline is read.)
fn two_of(ports: &mut [Ports], a: usize, b: usize) -> (&mut Ports, &mut Ports) {
    if a < b {
        let (left, right) = ports.split_at_mut(b);
        (&mut left[a], &mut right[0])
    } else {
        let (left, right) = ports.split_at_mut(a);
        (&mut right[0], &mut left[b])
    }
}

/// The index among the placement's cores of the core of `stage`.
pub(crate) fn core_slot(plan: &Plan, stage: usize) -> usize {
    let cores = plan.placement.cores();
    cores
        .iter()
        .position(|core| core.stages.contains(&stage))
        .unwrap_or(0)
}

fn description(plan: &Plan) -> Description {
    let pipeline = &plan.pipeline;
    let stages = pipeline
        .stages()
        .iter()
        .enumerate()
        .map(|(index, stage)| StageDescription {
            name: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            core: plan.placement.cores()[core_slot(plan, index)].core,
        });
    let edges = pipeline.edges().iter().map(|edge| EdgeDescription {
        from_stage: edge.from.stage,
        from_port: pipeline.output(edge).name.clone(),
        to_stage: edge.to.stage,
        to_port: pipeline.input(edge).name.clone(),
        capacity: edge.ring as u64,
        hold: edge.hold as u64,
        bank: pipeline.banks()[edge.bank].name.clone(),
        page_bytes: pipeline.banks()[edge.bank].page_bytes as u64,
    });
    let windows = pipeline.windows().iter().map(|window| WindowDescription {
        stage: window.stage,
        name: pipeline.window_declaration(window).name.clone(),
        tokens: window.tokens as u64,
    });
    Description {
        pipeline: pipeline.name().to_owned(),
        placement: plan.placement.name().to_owned(),
        cores: plan
            .placement
            .cores()
            .iter()
            .map(|core| core.core)
            .collect(),
        stages: stages.collect(),
        edges: edges.collect(),
        windows: windows.collect(),
        counters: plan
            .counters
            .iter()
            .map(|(_, name, _)| name.clone())
            .collect(),
    }
}

fn writers_of(plan: &Plan, segment: &mut Segment, stage: usize) -> Writers {
    let pipeline = &plan.pipeline;
    let declared = &pipeline.stages()[stage];
    let edge_at = |found: Option<usize>| found.unwrap_or(usize::MAX);
    let inputs = declared.kind.inputs().iter();
    let inputs = inputs.map(|port| edge_at(pipeline.edge_of_input(stage, &port.name)));
    let inputs: Vec<usize> = inputs.collect();
    let outputs = declared.kind.outputs().iter();
    let outputs = outputs.map(|port| edge_at(pipeline.edge_of_output(stage, &port.name)));
    let outputs: Vec<usize> = outputs.collect();
    let windows = pipeline
        .windows()
        .iter()
        .enumerate()
        .filter(|(_, w)| w.stage == stage);
    let windows: Vec<usize> = windows.map(|(index, _)| index).collect();
    let counters = plan
        .counters
        .iter()
        .enumerate()
        .filter(|(_, c)| c.0 == declared.name);
    let counters: Vec<_> = counters.map(|(index, c)| (index, c.2.clone())).collect();
    Writers {
        stage: segment.stage(stage),
        inputs: inputs
            .into_iter()
            .map(|edge| segment.consumer(edge))
            .collect(),
        outputs: outputs
            .into_iter()
            .map(|edge| segment.producer(edge))
            .collect(),
        windows: windows
            .into_iter()
            .map(|window| segment.window(window))
            .collect(),
        counters: counters
            .into_iter()
            .map(|(i, total)| (total, segment.counter(i)))
            .collect(),
    }
}
