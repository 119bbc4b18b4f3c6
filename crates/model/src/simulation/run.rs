//! What a simulation came to.

use super::engine::Engine;
use super::wiring::{self, CoreState};

/// Batches whose means tell how far a mean is off: long enough to be nearly independent, many
/// enough to tell (Schmeiser, Operations Research 30, 1982).
pub const BATCHES: usize = 20;

/// What a simulation came to. Indices are those of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Simulated time that was counted.
    pub elapsed_ps: u64,
    /// Requests completed in it.
    pub completed: u64,
    /// Requests of an open load that found no place to wait.
    pub lost: u64,
    /// Throughput.
    pub requests_per_s: f64,
    /// Its standard error, by the means of [`BATCHES`] batches of requests.
    pub requests_per_s_standard_error: f64,
    /// From a request's begin to its end.
    pub latency: Percentiles,
    /// Each replica of each stage.
    pub seats: Vec<SeatRun>,
    /// The cores.
    pub cores: Vec<CoreRun>,
    /// The rings of all edges.
    pub rings: Vec<RingRun>,
    /// The windows, one entry for each replica of their stage.
    pub windows: Vec<WindowRun>,
    /// Services, arrivals, ends of being held, and wake-ups that were simulated.
    pub events: u64,
}

/// A distribution of times in picoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentiles {
    /// Mean.
    pub mean_ps: f64,
    /// Median.
    pub p50_ps: u64,
    /// 90th percentile.
    pub p90_ps: u64,
    /// 99th percentile.
    pub p99_ps: u64,
    /// Standard error of the mean, by the means of [`BATCHES`] batches of requests.
    pub standard_error_ps: f64,
}

/// One replica of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct SeatRun {
    /// The stage.
    pub stage: usize,
    /// The replica.
    pub replica: usize,
    /// The core's number.
    pub core: usize,
    /// Shares of the time: starved, busy, blocked, ready, awaiting.
    pub ratios: [f64; 5],
    /// Requests served.
    pub jobs: u64,
    /// Messages taken.
    pub messages: f64,
    /// Time that it worked.
    pub busy_ps: u64,
    /// Mean number of messages that it held without the core.
    pub held_mean: f64,
}

/// One core.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreRun {
    /// Its number.
    pub core: usize,
    /// Share of the time in which it worked.
    pub busy_ratio: f64,
    /// Share in which it looked at empty rings.
    pub polling_ratio: f64,
    /// Share in which it was parked.
    pub idle_ratio: f64,
    /// Visits at whose end it woke others, per second.
    pub wakes_per_s: f64,
}

/// One ring.
#[derive(Debug, Clone, PartialEq)]
pub struct RingRun {
    /// The edge.
    pub edge: usize,
    /// The producing replica.
    pub from_replica: usize,
    /// The consuming replica.
    pub to_replica: usize,
    /// Requests that passed.
    pub passed: u64,
    /// Mean number of requests that wait in it; those that are on the hop to it do not yet.
    pub occupancy_mean: f64,
    /// Most and least.
    pub occupancy_max: u64,
    /// Least.
    pub occupancy_min: u64,
    /// Mean wait of a request.
    pub wait_ps_mean: f64,
}

/// A replica's window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRun {
    /// The window.
    pub window: usize,
    /// The replica.
    pub replica: usize,
    /// Mean number of tokens under way.
    pub in_flight_mean: f64,
    /// Trips.
    pub trips: u64,
    /// Mean time of a trip.
    pub latency_ps_mean: f64,
}

pub(super) fn of(mut engine: Engine<'_>) -> Run {
    let (now_ps, from_ps) = (engine.now_ps, engine.from_ps);
    let elapsed_ps = (now_ps - from_ps).max(1);
    let completed = engine.latencies_ps.len() as u64;
    let per_s = 1e12 / elapsed_ps as f64;
    let spin_ps = engine.spin_ps;
    let parked_now = |core: &wiring::Core| match core.state {
        CoreState::Idle(since_ps) => now_ps.saturating_sub((since_ps + spin_ps).max(from_ps)),
        CoreState::Working => 0,
    };
    let cores = engine.wiring.cores.iter().map(|core| {
        let busy = (core.busy_ps as f64 / elapsed_ps as f64).min(1.0);
        let parked = core.parked_ps + parked_now(core);
        let idle = (parked as f64 / elapsed_ps as f64).min(1.0 - busy);
        CoreRun {
            core: core.id,
            busy_ratio: busy,
            polling_ratio: (1.0 - busy - idle).max(0.0),
            idle_ratio: idle,
            wakes_per_s: core.wakes as f64 * per_s,
        }
    });
    let cores = cores.collect();
    Run {
        elapsed_ps,
        completed,
        lost: engine.lost,
        requests_per_s: completed as f64 * per_s,
        requests_per_s_standard_error: rate_error(&engine),
        latency: percentiles(&mut engine.latencies_ps),
        cores,
        seats: seats(&mut engine, now_ps, elapsed_ps),
        rings: rings(&mut engine, now_ps, elapsed_ps),
        windows: windows(&mut engine, now_ps, elapsed_ps),
        events: engine.events,
    }
}

