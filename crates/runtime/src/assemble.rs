//! From a plan to seats that can be taken: banks, rings, ports and telemetry.

use brigade_bank::Bank;
use brigade_graph::{Edge, Pipeline, SeatPlacement, Window};
use brigade_stage::Ports;
use brigade_stage::wiring::{EdgeSize, End, join};
use brigade_telemetry::{
    Description, EdgeDescription, Segment, StageDescription, WindowDescription,
};

use crate::accounts::Writers;
use crate::{Plan, RuntimeError};

/// Everything that a pipeline needs before its stages are made. A *seat* is a stage in its place
/// on a core: one replica of it.
pub(crate) struct Assembly {
    pub(crate) banks: Vec<Bank>,
    /// All replicas, by stage; the other lists are in the same order.
    pub(crate) seats: Vec<SeatPlacement>,
    pub(crate) ports: Vec<Ports>,
    pub(crate) writers: Vec<Writers>,
    pub(crate) segment: Segment,
}

/// One lane of an edge: the seats that it joins.
struct Lane<'a> {
    edge: &'a Edge,
    from: usize,
    to: usize,
}

/// The number of a seat in the holder tables; 0 is nobody.
pub(crate) fn holder(seat: usize) -> u16 {
    seat as u16 + 1
}

/// The name of a seat: that of its stage, with the replica's number where there are several.
pub(crate) fn seat_name(pipeline: &Pipeline, seat: &SeatPlacement) -> String {
    let name = &pipeline.stages()[seat.stage].name;
    match seat.replicas {
        1 => name.clone(),
        _ => format!("{name}/{}", seat.replica),
    }
}

pub(crate) fn assemble(plan: &Plan) -> Result<Assembly, RuntimeError> {
    let pipeline = &plan.pipeline;
    plan.placement.check(pipeline)?;
    let seats = plan.placement.seats();
    if seats.len() >= usize::from(u16::MAX) {
        return Err(RuntimeError::TooManyReplicas { seats: seats.len() });
    }
    let banks = banks_of(plan)?;
    let mut ports = ports_of(plan, &seats);
    let lanes = lanes_of(pipeline, &seats);
    for lane in &lanes {
        let edge = lane.edge;
        let size = EdgeSize {
            ring: edge.ring,
            hold: edge.hold,
        };
        let (from, to) = two_of(&mut ports, lane.from, lane.to);
        let from = End {
            ports: from,
            port: edge.from.port,
            core: seats[lane.from].slot,
        };
        let to = End {
            ports: to,
            port: edge.to.port,
            core: seats[lane.to].slot,
        };
        join(&banks[edge.bank], size, from, to)?;
    }
    let mut segment = Segment::create(&description(plan, &seats, &lanes))?;
    let writers = (0..seats.len())
        .map(|seat| writers_of(plan, &mut segment, &seats, &lanes, seat))
        .collect();
    Ok(Assembly {
        banks,
        seats,
        ports,
        writers,
        segment,
    })
}

fn banks_of(plan: &Plan) -> Result<Vec<Bank>, RuntimeError> {
    let banks = plan.pipeline.banks().iter().enumerate();
    let banks = banks.map(|(index, bank)| {
        // A bank that no edge uses has no pages; make the smallest, so that indices agree.
        let pages = plan.pipeline.bank_pages_placed(index, &plan.placement);
        Ok(Bank::new(index as u16 + 1, pages.max(1), bank.page_bytes)?)
    });
    banks.collect()
}

fn ports_of(plan: &Plan, seats: &[SeatPlacement]) -> Vec<Ports> {
    let pipeline = &plan.pipeline;
    let seats = seats.iter().enumerate();
    seats
        .map(|(index, seat)| {
            let windows = pipeline.windows().iter().filter(|w| w.stage == seat.stage);
            let tokens: Vec<usize> = windows.map(|w| w.tokens).collect();
            Ports::new(&pipeline.stages()[seat.stage].kind, holder(index), &tokens)
        })
        .collect()
}

/// The lanes of all edges: each replica of the producer with each of the consumer. By edge, then
/// by producer, so that lane n of every port belongs to replica n on the other side.
fn lanes_of<'a>(pipeline: &'a Pipeline, seats: &[SeatPlacement]) -> Vec<Lane<'a>> {
    let of = |stage: usize| {
        let seats = seats.iter().enumerate();
        seats.filter(move |(_, s)| s.stage == stage).map(|(i, _)| i)
    };
    let mut lanes = Vec::new();
    for edge in pipeline.edges() {
        for from in of(edge.from.stage) {
            lanes.extend(of(edge.to.stage).map(|to| Lane { edge, from, to }));
        }
    }
    lanes
}

/// The ports of two different seats at once. (An edge from a stage to itself is refused when
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

