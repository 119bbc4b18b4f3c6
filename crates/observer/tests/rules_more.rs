//! More Linux rules on figures made by hand: threads and disks that are not full, and who cannot be
//! seen.

mod support;

use brigade_model::explain::{Explanation, Verdict};
use brigade_model::profile::Wait;
use brigade_observer::figures::{Figures, TurnFigures, UnixFigures};
use brigade_observer::sources::descriptors::Holder;
use brigade_observer::sources::disks::DiskFigures;
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

/// A thread that flushes each of its writes, and its disk.
fn flushing(thread: Program, busy_ratio: f64, length_mean: f64) -> Figures {
    let mut figures = machine(vec![thread]);
    figures.disks = vec![DiskFigures {
        name: "sda".into(),
        busy_ratio,
        length_mean,
        requests_per_s: 300.0,
    }];
    figures
}

#[test]
fn one_request_of_a_disk_after_the_other_is_named_while_the_disk_could_take_more() {
    let flushes = || Program::new(1, "db").busy(0.3).asleep(Wait::Disk, 0.7);
    is(named(&flushing(flushes(), 0.6, 0.7)), "db", 14);
    let found = said(&flushing(flushes(), 0.6, 0.7));
    assert!(found.headline.contains("reads of disk sda"));
    assert!(found.remedy.unwrap().contains("io_uring"));
    // Full with one request at a time, it could still take more.
    is(named(&flushing(flushes(), 0.95, 0.95)), "db", 14);
    is(named(&flushing(flushes(), 0.95, 4.0)), "db", 9);
    let quiet = |figures: Figures| {
        let said = said(&figures);
        assert!(
            !matches!(said.verdict, Verdict::Stage { .. }),
            "{}",
            said.headline
        );
    };
    let rests = Program::new(1, "db").busy(0.1).asleep(Wait::Disk, 0.5);
    quiet(flushing(rests.asleep(Wait::Futex, 0.4), 0.6, 0.7));
    quiet(flushing(flushes().slices(0), 0.6, 0.7));
    // What it waits for is no disk of this machine.
    quiet(flushing(flushes(), 0.02, 0.1));
}

/// Four threads that wait at one futex, and what was seen of them at the same time.
fn taking_turns(thread: impl Fn(Program) -> Program, turns: TurnFigures) -> Figures {
    let each = |tid| {
        let program = Program::new(9, "python3").thread(tid);
        thread(program.asleep_at(Wait::Futex, 0.75, 0x7004))
    };
    let mut figures = machine((9..13).map(each).collect());
    figures.turns = vec![turns];
    figures
}

fn turns(sleepers: &[(u32, u32)], one_runs: u32, several_run: u32) -> TurnFigures {
    TurnFigures {
        pid: 9,
        place: 0x7000,
        samples: 100,
        sleepers: sleepers.iter().copied().collect(),
        one_runs,
        several_run,
    }
}

#[test]
fn threads_that_share_a_core_in_turn_are_named_but_not_those_that_work_side_by_side() {
    let works = |program: Program| program.busy(0.25);
    let in_turn = taking_turns(works, turns(&[(3, 70), (2, 29)], 70, 29));
    is(named(&in_turn), "python3", 15);
    assert!(
        said(&in_turn)
            .headline
            .contains("never use more than one core")
    );
    assert!(said(&in_turn).remedy.unwrap().contains("interpreter lock"));
    // The same shares over time, but not one after the other.
    let side_by_side = turns(&[(4, 32), (3, 42), (2, 21), (1, 5)], 42, 26);
    let pool = said(&taking_turns(works, side_by_side.clone()));
    assert_eq!(pool.verdict, Verdict::OfferedLoad);
    let sleeps = |program: Program| program.busy(0.01).asleep(Wait::Sleep, 0.24);
    let asleep = taking_turns(sleeps, turns(&[(3, 97), (2, 3)], 3, 0));
    is(named(&asleep), "python3", 15);
    assert!(
        said(&asleep)
            .headline
            .contains("that one sleeps in a sleep()")
    );
    let idle = taking_turns(sleeps, side_by_side);
    assert!(!matches!(said(&idle).verdict, Verdict::Stage { .. }));
}

