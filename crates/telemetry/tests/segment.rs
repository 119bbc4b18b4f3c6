//! What is written through one mapping is read through another.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use brigade_telemetry::{
    ConsumerFigures, CoreFigures, CounterFigures, Description, EdgeDescription, EdgeFigures, Error,
    ProducerFigures, Reader, Segment, StageDescription, StageFigures, Tally, WindowDescription,
    WindowFigures, now_ns,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

fn stage(name: &str, core: usize) -> StageDescription {
    StageDescription {
        name: name.into(),
        kind: name.into(),
        core,
        replicas: 1,
        ..StageDescription::default()
    }
}

fn description() -> Description {
    let edge = EdgeDescription {
        from_stage: 0,
        from_port: "out".into(),
        to_stage: 1,
        to_port: "in".into(),
        capacity: 8,
        hold: 4,
        bank: "net".into(),
        page_bytes: 4096,
    };
    Description {
        pipeline: "test".into(),
        placement: "spread".into(),
        cores: vec![2, 5],
        stages: vec![stage("first", 2), stage("second", 5)],
        edges: vec![edge],
        windows: vec![WindowDescription {
            stage: 0,
            name: "loop".into(),
            tokens: 3,
            output_edges: vec![0],
            input_edges: Vec::new(),
        }],
        counters: vec!["block_flushes_total".into()],
    }
}

#[test]
fn all_records_come_through() {
    let mut segment = Segment::create(&description()).unwrap();
    let reader = segment.reader().unwrap();
    let stage = StageFigures {
        times_ns: [1, 2, 3, 4, 5],
        held: 9,
        ..StageFigures::starting(7)
    };
    let core = CoreFigures {
        parks_total: 11,
        wakes_total: 12,
        ..CoreFigures::starting(13)
    };
    let producer = ProducerFigures {
        stock: 21,
        full_events_total: 22,
        ..Default::default()
    };
    let consumer = ConsumerFigures {
        stock: 31,
        wait_ns_sampled_max: 32,
        ..Default::default()
    };
    let window = WindowFigures {
        latency_ns_max: 41,
        ..Default::default()
    };
    let counter = CounterFigures { total: 51 };
    segment.stage(1).publish(&stage);
    segment.core(0).publish(&core);
    segment.producer(0).publish(&producer);
    segment.consumer(0).publish(&consumer);
    segment.window(0).publish(&window);
    segment.counter(0).publish(&counter);
    let before = now_ns();
    let snapshot = reader.snapshot().unwrap();
    assert!((before..=now_ns()).contains(&snapshot.at_ns));
    assert_eq!(snapshot.stages, [StageFigures::default(), stage]);
    assert_eq!(snapshot.cores, [core, CoreFigures::default()]);
    assert_eq!(snapshot.edges, [EdgeFigures { producer, consumer }]);
    assert_eq!(snapshot.windows, [window]);
    assert_eq!(snapshot.counters, [counter]);
    assert_eq!(reader.description(), &description());
    assert_eq!(reader.pid(), std::process::id());
    assert!(reader.start_ns() <= before);
}

#[test]
fn processes_without_a_segment_are_named() {
    let mut sleeper = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let error = Reader::attach(sleeper.id()).unwrap_err().to_string();
    let wanted = format!(
        "process {} is not a running Brigade (it has no telemetry segment)",
        sleeper.id()
    );
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(error, wanted);
    let error = Reader::attach(u32::MAX).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot look into process 4294967295: "),
        "{error}"
    );
}

#[test]
fn a_segment_outlives_its_writer_for_whoever_mapped_it() {
    let mut segment = Segment::create(&description()).unwrap();
    let reader = segment.reader().unwrap();
    segment.counter(0).publish(&CounterFigures { total: 5 });
    drop(segment);
    assert_eq!(reader.snapshot().unwrap().counters[0].total, 5);
}

#[test]
#[should_panic(expected = "already has its writer")]
fn a_record_has_one_writer() {
    let mut segment = Segment::create(&description()).unwrap();
    let _first = segment.stage(0);
    let _second = segment.stage(0);
}

#[test]
fn descriptions_that_point_nowhere_are_refused() {
    let refuse = |change: &dyn Fn(&mut Description)| {
        let mut wrong = description();
        change(&mut wrong);
        Segment::create(&wrong).unwrap_err().to_string()
    };
    assert_eq!(
        refuse(&|d| d.stages[0].core = 3),
        "the telemetry description is not valid: stage `first` is on core 3, which is not listed"
    );
    assert_eq!(
        refuse(&|d| d.edges[0].to_stage = 2),
        "the telemetry description is not valid: edge 0 joins a stage that is not listed"
    );
    assert_eq!(
        refuse(&|d| d.windows[0].stage = 2),
        "the telemetry description is not valid: window `loop` belongs to a stage that is not listed"
    );
    let error = refuse(&|d| d.pipeline = "x".repeat(2 << 20));
    assert!(error.contains("at most 1048576 fit"), "{error}");
}

/// Every published record has all words equal to one number, so a mixture of two is seen.
#[test]
fn a_torn_record_is_never_read() {
    const RECORDS: u64 = 100_000;
    let mut segment = Segment::create(&description()).unwrap();
    let reader = segment.reader().unwrap();
    let mut writer = segment.stage(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=RECORDS {
                writer.publish(&uniform(n));
            }
            done.store(true, Ordering::Release);
        });
        let mut last = 0;
        // One more look after the writer's last record, which must be it.
        loop {
            let finished = done.load(Ordering::Acquire);
            match reader.snapshot() {
                Ok(snapshot) => last = whole_and_later(&snapshot.stages[0], last),
                // A writer that does nothing but publish may be too fast for a slow reader.
                Err(Error::Unsettled { .. }) => assert!(!finished),
                Err(error) => panic!("{error}"),
            }
            if finished {
                break;
            }
        }
        assert_eq!(last, RECORDS);
    });
}

