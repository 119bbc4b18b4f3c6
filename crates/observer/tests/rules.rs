//! Each Linux rule on figures made by hand: what is named, and what is never named.

mod support;

use brigade_model::explain::{Confidence, Explanation, Verdict};
use brigade_model::profile::Wait;
use brigade_observer::figures::{BlockFigures, Figures, QdiscFigures, QuotaFigures};
use brigade_observer::sources::disks::DiskFigures;
use brigade_observer::sources::groups::BlockLimit;
use brigade_observer::sources::qdiscs::Qdisc;
use brigade_observer::{Scope, assemble, explain};
use support::{Program, listener, machine, pipe, profile, tcp, udp};

fn said(figures: &Figures) -> Explanation {
    explain(&profile(figures))
}

/// The stage that a verdict names, and its rule.
fn named(figures: &Figures) -> (String, u32) {
    let said = said(figures);
    match said.verdict {
        Verdict::Stage { stage } | Verdict::Core { stage, .. } | Verdict::Window { stage, .. } => {
            (stage, said.rule)
        }
        other => panic!("{other:?}: {}", said.headline),
    }
}

fn is(found: (String, u32), stage: &str, rule: u32) {
    assert_eq!(found, (stage.to_owned(), rule));
}

/// `a | b | c`, with what each does.
fn pipeline(a: Program, b: Program, c: Program) -> Figures {
    let mut figures = machine(vec![a, b, c]);
    figures.pipes = vec![pipe(100, 1, 2, 60_000.0), pipe(101, 2, 3, 100.0)];
    figures
}

#[test]
fn the_victim_of_a_slow_stage_is_not_named() {
    let figures = pipeline(
        Program::new(1, "a")
            .busy(0.05)
            .asleep(Wait::PipeWrite, 0.95),
        Program::new(2, "b").busy(0.97),
        Program::new(3, "c").busy(0.1).asleep(Wait::PipeRead, 0.9),
    );
    is(named(&figures), "b", 10);
    let said = said(&figures);
    assert!(
        said.stalled
            .iter()
            .any(|stall| stall.stage == "a" && stall.state == "blocked")
    );
    assert!(said.remedy.unwrap().contains("second worker"));
    assert!(
        said.gain
            .unwrap()
            .text
            .contains("another core buys nothing")
    );
}

#[test]
fn a_stage_that_sleeps_over_its_work_is_named_with_what_it_sleeps_in() {
    let figures = pipeline(
        Program::new(1, "a").asleep(Wait::PipeWrite, 1.0),
        Program::new(2, "b").busy(0.02).asleep(Wait::Sleep, 0.98),
        Program::new(3, "c").asleep(Wait::PipeRead, 1.0),
    );
    is(named(&figures), "b", 11);
    assert!(said(&figures).headline.contains("a sleep() of its own"));
}

#[test]
fn a_stage_that_paces_itself_before_a_full_pipe_is_not_told_to_get_a_core() {
    let figures = pipeline(
        Program::new(1, "yes").asleep(Wait::PipeWrite, 1.0),
        Program::new(2, "pv")
            .busy(0.002)
            .ready(0.004)
            .asleep(Wait::TimedPoll, 0.99),
        Program::new(3, "c").asleep(Wait::PipeRead, 1.0),
    );
    is(named(&figures), "pv", 11);
    assert!(said(&figures).headline.contains("with a time limit 99 %"));
}

#[test]
fn two_that_need_one_core_name_the_core() {
    let figures = pipeline(
        Program::new(1, "a").asleep(Wait::PipeWrite, 1.0),
        Program::new(2, "b").busy(0.5).ready(0.5),
        Program::new(3, "c").busy(0.5).ready(0.48),
    );
    is(named(&figures), "b", 12);
    assert!(matches!(
        said(&figures).verdict,
        Verdict::Core { core: 0, .. }
    ));
}

#[test]
fn a_writer_whose_reader_is_elsewhere_is_not_explained() {
    let mut figures = machine(vec![Program::new(1, "a").asleep(Wait::SocketSend, 0.9)]);
    figures.sockets = tcp((1, 5000), (99, 80), 50_000.0);
    figures.sockets.truncate(1);
    let said = said(&figures);
    assert_eq!(said.verdict, Verdict::Unknown);
    assert_eq!(said.confidence, Confidence::Unknown);
    assert!(said.remedy.unwrap().contains("other end"));
}

