//! From telemetry to a profile.

use brigade_model::profile::{
    Bucket, Core, CoreTimes, Edge, FORMAT, Machine, Profile, Replica, Ring, Service, Source, Stage,
    StageTimes, VERSION, Window, littles_law_holds,
};
use brigade_telemetry::{
    CoreInterval, Description, EdgeDescription, EdgeInterval, Histogram, Interval, Snapshot,
    StageInterval, WindowDescription, WindowInterval,
};

use super::Samples;

/// The profile of a run. Nothing is measured here: the same samples give the same profile.
pub fn profile(description: &Description, samples: &Samples, machine: Machine) -> Profile {
    let run = samples.run();
    let mapping = Mapping {
        description,
        samples,
        run: &run,
    };
    Profile {
        format: FORMAT.into(),
        version: VERSION,
        name: description.pipeline.clone(),
        source: Source::Brigade,
        placement: Some(description.placement.clone()),
        recorded_unix_s: None,
        duration_ns: run.length_ns().max(1),
        cohort_messages: description.cohort_messages.max(1),
        machine,
        cores: mapping.cores(),
        stages: mapping.stages(),
        edges: mapping.edges(),
        windows: mapping.windows(),
        load: None,
        linux: None,
    }
}

struct Mapping<'a> {
    description: &'a Description,
    samples: &'a Samples,
    run: &'a Interval,
}

