//! Each kind of queue on figures made by hand: between whom it stands, how long it is, and how long
//! one waits in it.

mod support;

use brigade_model::profile::{Edge, Profile, QueueKind, Wait};
use brigade_observer::explain;
use brigade_observer::figures::{
    DirtyFigures, PollFigures, UringFigures, WakeFigures, WorkFigures,
};
use brigade_observer::sources::disks::DiskFigures;
use support::{Program, machine, profile};

/// The queues of a kind: from whom to whom, and their figures.
fn queues(profile: &Profile, kind: QueueKind) -> Vec<(&str, &str, &Edge)> {
    let stage = |end: &str| profile.stage_of(end).map(|i| &*profile.stages[i].name);
    let of_kind = |edge: &&Edge| {
        let mut queues = profile.linux.iter().flat_map(|linux| &linux.queues);
        queues.any(|queue| queue.to == edge.to && queue.kind == kind)
    };
    let edges = profile.edges.iter().filter(of_kind);
    edges
        .filter_map(|edge| Some((stage(&edge.from)?, stage(&edge.to)?, edge)))
        .collect()
}

fn length(edge: &Edge) -> f64 {
    edge.rings[0].occupancy_mean_messages
}

fn wait_ms(edge: &Edge) -> f64 {
    edge.rings[0].wait_mean_ns.unwrap() / 1e6
}

#[test]
fn threads_that_are_ready_stand_before_their_core() {
    let mut figures = machine(vec![
        Program::new(1, "a").busy(0.6).ready(0.4).slices(200),
        Program::new(2, "b").busy(0.4).ready(0.5).slices(100),
        Program::new(3, "calm").busy(0.2).ready(0.01).slices(100),
    ]);
    figures.cores[0].busy_ratio = 1.0;
    let profile = profile(&figures);
    let found = queues(&profile, QueueKind::RunQueue);
    let ends: Vec<(&str, &str)> = found.iter().map(|queue| (queue.0, queue.1)).collect();
    assert_eq!(ends, [("a", "core 0"), ("b", "core 0")]);
    assert!((length(found[0].2) - 0.4).abs() < 1e-9);
    // By Little's law: 0.5 ready threads on average, 100 times a second.
    assert!((wait_ms(found[1].2) - 5.0).abs() < 1e-9);
    // It is no way that work goes on: who waits for a core is not its victim's cause.
    let said = explain(&profile);
    assert!(
        said.evidence
            .iter()
            .any(|line| line.starts_with("run queue b > core 0"))
    );
}

#[test]
fn a_ring_of_io_uring_has_what_is_under_way_and_what_is_completed() {
    let mut figures = machine(vec![
        Program::new(1, "fio").busy(0.3).asleep(Wait::Uring, 0.7),
    ]);
    let ring = UringFigures {
        pid: 1,
        requests_per_s: 5000.0,
        under_way_mean: Some(16.0),
        busy_ratio: 1.0,
        standing_mean: 2.5,
        capacity: 64,
    };
    figures.urings = vec![ring, ring];
    let with_both = profile(&figures);
    let requests = queues(&with_both, QueueKind::UringRequests);
    let completions = queues(&with_both, QueueKind::UringCompletions);
    assert_eq!((requests[0].0, requests[0].1), ("fio", "io_uring of fio"));
    assert_eq!(
        (completions[0].0, completions[0].1),
        ("io_uring of fio", "fio")
    );
    // Both rings of one stage are one queue.
    assert!((length(requests[0].2) - 32.0).abs() < 1e-9);
    assert!((wait_ms(requests[0].2) - 3.2).abs() < 1e-9);
    assert!((length(completions[0].2) - 5.0).abs() < 1e-9);
    // Counters that cannot be understood make no queue.
    figures.urings = vec![UringFigures {
        under_way_mean: None,
        ..ring
    }];
    assert!(queues(&profile(&figures), QueueKind::UringRequests).is_empty());
}

#[test]
fn work_for_the_kernels_workers_joins_whoever_gave_it_with_all_workers() {
    let mut figures = machine(vec![
        Program::new(1, "ssh").busy(0.1),
        Program::new(50, "kworker/0:1").busy(0.05).kernel(),
        Program::new(51, "kworker/1:0").busy(0.05).kernel(),
    ]);
    let work = WorkFigures {
        giver: 1,
        worker: 50,
        works_per_s: 1000.0,
        wait_mean_ns: 2e6,
    };
    let other = WorkFigures { worker: 51, ..work };
    let rare = WorkFigures {
        giver: 0,
        works_per_s: 2.0,
        ..work
    };
    figures.works = vec![work, other, rare];
    let profile = profile(&figures);
    let found = queues(&profile, QueueKind::Work);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1), ("ssh", "kworker"));
    assert!((length(found[0].2) - 4.0).abs() < 1e-9);
    assert!((wait_ms(found[0].2) - 2.0).abs() < 1e-9);
}

#[test]
fn packets_of_an_interface_stand_before_the_core_that_polls_it() {
    let mut figures = machine(vec![Program::new(1, "a").busy(0.3)]);
    figures.cores[1].softirq_ratio = 0.4;
    let poll = PollFigures {
        core: 1,
        interface: "eth0".into(),
        packets_per_s: 100_000.0,
        wait_mean_ns: 50_000.0,
    };
    let idle_core = PollFigures {
        core: 0,
        ..poll.clone()
    };
    figures.polls = vec![poll, idle_core];
    let profile = profile(&figures);
    let found = queues(&profile, QueueKind::Napi);
    assert_eq!(found.len(), 1, "a core that does little is no stage");
    assert_eq!(
        (found[0].0, found[0].1),
        ("interface eth0", "softirq core 1")
    );
    assert!((length(found[0].2) - 5.0).abs() < 1e-9);
}

#[test]
fn dirty_pages_stand_between_whoever_is_throttled_and_the_disk() {
    let mut figures = machine(vec![
        Program::new(1, "writes").asleep(Wait::DirtyThrottle, 0.9),
    ]);
    figures.disks = vec![DiskFigures {
        name: "sda".into(),
        busy_ratio: 0.9,
        length_mean: 8.0,
        requests_per_s: 100.0,
    }];
    figures.dirty = Some(DirtyFigures {
        mean_pages: 5000.0,
        most_pages: 10_000.0,
        written_per_s: 2500.0,
    });
    let profile = profile(&figures);
    let found = queues(&profile, QueueKind::DirtyPages);
    assert_eq!((found[0].0, found[0].1), ("writes", "disk sda"));
    assert!((wait_ms(found[0].2) - 2000.0).abs() < 1e-6);
}

#[test]
fn threads_that_wake_each_other_by_events_and_by_futexes_have_a_queue_of_each() {
    let mut figures = machine(vec![
        Program::new(1, "server").busy(0.3),
        Program::new(1, "server").thread(2).named("loop").busy(0.3),
    ]);
    let wake = WakeFigures {
        pid: 1,
        waker: 1,
        wakee: 2,
        is_event: true,
        wakes_per_s: 500.0,
    };
    figures.wakes = vec![
        wake,
        WakeFigures {
            is_event: false,
            wakes_per_s: 30.0,
            ..wake
        },
    ];
    let profile = profile(&figures);
    for (kind, rate) in [(QueueKind::Event, 500.0), (QueueKind::Wake, 30.0)] {
        let found = queues(&profile, kind);
        assert_eq!((found[0].0, found[0].1), ("server", "server:loop"));
        assert_eq!(found[0].2.rings[0].messages_per_s, rate);
    }
}
