//! Differences of snapshots are exact.

use brigade_telemetry::{
    ConsumerFigures, CoreFigures, CoreState, CounterFigures, EdgeFigures, Histogram, Interval,
    ProducerFigures, Snapshot, StageFigures, StageInterval, StageState, Tally, WindowFigures,
};

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

fn sum(stage: &StageInterval) -> f64 {
    stage.busy_ratio
        + stage.starved_ratio
        + stage.blocked_ratio
        + stage.ready_ratio
        + stage.awaiting_ratio
}

fn with_stage(at_ns: u64, stage: StageFigures) -> Snapshot {
    Snapshot {
        at_ns,
        stages: vec![stage],
        ..Snapshot::default()
    }
}

#[test]
fn the_five_times_sum_to_one_with_the_open_state() {
    let mut stage = StageFigures::starting(1_000);
    let first = with_stage(1_500, stage);
    stage.enter(StageState::Busy, 2_000);
    stage.enter(StageState::Blocked, 2_300);
    stage.enter(StageState::Ready, 2_400);
    stage.enter(StageState::Busy, 2_450);
    stage.messages_total = 4;
    // Still busy at the second look.
    let second = with_stage(2_500, stage);
    let interval = second.since(&first);
    let s = &interval.stages[0];
    assert_eq!(interval.length_ns(), 1_000);
    assert!(near(s.starved_ratio, 0.50), "{s:?}");
    assert!(near(s.busy_ratio, 0.35), "{s:?}");
    assert!(near(s.blocked_ratio, 0.10), "{s:?}");
    assert!(near(s.ready_ratio, 0.05), "{s:?}");
    assert!(near(sum(s), 1.0));
    assert_eq!(s.stage_length_ns, Some(350.0 / 4.0));
    assert!(near(s.messages_per_s, 4e6));
}

#[test]
fn a_stage_that_changed_nothing_keeps_its_open_state() {
    let mut stage = StageFigures::starting(0);
    stage.enter(StageState::Awaiting, 10);
    let s = with_stage(90, stage).since(&with_stage(50, stage)).stages[0];
    assert!(near(s.awaiting_ratio, 1.0) && near(sum(&s), 1.0), "{s:?}");
    assert_eq!(s.stage_length_ns, None);
    let none = with_stage(90, stage).since(&with_stage(90, stage)).stages[0];
    assert!(
        near(none.awaiting_ratio, 1.0),
        "an interval of no length: the state now"
    );
}

#[test]
fn ratios_sum_to_one_over_many_schedules() {
    // A linear congruential walk: deterministic, no seed to print.
    let mut x = 1_u64;
    let mut next = |bound: u64| {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) % bound
    };
    let (mut now, mut stage, mut core) = (0, StageFigures::starting(0), CoreFigures::starting(0));
    let mut before = (with_stage(0, stage), core);
    for _ in 0..1_000 {
        for _ in 0..next(6) {
            now += next(1_000_000);
            stage.enter(StageState::ALL[next(5) as usize], now);
            core.enter(CoreState::ALL[next(3) as usize], now);
        }
        now += next(100);
        let mut after = with_stage(now, stage);
        after.cores = vec![core];
        before.0.cores = vec![before.1];
        let interval = after.since(&before.0);
        assert!(near(sum(&interval.stages[0]), 1.0));
        let c = &interval.cores[0];
        assert!(near(c.busy_ratio + c.polling_ratio + c.idle_ratio, 1.0));
        before = (after, core);
    }
}

#[test]
fn a_core_counts_parks_and_wakes() {
    let mut core = CoreFigures::starting(0);
    let look = |at_ns, core| Snapshot {
        at_ns,
        cores: vec![core],
        ..Snapshot::default()
    };
    let first = look(0, core);
    core.enter(CoreState::Busy, 250_000_000);
    core.enter(CoreState::Polling, 750_000_000);
    core.parks_total = 3;
    core.wakes_total = 5;
    let c = look(1_000_000_000, core).since(&first).cores[0];
    assert!(near(c.idle_ratio, 0.25) && near(c.busy_ratio, 0.5) && near(c.polling_ratio, 0.25));
    assert!(near(c.parks_per_s, 3.0) && near(c.wakes_per_s, 5.0));
}

fn edge_at(at_ns: u64, sent: Tally, taken: Tally) -> Snapshot {
    let producer = ProducerFigures {
        sent,
        ..ProducerFigures::default()
    };
    let consumer = ConsumerFigures {
        taken,
        ..ConsumerFigures::default()
    };
    Snapshot {
        at_ns,
        edges: vec![EdgeFigures { producer, consumer }],
        ..Snapshot::default()
    }
}