#[test]
fn a_closed_loop_is_found_on_the_whole_machine_however_quiet_it_is() {
    let loop_of = |waits| {
        let mut figures = machine(vec![
            Program::new(1, "asks").busy(0.001).asleep(waits, 0.99),
            Program::new(2, "answers")
                .busy(0.001)
                .asleep(Wait::Sleep, 0.99),
        ]);
        figures.sockets = tcp((1, 5000), (2, 80), 0.0);
        figures.sockets.push(listener(2, 80, 0.0));
        figures
    };
    let quiet = loop_of(Wait::SocketReceive);
    is(named(&quiet), "asks", 13);
    // Now and then is no load, and who sleeps in between has time.
    let mut seldom = quiet;
    seldom
        .sockets
        .iter_mut()
        .for_each(|socket| socket.segments_out = 2);
    assert_eq!(said(&seldom).verdict, Verdict::Idle);
    assert_eq!(said(&loop_of(Wait::Sleep)).verdict, Verdict::Idle);
    assert_eq!(said(&loop_of(Wait::TimedPoll)).verdict, Verdict::Idle);
}

#[test]
fn two_that_wait_for_each_other_over_a_unix_socket_are_a_loop() {
    let socket = |inode, reader, sender| UnixFigures {
        inode,
        readers: vec![Holder {
            pid: reader,
            descriptor: 3,
        }],
        peers: vec![sender],
        asks: None,
        senders: vec![(sender, 5000.0, 5000.0)],
        length_mean_bytes: 0.0,
        capacity_bytes: 200_000,
    };
    let pair = |rest| {
        let each = |pid, name| Program::new(pid, name).busy(0.4).asleep(rest, 0.6);
        let mut figures = machine(vec![each(1, "ping"), each(2, "pong")]);
        figures.unix = vec![socket(70, 1, 2), socket(71, 2, 1)];
        figures
    };
    let found = said(&pair(Wait::SocketReceive));
    assert_eq!(found.rule, 13);
    assert!(
        found
            .headline
            .contains("ping and pong wait for each other in turn")
    );
    assert_eq!(said(&pair(Wait::Sleep)).verdict, Verdict::OfferedLoad);
    // Of a connection it is known who asks.
    let mut asked = pair(Wait::SocketReceive);
    asked.unix[0].asks = Some(true);
    asked.unix[1].asks = Some(false);
    is(named(&asked), "ping", 13);
}

#[test]
fn what_is_lost_at_a_program_that_cannot_be_seen_is_named_all_the_same() {
    let mut figures = machine(vec![Program::new(1, "works").busy(0.2)]);
    let mut sink = udp(2, 53, 1000);
    sink.owners.clear();
    sink.holders.clear();
    figures.sockets = vec![sink];
    let found = said(&figures);
    assert_eq!(
        (found.rule, found.headline.contains("Who reads port 53")),
        (5, true)
    );
    assert!(found.remedy.unwrap().contains("root"));
    // Asked about one process, it is not to the point.
    let of_one = assemble(&figures, &Scope::Process(1)).unwrap();
    assert_eq!(explain(&of_one).verdict, Verdict::OfferedLoad);
}

#[test]
fn one_full_worker_among_idle_ones_is_told_to_share_not_to_get_another() {
    let worker = |tid, busy| {
        let rest = Program::new(5, "web").thread(tid).busy(busy);
        rest.asleep(Wait::Poll, 1.0 - busy)
    };
    let uneven = machine(vec![worker(5, 0.96), worker(6, 0.05)]);
    is(named(&uneven), "web", 10);
    let remedy = said(&uneven).remedy.unwrap();
    assert!(remedy.contains("evenly") && remedy.contains("SO_REUSEPORT"));
    let even = machine(vec![worker(5, 0.96), worker(6, 0.9)]);
    assert!(!said(&even).remedy.unwrap().contains("evenly"));
}

#[test]
fn what_only_root_may_see_is_said_under_nothing_is_saturated_too() {
    let mut figures = machine(vec![Program::new(1, "a").busy(0.3)]);
    assert_eq!(said(&figures).remedy, None);
    let hidden =
        "pipes and sockets of 3 processes: the kernel does not tell this user; root may see it";
    figures.unseen.push(hidden.into());
    let found = said(&figures);
    assert_eq!(found.verdict, Verdict::OfferedLoad);
    assert!(found.remedy.unwrap().contains("as root"));
}

#[test]
fn who_sleeps_over_its_work_gains_by_sleeping_less() {
    let figures = pipeline(
        Program::new(1, "a").asleep(Wait::PipeWrite, 1.0),
        Program::new(2, "b").busy(0.02).asleep(Wait::Sleep, 0.98),
        Program::new(3, "c").asleep(Wait::PipeRead, 1.0),
    );
    let gain = said(&figures).gain.unwrap().text;
    assert!(gain.contains("asleep for half as long"), "{gain}");
    assert!(!gain.contains("twice as fast"), "{gain}");
}