fn seats(engine: &mut Engine<'_>, now_ps: u64, elapsed_ps: u64) -> Vec<SeatRun> {
    let cores: Vec<usize> = engine.wiring.cores.iter().map(|core| core.id).collect();
    let seat = |seat: &mut wiring::Seat| SeatRun {
        stage: seat.stage,
        replica: seat.replica,
        core: cores[seat.core],
        ratios: seat.times.ratios(now_ps),
        jobs: seat.jobs,
        messages: seat.messages,
        busy_ps: seat.busy_ps,
        held_mean: seat.held_ps / elapsed_ps as f64,
    };
    engine.wiring.seats.iter_mut().map(seat).collect()
}

fn rings(engine: &mut Engine<'_>, now_ps: u64, elapsed_ps: u64) -> Vec<RingRun> {
    let replicas: Vec<usize> = engine.wiring.seats.iter().map(|s| s.replica).collect();
    let rings = engine.wiring.rings.iter_mut().filter_map(|ring| {
        let on_hop = ring.passed as f64 * ring.hop_ps as f64 / elapsed_ps as f64;
        Some(RingRun {
            edge: ring.edge?,
            from_replica: replicas[ring.from],
            to_replica: replicas[ring.to],
            passed: ring.passed,
            occupancy_mean: (ring.level.mean(now_ps, elapsed_ps) - on_hop).max(0.0),
            occupancy_max: ring.level.max,
            occupancy_min: ring.level.min,
            wait_ps_mean: ring.waited_ps as f64 / ring.passed.max(1) as f64,
        })
    });
    rings.collect()
}

fn windows(engine: &mut Engine<'_>, now_ps: u64, elapsed_ps: u64) -> Vec<WindowRun> {
    let replicas: Vec<usize> = engine.wiring.seats.iter().map(|s| s.replica).collect();
    let window = |tokens: &mut wiring::Tokens| WindowRun {
        window: tokens.window,
        replica: replicas[tokens.seat],
        in_flight_mean: tokens.out.mean(now_ps, elapsed_ps),
        trips: tokens.trips,
        latency_ps_mean: tokens.latency_ps as f64 / tokens.trips.max(1) as f64,
    };
    engine.wiring.tokens.iter_mut().map(window).collect()
}

fn percentiles(times_ps: &mut [u64]) -> Percentiles {
    if times_ps.is_empty() {
        return Percentiles::default();
    }
    let mean = |times: &[u64]| {
        let sum: f64 = times.iter().map(|time| *time as f64).sum();
        sum / times.len().max(1) as f64
    };
    let batch = (times_ps.len() / BATCHES).max(1);
    let means: Vec<f64> = times_ps.chunks_exact(batch).map(mean).collect();
    let mean_ps = mean(times_ps);
    times_ps.sort_unstable();
    let at = |share: f64| {
        let rank = (share * times_ps.len() as f64).ceil() as usize;
        times_ps[rank.clamp(1, times_ps.len()) - 1]
    };
    Percentiles {
        mean_ps,
        p50_ps: at(0.50),
        p90_ps: at(0.90),
        p99_ps: at(0.99),
        standard_error_ps: standard_error(&means),
    }
}

/// The standard error of the throughput, from the times at which batches of requests were done.
fn rate_error(engine: &Engine<'_>) -> f64 {
    let mut before_ps = engine.from_ps;
    let rate = |done_ps: &u64| {
        let batch_ps = (done_ps - before_ps).max(1);
        before_ps = *done_ps;
        engine.batch_requests() as f64 * 1e12 / batch_ps as f64
    };
    let rates: Vec<f64> = engine.batches_done_ps.iter().map(rate).collect();
    standard_error(&rates)
}

/// The standard error of the mean of independent figures.
fn standard_error(figures: &[f64]) -> f64 {
    let count = figures.len() as f64;
    if count < 2.0 {
        return 0.0;
    }
    let mean = figures.iter().sum::<f64>() / count;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    (squares / (count - 1.0) / count).sqrt()
}