/// Checks that `figures` is one published record and none before `last`; returns its number.
fn whole_and_later(figures: &StageFigures, last: u64) -> u64 {
    let n = figures.messages_total;
    assert_eq!(
        *figures,
        if n == 0 {
            StageFigures::default()
        } else {
            uniform(n)
        }
    );
    assert!(n >= last, "a later look never shows an earlier record");
    n
}

#[test]
fn a_writer_stopped_in_the_middle_leaves_the_record_before() {
    let mut segment = Segment::create(&description()).unwrap();
    let mut writer = segment.stage(0);
    writer.publish(&uniform(1));
    writer.publish(&uniform(2));
    let mut words = words_of(&segment);
    // What a third publication would have stored before its sequence word: the odd copy.
    let record = description_end(&words);
    let copy_words = size_of::<StageFigures>() / 8;
    assert_eq!(words[record], 2, "the sequence");
    words[record + 1 + copy_words..][..copy_words / 2].fill(3);
    let snapshot = Reader::open(file_of(&words)).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.stages[0], uniform(2));
}

fn uniform(n: u64) -> StageFigures {
    let mut figures = StageFigures {
        times_ns: [n; 5],
        state: n,
        since_ns: n,
        ..Default::default()
    };
    figures.messages_total = n;
    figures.runs_total = n;
    figures.stopped = n;
    figures.copies_total = n;
    figures.copies_bytes_total = n;
    figures.held = n;
    figures.service.counts = [n; 32];
    figures
}

/// A file with these words as contents, sealed like a segment.
fn file_of(words: &[u64]) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("not-telemetry", flags).unwrap());
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    file.write_all(&bytes).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    file.into()
}

fn words_of(segment: &Segment) -> Vec<u64> {
    let bytes = std::fs::read(segment.path()).unwrap();
    bytes
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
        .collect()
}

/// The words of a segment that is right.
fn good_words() -> Vec<u64> {
    words_of(&Segment::create(&description()).unwrap())
}

/// The place of the first record.
fn description_end(words: &[u64]) -> usize {
    16 + (words[4] as usize).div_ceil(8).next_multiple_of(16)
}

#[test]
fn garbage_is_refused() {
    let error = |words: &[u64]| Reader::open(file_of(words)).unwrap_err().to_string();
    assert!(error(&[]).contains("0 bytes are no segment"));
    assert!(error(&[0; 15]).contains("120 bytes are no segment"));
    assert!(error(&[0; 64]).contains("it does not begin as one"));
    let with = |at: usize, word: u64| {
        let mut words = good_words();
        words[at] = word;
        error(&words)
    };
    assert!(with(1, 99).contains("its version is 99, this program reads 2"));
    assert!(with(4, u64::MAX).contains("its description does not fit in"));
    assert!(with(4, 1 << 20).contains("its description does not fit in"));
    assert!(with(4, 3).contains("its description is not valid"));
    assert!(with(5, 17).contains("its size is not what its header says"));
    assert!(with(16, 0).contains("its description is not valid"));
    let mut short = good_words();
    short.truncate(short.len() - 16);
    short[5] = short.len() as u64;
    assert!(error(&short).contains("its size does not fit its description"));
    assert!(
        Reader::open(file_of(&good_words())).is_ok(),
        "unchanged it is right"
    );
}

#[test]
fn a_file_that_could_shrink_is_refused() {
    let words: Vec<u8> = good_words()
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("not-telemetry", flags).unwrap());
    file.write_all(&words).unwrap();
    let error = Reader::open(&file).unwrap_err().to_string();
    assert!(error.contains("its size is not sealed"), "{error}");
}

/// Records full of garbage are figures like any other: no panic, and ratios that sum to one.
#[test]
fn garbage_in_records_is_harmless() {
    let mut words = good_words();
    let records = description_end(&words);
    for (i, word) in words[records..].iter_mut().enumerate() {
        *word = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let reader = Reader::open(file_of(&words)).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let nothing = Segment::create(&description())
        .unwrap()
        .reader()
        .unwrap()
        .snapshot()
        .unwrap();
    for interval in [
        snapshot.since(&nothing),
        nothing.since(&snapshot),
        snapshot.since(&snapshot),
    ] {
        for s in &interval.stages {
            let sum = s.busy_ratio + s.starved_ratio + s.blocked_ratio + s.ready_ratio;
            assert!((sum + s.awaiting_ratio - 1.0).abs() < 1e-9, "{s:?}");
        }
        for c in &interval.cores {
            assert!(
                (c.busy_ratio + c.polling_ratio + c.idle_ratio - 1.0).abs() < 1e-9,
                "{c:?}"
            );
        }
    }
}

#[test]
fn a_tally_is_a_plain_pair_of_totals() {
    let mut tally = Tally::starting(100);
    tally.add(2, 110);
    tally.add(1, 120);
    assert_eq!(
        tally,
        Tally {
            items: 3,
            integral_item_ns: 20,
            as_of_ns: 120
        }
    );
    assert_eq!(tally.integral_at(130), 50);
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut Description)| {
        let mut description = description();
        change(&mut description);
        Segment::create(&description).unwrap_err().to_string()
    };
    let error = refused(|d| d.stages[1].replica = 1);
    assert!(
        error.contains("replica 1 of stage `second` is one of 1"),
        "{error}"
    );
    let error = refused(|d| d.windows[0].input_edges = vec![1]);
    assert!(
        error.contains("window `loop` goes over an edge that is not listed"),
        "{error}"
    );
}