#[test]
fn a_slow_reader_of_a_connection_is_named() {
    let mut figures = machine(vec![
        Program::new(1, "writes").asleep(Wait::SocketSend, 0.95),
        Program::new(2, "reads").busy(0.96),
    ]);
    figures.sockets = tcp((1, 5000), (2, 80), 900_000.0);
    is(named(&figures), "reads", 10);
}

#[test]
fn a_client_that_waits_for_answers_has_too_little_under_way() {
    let mut figures = machine(vec![
        Program::new(1, "asks")
            .busy(0.03)
            .asleep(Wait::SocketReceive, 0.97),
        Program::new(2, "answers")
            .busy(0.1)
            .asleep(Wait::Sleep, 0.9),
    ]);
    figures.sockets = tcp((1, 5000), (2, 80), 0.0);
    figures.sockets.push(listener(2, 80, 0.0));
    is(named(&figures), "asks", 13);
    assert!(said(&figures).remedy.unwrap().contains("answers"));
}

#[test]
fn clients_that_think_are_no_bottleneck() {
    let mut figures = machine(vec![
        Program::new(1, "asks")
            .asleep(Wait::Sleep, 0.7)
            .asleep(Wait::SocketReceive, 0.3),
        Program::new(2, "answers")
            .busy(0.3)
            .asleep(Wait::SocketReceive, 0.7),
    ]);
    figures.sockets = tcp((1, 5000), (2, 80), 0.0);
    figures.sockets.push(listener(2, 80, 0.0));
    assert_eq!(said(&figures).verdict, Verdict::OfferedLoad);
}

#[test]
fn an_idle_machine_is_idle_and_what_cannot_be_seen_makes_it_unknown() {
    let mut figures = machine(vec![Program::new(1, "a").asleep(Wait::Poll, 1.0)]);
    assert_eq!(said(&figures).verdict, Verdict::Idle);
    assert_eq!(said(&figures).remedy, None);
    let mut partly = figures.clone();
    let hidden =
        "pipes and sockets of 3 processes: the kernel does not tell this user; root may see it";
    partly.unseen.push(hidden.into());
    assert!(said(&partly).remedy.unwrap().contains("root"));
    figures.threads = machine(vec![Program::new(1, "a").busy(0.4)]).threads;
    assert_eq!(said(&figures).verdict, Verdict::OfferedLoad);
    figures.hidden.insert(1);
    figures.unseen.push("something".into());
    let said = said(&figures);
    assert_eq!(said.verdict, Verdict::Unknown);
    assert!(said.text().contains("not seen: something"));
}

#[test]
fn cores_that_are_busy_with_what_was_never_seen_make_it_unknown() {
    let mut figures = machine(vec![Program::new(1, "forks").busy(0.1)]);
    figures.cores[1].busy_ratio = 0.2;
    figures.cores[1].threads_ratio = 0.2;
    assert_eq!(said(&figures).verdict, Verdict::OfferedLoad);
    figures.cores[1].busy_ratio = 0.9;
    figures.cores[1].threads_ratio = 0.9;
    let said_of_forks = said(&figures);
    assert_eq!(said_of_forks.verdict, Verdict::Unknown);
    assert!(said_of_forks.headline.contains("90 % of a core"));
    // With /proc mounted so that it hides them.
    figures.threads.clear();
    assert_eq!(said(&figures).verdict, Verdict::Unknown);
    // Stolen time and interrupts are no threads.
    figures
        .cores
        .iter_mut()
        .for_each(|core| core.threads_ratio = 0.0);
    assert_eq!(said(&figures).verdict, Verdict::Idle);
}

#[test]
fn a_quota_is_named_before_the_stage_that_it_throttles() {
    let mut figures = pipeline(
        Program::new(1, "a").asleep(Wait::PipeWrite, 1.0),
        Program::new(2, "b").busy(0.2).ready(0.8),
        Program::new(3, "c").asleep(Wait::PipeRead, 1.0),
    );
    figures.quotas = vec![QuotaFigures {
        group: "/batch".into(),
        cores: 0.2,
        throttled_ratio: 0.79,
        pids: [2].into(),
    }];
    is(named(&figures), "b", 1);
    assert!(said(&figures).headline.contains("/batch"));
    assert!(said(&figures).remedy.unwrap().contains("cpu.max"));
    figures.quotas[0].throttled_ratio = 0.01;
    is(named(&figures), "b", 12);
}