impl Mapping<'_> {
    fn cores(&self) -> Vec<Core> {
        let cores = self.description.cores.iter().zip(&self.run.cores);
        cores.map(|(id, core)| self::core(*id, core)).collect()
    }

    fn stages(&self) -> Vec<Stage> {
        let mut stages: Vec<Stage> = Vec::new();
        let records = self.description.stages.iter().zip(&self.run.stages);
        for (i, (d, s)) in records.enumerate() {
            let replica = self.replica(i, d.core, s);
            match stages.iter_mut().find(|stage| stage.name == d.name) {
                Some(stage) => stage.replicas.push(replica),
                None => stages.push(Stage {
                    name: d.name.clone(),
                    kind: d.kind.clone(),
                    replicable: d.replicable,
                    core_kind: None,
                    batch_messages: d.batch_messages.max(1),
                    replicas: vec![replica],
                }),
            }
        }
        stages
    }

    fn replica(&self, record: usize, core: usize, s: &StageInterval) -> Replica {
        Replica {
            core,
            times: times(s),
            messages_per_s: s.messages_per_s,
            runs_per_s: Some(s.runs_per_s),
            service: s.stage_length_ns.map(|mean_ns| Service {
                mean_ns,
                standard_error_ns: self.samples.standard_error_ns(record),
                histogram: buckets(&s.service),
            }),
            inside_mean_messages: self.inside(record),
            held_mean_sampled_messages: self.samples.held_mean(record),
            stopped: s.stopped,
        }
    }

    /// What a stage took and has not sent on, exact: the difference of the integrals of both
    /// counts. It says something only where each message that is taken makes one that is sent, now
    /// and since the start.
    fn inside(&self, record: usize) -> Option<f64> {
        let (first, last) = self.samples.ends();
        let room = self.room(record);
        let (before, after) = (self.standing(first, record)?, self.standing(last, record)?);
        let possible = |standing: &i64| (0..=room).contains(standing);
        let area = self
            .area(last, record)
            .wrapping_sub(self.area(first, record));
        let mean = area.cast_signed() as f64 / self.run.length_ns().max(1) as f64;
        let plausible =
            possible(&before) && possible(&after) && (0.0..=room as f64).contains(&mean);
        plausible.then_some(mean)
    }

    /// Messages taken less messages sent since the start; none for sources and sinks.
    fn standing(&self, at: &Snapshot, record: usize) -> Option<i64> {
        let taken: Vec<u64> = self.inputs(record, at).map(|t| t.items).collect();
        let sent: Vec<u64> = self.outputs(record, at).map(|t| t.items).collect();
        let sum = |items: &[u64]| items.iter().fold(0, |sum: u64, n| sum.wrapping_add(*n));
        let both = !taken.is_empty() && !sent.is_empty();
        both.then(|| sum(&taken).wrapping_sub(sum(&sent)).cast_signed())
    }

    fn area(&self, at: &Snapshot, record: usize) -> u64 {
        let taken = self.inputs(record, at).map(|t| t.integral_at(at.at_ns));
        let sent = self.outputs(record, at).map(|t| t.integral_at(at.at_ns));
        let taken = taken.fold(0, u64::wrapping_add);
        taken.wrapping_sub(sent.fold(0, u64::wrapping_add))
    }

    /// Full pages that a stage may hold, for all its inputs.
    fn room(&self, record: usize) -> i64 {
        let edges = self.description.edges.iter();
        let inputs = edges.filter(|edge| edge.to_stage == record);
        let room: u64 = inputs.map(|edge| edge.hold).sum();
        i64::try_from(room).unwrap_or(i64::MAX)
    }

    fn inputs<'b>(
        &'b self,
        record: usize,
        at: &'b Snapshot,
    ) -> impl Iterator<Item = brigade_telemetry::Tally> + 'b {
        let edges = self.description.edges.iter().zip(&at.edges);
        let own = edges.filter(move |(d, _)| d.to_stage == record);
        own.map(|(_, figures)| figures.consumer.taken)
    }

    fn outputs<'b>(
        &'b self,
        record: usize,
        at: &'b Snapshot,
    ) -> impl Iterator<Item = brigade_telemetry::Tally> + 'b {
        let edges = self.description.edges.iter().zip(&at.edges);
        let own = edges.filter(move |(d, _)| d.from_stage == record);
        own.map(|(_, figures)| figures.producer.sent)
    }

    fn edges(&self) -> Vec<Edge> {
        let mut edges: Vec<Edge> = Vec::new();
        let records = self.description.edges.iter().zip(&self.run.edges);
        for (i, (d, e)) in records.enumerate() {
            let (from, to) = self.ends(d);
            let ring = self.ring(i, d, e);
            match edges.iter_mut().find(|e| e.from == from && e.to == to) {
                Some(edge) => edge.rings.push(ring),
                None => edges.push(Edge {
                    from,
                    to,
                    capacity_messages: d.capacity.max(1),
                    hold_messages: Some(d.hold),
                    latency_ns: None,
                    rings: vec![ring],
                }),
            }
        }
        edges
    }

    /// `stage.port` of both ends of a lane's edge.
    fn ends(&self, lane: &EdgeDescription) -> (String, String) {
        let stages = &self.description.stages;
        let name = |stage: usize| stages.get(stage).map_or("?", |stage| stage.name.as_str());
        let from = format!("{}.{}", name(lane.from_stage), lane.from_port);
        (from, format!("{}.{}", name(lane.to_stage), lane.to_port))
    }

    /// Which replica of its stage a stage record is.
    fn replica_of(&self, record: usize) -> usize {
        let stage = self.description.stages.get(record);
        stage.map_or(0, |stage| stage.replica)
    }

    fn ring(&self, record: usize, d: &EdgeDescription, e: &EdgeInterval) -> Ring {
        let extremes = self.samples.extremes(record);
        Ring {
            from_replica: self.replica_of(d.from_stage),
            to_replica: self.replica_of(d.to_stage),
            messages_per_s: e.messages_per_s,
            occupancy_mean_messages: e.occupancy_mean,
            occupancy_min_sampled_messages: extremes.map(|(min, _)| min),
            occupancy_max_sampled_messages: extremes.map(|(_, max)| max),
            wait_mean_ns: e.wait_ns_mean,
            full_events_per_s: Some(e.full_events_per_s),
            producer_stock_pages: Some(e.producer_stock),
            consumer_stock_pages: Some(e.consumer_stock),
        }
    }

    fn windows(&self) -> Vec<Window> {
        let records = self.description.windows.iter().zip(&self.run.windows);
        records.filter_map(|(d, w)| self.window(d, w)).collect()
    }

    fn window(&self, d: &WindowDescription, w: &WindowInterval) -> Option<Window> {
        let lane = |lanes: &[usize]| self.description.edges.get(*lanes.first()?);
        let (out, _) = self.ends(lane(&d.output_edges)?);
        let (_, back) = self.ends(lane(&d.input_edges)?);
        let duration_ns = self.run.length_ns();
        // A trip that began long before the run has a latency that the run did not see; then the
        // time of a trip follows from the rate alone.
        let latency = w.latency_ns_mean.filter(|latency_ns| {
            littles_law_holds(
                w.in_flight_mean,
                w.completions_per_s,
                *latency_ns,
                duration_ns,
            )
        });
        Some(Window {
            name: d.name.clone(),
            stage: self.description.stages.get(d.stage)?.name.clone(),
            replica: self.replica_of(d.stage),
            out,
            back,
            tokens: d.tokens.max(1),
            in_flight_mean_tokens: w.in_flight_mean.min(d.tokens as f64),
            completions_per_s: w.completions_per_s,
            misses_per_s: Some(w.misses_per_s),
            latency_mean_ns: latency,
        })
    }
}

fn times(s: &StageInterval) -> StageTimes {
    StageTimes {
        busy_ratio: s.busy_ratio,
        starved_ratio: s.starved_ratio,
        blocked_ratio: s.blocked_ratio,
        ready_ratio: s.ready_ratio,
        awaiting_ratio: s.awaiting_ratio,
    }
}

fn core(id: usize, core: &CoreInterval) -> Core {
    Core {
        id,
        times: CoreTimes {
            busy_ratio: core.busy_ratio,
            polling_ratio: core.polling_ratio,
            idle_ratio: core.idle_ratio,
        },
    }
}

fn buckets(histogram: &Histogram) -> Vec<Bucket> {
    let counted = histogram.counts.iter().enumerate().filter(|(_, n)| **n > 0);
    let bucket = |(b, messages): (usize, &u64)| Bucket {
        up_to_ns: (2_u64 << b) - 1,
        messages: *messages,
    };
    counted.map(bucket).collect()
}