/// Indices of the lanes at output `port` of `seat`.
fn lanes_out(lanes: &[Lane<'_>], seat: usize, port: usize) -> Vec<usize> {
    let lanes = lanes.iter().enumerate();
    let lanes = lanes.filter(|(_, lane)| lane.from == seat && lane.edge.from.port == port);
    lanes.map(|(index, _)| index).collect()
}

/// Indices of the lanes at input `port` of `seat`.
fn lanes_in(lanes: &[Lane<'_>], seat: usize, port: usize) -> Vec<usize> {
    let lanes = lanes.iter().enumerate();
    let lanes = lanes.filter(|(_, lane)| lane.to == seat && lane.edge.to.port == port);
    lanes.map(|(index, _)| index).collect()
}

/// The windows of all seats: the seat, and the window in the pipeline.
fn windows_of<'a>(
    pipeline: &'a Pipeline,
    seats: &'a [SeatPlacement],
) -> impl Iterator<Item = (usize, &'a Window)> {
    seats.iter().enumerate().flat_map(|(index, seat)| {
        let windows = pipeline.windows().iter().filter(|w| w.stage == seat.stage);
        windows.map(move |window| (index, window))
    })
}

fn description(plan: &Plan, seats: &[SeatPlacement], lanes: &[Lane<'_>]) -> Description {
    let cores = plan.placement.cores().iter();
    let pipeline = &plan.pipeline;
    Description {
        pipeline: pipeline.name().to_owned(),
        placement: plan.placement.name().to_owned(),
        cohort_messages: plan.cohort as u64,
        cores: cores.map(|core| core.core).collect(),
        stages: seats.iter().map(|seat| stage_of(plan, seat)).collect(),
        edges: lanes.iter().map(|lane| edge_of(pipeline, lane)).collect(),
        windows: windows_of(pipeline, seats)
            .map(|(seat, window)| window_of(pipeline, lanes, seat, window))
            .collect(),
        counters: plan
            .counters
            .iter()
            .map(|(_, name, _)| name.clone())
            .collect(),
    }
}

fn stage_of(plan: &Plan, seat: &SeatPlacement) -> StageDescription {
    let stage = &plan.pipeline.stages()[seat.stage];
    StageDescription {
        name: stage.name.clone(),
        kind: stage.kind.name().to_owned(),
        core: plan.placement.cores()[seat.slot].core,
        replica: seat.replica,
        replicas: seat.replicas,
        replicable: stage.kind.is_replicable(),
        batch_messages: batch_messages(stage),
    }
}

fn edge_of(pipeline: &Pipeline, lane: &Lane<'_>) -> EdgeDescription {
    let edge = lane.edge;
    EdgeDescription {
        from_stage: lane.from,
        from_port: pipeline.output(edge).name.clone(),
        to_stage: lane.to,
        to_port: pipeline.input(edge).name.clone(),
        capacity: edge.ring as u64,
        hold: edge.hold as u64,
        bank: pipeline.banks()[edge.bank].name.clone(),
        page_bytes: pipeline.banks()[edge.bank].page_bytes as u64,
    }
}

fn window_of(
    pipeline: &Pipeline,
    lanes: &[Lane<'_>],
    seat: usize,
    window: &Window,
) -> WindowDescription {
    let declaration = pipeline.window_declaration(window);
    let kind = &pipeline.stages()[window.stage].kind;
    let output = kind
        .outputs()
        .iter()
        .position(|p| p.name == declaration.output);
    let input = kind
        .inputs()
        .iter()
        .position(|p| p.name == declaration.input);
    WindowDescription {
        stage: seat,
        name: declaration.name.clone(),
        tokens: window.tokens as u64,
        output_edges: output.map_or_else(Vec::new, |port| lanes_out(lanes, seat, port)),
        input_edges: input.map_or_else(Vec::new, |port| lanes_in(lanes, seat, port)),
    }
}

fn writers_of(
    plan: &Plan,
    segment: &mut Segment,
    seats: &[SeatPlacement],
    lanes: &[Lane<'_>],
    seat: usize,
) -> Writers {
    let declared = &plan.pipeline.stages()[seats[seat].stage];
    let inputs = 0..declared.kind.inputs().len();
    let inputs = inputs.map(|port| lanes_in(lanes, seat, port).into_iter());
    let inputs = inputs.map(|lanes| lanes.map(|lane| segment.consumer(lane)).collect());
    let inputs = inputs.collect();
    let outputs = 0..declared.kind.outputs().len();
    let outputs = outputs.map(|port| lanes_out(lanes, seat, port).into_iter());
    let outputs = outputs.map(|lanes| lanes.map(|lane| segment.producer(lane)).collect());
    let outputs = outputs.collect();
    let windows = windows_of(&plan.pipeline, seats).enumerate();
    let windows = windows.filter(|(_, (at, _))| *at == seat);
    let windows = windows.map(|(index, _)| segment.window(index)).collect();
    // A counter counts for the whole stage, so one of its replicas publishes it.
    let counters = plan.counters.iter().enumerate();
    let counters = counters.filter(|(_, c)| c.0 == declared.name && seats[seat].replica == 0);
    let counters = counters.map(|(index, c)| (c.2.clone(), segment.counter(index)));
    let counters = counters.collect();
    Writers {
        stage: segment.stage(seat),
        inputs,
        outputs,
        windows,
        counters,
    }
}

/// What the stage's options, or its kind's defaults, say that it collects.
fn batch_messages(stage: &brigade_graph::Stage) -> u64 {
    let Some(name) = stage.kind.batch() else {
        return 1;
    };
    let declared = stage
        .kind
        .options()
        .iter()
        .find(|option| option.name == name);
    let value = stage
        .options
        .get(name)
        .or(declared.map(|option| &option.default));
    match value {
        Some(brigade_stage::OptionValue::Integer(batch)) => u64::try_from(*batch).unwrap_or(1),
        _ => 1,
    }
}