#[test]
fn names_that_others_choose_do_not_upset_the_terminal() {
    let mut figures = machine(vec![Program::new(2, "\u{1b}[31mb\n").busy(0.1).ready(0.9)]);
    figures.quotas = vec![QuotaFigures {
        group: "/a\u{1b}[2J\u{202e}b".into(),
        cores: 0.2,
        throttled_ratio: 0.79,
        pids: [2].into(),
    }];
    let said = said(&figures);
    let upsets = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!said.text().contains(upsets), "{:?}", said.text());
    assert!(!said.sentence().contains(upsets), "{:?}", said.sentence());
}

#[test]
fn soft_interrupts_name_their_core() {
    let mut figures = machine(vec![Program::new(1, "a").busy(0.3)]);
    figures.cores[1].softirq_ratio = 0.95;
    figures.cores[1].busy_ratio = 0.98;
    is(named(&figures), "softirq core 1", 2);
    assert!(said(&figures).remedy.unwrap().contains("RPS"));
}

#[test]
fn a_limit_of_block_io_is_named_when_it_is_used_up() {
    let mut figures = machine(vec![Program::new(1, "reads").asleep(Wait::Disk, 0.95)]);
    let mut block = BlockFigures {
        group: "/batch".into(),
        limit: BlockLimit {
            name: "read_bps".into(),
            device: "8:0".into(),
            per_s: 1e6,
            passed_total: 0,
        },
        passed_per_s: 0.99e6,
        pids: [1].into(),
    };
    figures.block_limits = vec![block.clone()];
    is(named(&figures), "reads", 3);
    block.passed_per_s = 0.2e6;
    figures.block_limits = vec![block];
    assert!(!matches!(said(&figures).verdict, Verdict::Stage { .. }));
}

#[test]
fn who_is_throttled_by_dirty_pages_is_told_of_a_limit_that_their_disk_has() {
    let mut figures = machine(vec![
        Program::new(1, "writes").asleep(Wait::DirtyThrottle, 0.95),
    ]);
    figures.block_limits = vec![BlockFigures {
        group: "/".into(),
        limit: BlockLimit {
            name: "write_bps".into(),
            device: "7:0".into(),
            per_s: 1e6,
            passed_total: 0,
        },
        passed_per_s: 0.99e6,
        pids: [1].into(),
    }];
    is(named(&figures), "writes", 4);
    let evidence = said(&figures).evidence;
    assert!(evidence.iter().any(|line| line.contains("write_bps")));
}

#[test]
fn a_busy_disk_is_named_only_if_somebody_waits_for_it() {
    let disk = DiskFigures {
        name: "sda".into(),
        busy_ratio: 0.99,
        length_mean: 4.0,
        requests_per_s: 200.0,
    };
    let mut figures = machine(vec![Program::new(1, "reads").asleep(Wait::Disk, 0.9)]);
    figures.disks = vec![disk.clone()];
    is(named(&figures), "reads", 9);
    let queues = profile(&figures).edges;
    let before_it = queues.iter().find(|edge| edge.to.starts_with("disk sda."));
    assert_eq!(before_it.unwrap().rings[0].occupancy_mean_messages, 4.0);
    let mut figures = machine(vec![Program::new(1, "works").busy(0.3)]);
    figures.disks = vec![disk];
    assert!(
        !matches!(said(&figures).verdict, Verdict::Stage { .. }),
        "{}",
        said(&figures).headline
    );
}

#[test]
fn dirty_pages_lost_datagrams_and_refused_connections_are_named() {
    let writes = Program::new(1, "writes").asleep(Wait::DirtyThrottle, 0.8);
    is(named(&machine(vec![writes])), "writes", 4);
    let mut figures = machine(vec![Program::new(2, "sink").busy(1.0)]);
    figures.sockets = vec![udp(2, 53, 1000)];
    figures.datagrams_per_s = 1000.0;
    is(named(&figures), "sink", 5);
    let mut figures = machine(vec![Program::new(3, "shop").asleep(Wait::Sleep, 1.0)]);
    figures.sockets = vec![listener(3, 80, 128.0)];
    figures.listen_overflows_per_s = 20.0;
    is(named(&figures), "shop", 6);
    figures.listen_overflows_per_s = 0.0;
    assert!(
        !matches!(said(&figures).verdict, Verdict::Stage { .. }),
        "a burst is no limit"
    );
}