/// Messages enter every 10 ns and leave 35 ns later: occupancy 3.5, wait 35 ns.
fn little(start: Tally) -> Interval {
    let (mut sent, mut taken) = (start, start);
    let mut moments: Vec<(u64, bool)> = (0..200).map(|i| (1_000 + 10 * i, true)).collect();
    moments.extend((0..200).map(|i| (1_035 + 10 * i, false)));
    moments.sort_unstable();
    let mut first = None;
    for (now_ns, enters) in moments {
        if now_ns >= 1_500 && first.is_none() {
            first = Some(edge_at(1_500, sent, taken));
        }
        if now_ns > 2_500 {
            break;
        }
        if enters {
            sent.add(1, now_ns)
        } else {
            taken.add(1, now_ns)
        }
    }
    edge_at(2_500, sent, taken).since(&first.unwrap())
}

#[test]
fn occupancy_and_wait_follow_littles_law() {
    let e = little(Tally::starting(0)).edges[0];
    assert!(near(e.occupancy_mean, 3.5), "{e:?}");
    assert_eq!(e.wait_ns_mean, Some(35.0));
    assert!(near(e.messages_per_s, 1e8));
    // At 2500 the last message entered (the 151st) and the one of 2465 - 35 left (the 147th).
    assert_eq!((e.sent_total, e.occupancy_now), (151, 4));
}

#[test]
fn totals_that_wrap_lose_nothing() {
    let start = Tally {
        items: u64::MAX - 20,
        integral_item_ns: u64::MAX - 7,
        as_of_ns: 900,
    };
    let e = little(start).edges[0];
    assert!(near(e.occupancy_mean, 3.5), "{e:?}");
    assert_eq!(e.wait_ns_mean, Some(35.0));
}

#[test]
fn an_idle_edge_has_its_standing_items_and_no_wait() {
    let sent = Tally {
        items: 10,
        integral_item_ns: 0,
        as_of_ns: 100,
    };
    let taken = Tally {
        items: 7,
        integral_item_ns: 0,
        as_of_ns: 100,
    };
    let e = edge_at(300, sent, taken)
        .since(&edge_at(200, sent, taken))
        .edges[0];
    assert!(near(e.occupancy_mean, 3.0), "{e:?}");
    assert_eq!(e.wait_ns_mean, None);
    assert_eq!(e.occupancy_now, 3);
}

#[test]
fn a_consumer_that_published_first_is_not_a_full_ring() {
    let sent = Tally {
        items: 10,
        integral_item_ns: 0,
        as_of_ns: 100,
    };
    let taken = Tally {
        items: 12,
        integral_item_ns: 0,
        as_of_ns: 100,
    };
    let e = edge_at(300, sent, taken)
        .since(&edge_at(200, sent, sent))
        .edges[0];
    assert_eq!((e.occupancy_now, e.occupancy_mean), (0, 0.0));
}

#[test]
fn sampled_waits() {
    let mut consumer = ConsumerFigures::default();
    consumer.sample_wait(1_000);
    let look = |at_ns, consumer| Snapshot {
        at_ns,
        edges: vec![EdgeFigures {
            consumer,
            ..EdgeFigures::default()
        }],
        ..Snapshot::default()
    };
    let first = look(0, consumer);
    consumer.sample_wait(10);
    consumer.sample_wait(30);
    let e = look(100, consumer).since(&first).edges[0];
    assert_eq!(e.wait_ns_sampled_mean, Some(20.0));
    assert_eq!(
        e.wait_ns_sampled_max, 1_000,
        "the maximum is since the start"
    );
}

#[test]
fn windows_and_counters() {
    let mut window = WindowFigures::default();
    let look = |at_ns, window, total| Snapshot {
        at_ns,
        windows: vec![window],
        counters: vec![CounterFigures { total }],
        ..Snapshot::default()
    };
    let first = look(0, window, 10);
    window.in_flight.set(2, 0);
    window.in_flight.set(3, 500_000_000);
    window.completions_total = 4;
    window.latency_ns_sum = 4_000;
    window.latency_ns_max = 1_500;
    let interval = look(1_000_000_000, window, 25).since(&first);
    let w = interval.windows[0];
    assert!(near(w.in_flight_mean, 2.5), "{w:?}");
    assert_eq!(
        (w.in_flight_now, w.latency_ns_mean, w.latency_ns_max),
        (3, Some(1_000.0), 1_500)
    );
    assert!(near(w.completions_per_s, 4.0));
    assert!(near(interval.counters[0].per_s, 15.0));
    assert_eq!(interval.counters[0].total, 25);
}

#[test]
fn histograms_give_quantiles_to_a_factor_of_two() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.quantile_ns_max(0.5), None);
    histogram.count(0, 1);
    histogram.count(1_000, 98);
    let before = histogram;
    histogram.count(u64::MAX, 1);
    assert_eq!(histogram.quantile_ns_max(0.0), Some(1));
    assert_eq!(histogram.quantile_ns_max(0.5), Some(1_023));
    assert_eq!(histogram.quantile_ns_max(0.99), Some(1_023));
    assert_eq!(histogram.quantile_ns_max(1.0), Some((1 << 32) - 1));
    assert_eq!(
        histogram.since(&before).quantile_ns_max(0.5),
        Some((1 << 32) - 1)
    );
}