#[test]
fn sockets_of_one_port_and_stage_are_one_queue() {
    let mut figures = machine(vec![Program::new(2, "sink").busy(1.0)]);
    figures.sockets = vec![udp(2, 53, 1000), udp(2, 53, 500)];
    figures
        .sockets
        .extend([listener(2, 80, 4.0), listener(2, 80, 2.0)]);
    let profile = profile(&figures);
    let standing = |port: &str| {
        let own = profile.edges.iter().filter(|edge| edge.to.contains(port));
        let rings: Vec<_> = own.flat_map(|edge| &edge.rings).collect();
        assert_eq!(rings.len(), 1);
        rings[0].occupancy_mean_messages
    };
    assert_eq!(standing("accept_80"), 6.0);
    assert_eq!(standing("udp_53"), 0.0);
    let queues = profile.linux.unwrap().queues;
    let lost = queues.iter().find_map(|queue| queue.dropped_per_s);
    assert_eq!(lost, Some(1500.0));
}

#[test]
fn a_rate_limit_is_named_while_packets_wait_for_it() {
    let mut figures = machine(vec![Program::new(1, "sends").asleep(Wait::SocketSend, 0.9)]);
    let qdisc = QdiscFigures {
        last: Qdisc {
            interface: 2,
            handle: 1,
            parent: u32::MAX,
            kind: "tbf".into(),
            length_packets: 3,
            length_bytes: 4500,
            sent_bytes_total: 0,
            sent_packets_total: 0,
            drops_total: 0,
            overlimits_total: 0,
        },
        interface: "eth0".into(),
        pids: [1].into(),
        length_mean_packets: 3.0,
        standing_ratio: 0.97,
        bytes_per_s: 1.2e6,
        packets_per_s: 800.0,
        drops_per_s: 0.0,
        overlimits_per_s: 900.0,
    };
    figures.qdiscs = vec![qdisc.clone()];
    is(named(&figures), "sends", 7);
    let interface = profile(&figures).stages.into_iter();
    let interface = interface
        .rev()
        .find(|stage| stage.name == "interface eth0 (tbf)");
    assert_eq!(interface.unwrap().replicas[0].times.busy_ratio, 0.97);
    figures.qdiscs[0].overlimits_per_s = 0.0;
    assert_eq!(
        said(&figures).verdict,
        Verdict::Unknown,
        "no rate limit: nothing is known"
    );
}

#[test]
fn threads_behind_one_lock_are_named_but_not_those_behind_a_condition_variable() {
    let convoy = |wait| {
        let each = |tid: u32| {
            Program::new(9, "convoy")
                .thread(tid)
                .busy(0.01)
                .asleep(Wait::Sleep, 0.19)
                .asleep_at(wait, 0.8, 0x7000)
        };
        machine((9..14).map(each).collect())
    };
    is(named(&convoy(Wait::Lock)), "convoy", 8);
    assert!(
        said(&convoy(Wait::Lock))
            .headline
            .contains("sleeps in a sleep() of its own")
    );
    assert!(!matches!(
        said(&convoy(Wait::Futex)).verdict,
        Verdict::Stage { .. }
    ));
}

#[test]
fn a_scope_shows_a_process_and_what_its_queues_join_it_with() {
    let mut figures = pipeline(
        Program::new(1, "a").busy(0.3),
        Program::new(2, "b").busy(0.3),
        Program::new(3, "c").busy(0.3),
    );
    figures
        .threads
        .extend(machine(vec![Program::new(4, "other").busy(1.0)]).threads);
    let shown = |scope: &Scope| {
        let profile = assemble(&figures, scope).unwrap();
        let stages = profile.stages.into_iter().map(|stage| stage.name);
        stages.collect::<Vec<_>>()
    };
    assert_eq!(shown(&Scope::Process(3)), ["a", "b", "c"]);
    assert_eq!(shown(&Scope::Process(4)), ["other"]);
    assert!(assemble(&figures, &Scope::Port(80)).is_err());
}

#[test]
fn threads_that_never_run_wait_for_no_lock_whatever_value_they_sleep_at() {
    let sleeper = |tid| {
        Program::new(1, "db")
            .thread(tid)
            .asleep_at(Wait::Lock, 1.0, 0x7f00)
    };
    let convoy = |slices| {
        let threads = (1..=3).map(|tid| sleeper(tid).slices(slices));
        machine(threads.collect())
    };
    is(named(&convoy(20)), "db", 8);
    assert_eq!(said(&convoy(0)).verdict, Verdict::Idle);
    // One thread alone has nobody to wait for.
    let alone = machine(vec![sleeper(1)]);
    assert_eq!(said(&alone).verdict, Verdict::Idle);
}
