//! A planted pipeline, drawn and as JSON.

use brigade_telemetry::{
    CoreFigures, CoreState, CounterFigures, Description, EdgeDescription, EdgeFigures, Snapshot,
    StageDescription, StageFigures, StageState, Tally, WindowDescription, WindowFigures,
};

use super::{Frame, Style, draw, explanation, json};

const SECOND: u64 = 1_000_000_000;

fn description() -> Description {
    let stage = |name: &str, core| StageDescription {
        name: name.into(),
        kind: name.into(),
        core,
        replicas: 1,
        ..StageDescription::default()
    };
    let edge = |from_stage, from_port: &str, to_stage, to_port: &str| EdgeDescription {
        from_stage,
        from_port: from_port.into(),
        to_stage,
        to_port: to_port.into(),
        capacity: 100,
        hold: 32,
        bank: "net".into(),
        page_bytes: 16384,
    };
    Description {
        pipeline: "web".into(),
        placement: "spread".into(),
        cohort_messages: 32,
        cores: vec![0, 1],
        stages: vec![stage("nic", 0), stage("http", 0), stage("bookstore", 1)],
        edges: vec![
            edge(0, "to_tcp", 1, "events"),
            edge(1, "commands", 0, "from_tcp"),
            edge(1, "requests", 2, "requests"),
            edge(2, "direct", 0, "from_shop"),
        ],
        windows: vec![WindowDescription {
            stage: 1,
            name: "bookstore".into(),
            tokens: 64,
            output_edges: vec![2],
            input_edges: vec![0],
        }],
        counters: vec!["block_flushes_total".into()],
    }
}

/// A stage that was in each state (starved, busy, blocked, ready, awaiting) for so many percent of
/// the second, and took so many messages.
fn stage(percents: [u64; 5], messages_total: u64) -> StageFigures {
    let mut figures = StageFigures {
        messages_total,
        ..StageFigures::default()
    };
    let mut now_ns = 0;
    for (state, percent) in StageState::ALL.into_iter().zip(percents) {
        figures.enter(state, now_ns);
        now_ns += percent * SECOND / 100;
    }
    figures.enter(StageState::Starved, now_ns);
    figures
}

fn after() -> Snapshot {
    let mut edge = EdgeFigures::default();
    edge.producer.full_events_total = 7;
    edge.producer.sent = Tally {
        items: 500,
        integral_item_ns: 95 * SECOND,
        as_of_ns: SECOND,
    };
    edge.consumer.taken = Tally {
        items: 400,
        integral_item_ns: 0,
        as_of_ns: SECOND,
    };
    let mut core = CoreFigures::default();
    core.enter(CoreState::Busy, SECOND / 2);
    core.enter(CoreState::Polling, SECOND);
    let window = WindowFigures {
        in_flight: Tally {
            items: 3,
            integral_item_ns: 16 * SECOND,
            as_of_ns: SECOND,
        },
        completions_total: 10,
        latency_ns_sum: 12_000_000,
        ..WindowFigures::default()
    };
    Snapshot {
        at_ns: SECOND,
        stages: vec![
            stage([10, 20, 60, 10, 0], 1_000),
            stage([50, 30, 0, 0, 20], 0),
            stage([2, 98, 0, 0, 0], 9_800),
        ],
        cores: vec![core; 2],
        edges: vec![edge, EdgeFigures::default(), edge, EdgeFigures::default()],
        windows: vec![window],
        counters: vec![CounterFigures { total: 42 }],
    }
}

fn before() -> Snapshot {
    Snapshot {
        at_ns: 0,
        stages: vec![StageFigures::default(); 3],
        cores: vec![CoreFigures::default(); 2],
        edges: vec![EdgeFigures::default(); 4],
        windows: vec![WindowFigures::default()],
        counters: vec![CounterFigures { total: 40 }],
    }
}

fn with_frame<T>(show: impl FnOnce(&Frame<'_>) -> T) -> T {
    let (description, interval) = (description(), after().since(&before()));
    let explanation = explanation(&before(), &after(), &description);
    show(&Frame {
        pid: 4711,
        uptime_ns: 75 * SECOND,
        description: &description,
        interval: &interval,
        explanation: &explanation,
    })
}

fn drawn(columns: usize) -> String {
    with_frame(|frame| {
        draw(
            frame,
            Style {
                columns,
                ..Style::default()
            },
        )
    })
}

#[test]
fn the_drawing_has_every_figure_in_data_order() {
    let drawing = drawn(80);
    println!("{drawing}");
    let wanted = [
        "web  spread   process 4711   up 1 min 15 s   over 1.00 s",
        "bookstore is the bottleneck: it is busy 98 % of the time, and 95.0 messages wait",
        "length     messages",
        "nic         core 0  ",
        "200 us     1.00 k/s",
        "busy 20 %  ▓ blocked 60 %  ▒ ready 10 %  ░ awaiting 0 %  · starved 10 %",
        "↓ to_tcp > events             ▕",
        "95.0/100",
        "wait 238 ms",
        "↑ commands > from_tcp         ▕",
        "↑ bookstore.direct > nic.from",
        "http        core 0  ",
        " -          0/s",
        "↓ requests > requests",
        "bookstore   core 1  ",
        "core 0   ",
        "█ busy 50 %  ▒ polling 0 %  · idle 50 %",
        "window http.bookstore       ▕",
        "16.0/64",
        "latency 1.20 ms",
        "block_flushes_total",
        "42       2.00/s",
    ];
    let mut rest = drawing.as_str();
    for text in wanted {
        let at = rest
            .find(text)
            .unwrap_or_else(|| panic!("`{text}` is not (there) in\n{drawing}"));
        rest = &rest[at..];
    }
}

#[test]
fn no_line_is_longer_than_the_window() {
    for columns in [60, 80, 100, 120, 200] {
        let drawing = drawn(columns);
        println!("{drawing}");
        for line in drawing.lines() {
            let most = columns.max(80);
            assert!(line.chars().count() <= most, "{columns} columns: {line}");
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let style = Style {
        columns: 120,
        colour: true,
        ..Style::default()
    };
    let mut coloured = with_frame(|frame| draw(frame, style));
    assert!(coloured.contains("\x1b[32m█"));
    while let Some(start) = coloured.find('\x1b') {
        let end = start + coloured[start..].find('m').unwrap();
        coloured.replace_range(start..=end, "");
    }
    assert_eq!(coloured, drawn(120));
}

#[test]
fn a_low_window_loses_figures_first_and_then_lines() {
    let with_rows = |rows| {
        with_frame(|frame| {
            draw(
                frame,
                Style {
                    rows: Some(rows),
                    ..Style::default()
                },
            )
        })
    };
    let full = drawn(80).lines().count();
    assert_eq!(with_rows(full), drawn(80));
    let compact = with_rows(full - 1);
    assert_eq!(
        compact.lines().count(),
        full - 3,
        "the legends of three stages"
    );
    assert!(compact.contains("block_flushes_total"));
    let cut = with_rows(10);
    assert_eq!(cut.lines().count(), 10);
    assert!(cut.contains("bottleneck") && cut.contains("make the window higher"));
}

#[test]
fn foreign_names_cannot_steer_the_terminal() {
    let mut description = description();
    description.stages[0].name = "\x1b[2Jnic".into();
    description.pipeline = "\x07".into();
    let interval = after().since(&before());
    let explanation = explanation(&before(), &after(), &description);
    let frame = Frame {
        pid: 1,
        uptime_ns: 0,
        description: &description,
        interval: &interval,
        explanation: &explanation,
    };
    let drawing = draw(&frame, Style::default());
    assert!(!drawing.contains(['\x1b', '\x07']), "{drawing}");
}

#[test]
fn json_has_units_in_its_keys() {
    let value: serde_json::Value = serde_json::from_str(&with_frame(json)).unwrap();
    assert_eq!(value["pid"], 4711);
    assert_eq!(value["interval_s"], 1.0);
    let nic = &value["stages"][0];
    assert_eq!(nic["name"], "nic");
    assert_eq!(nic["core"], 0);
    assert_eq!(nic["messages_total"], 1_000);
    assert_eq!(nic["messages_per_s"], 1_000.0);
    assert_eq!(nic["stage_length_ns"], 200_000.0);
    let sum: f64 = ["busy", "starved", "blocked", "ready", "awaiting"]
        .iter()
        .map(|state| nic[format!("{state}_ratio")].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert_eq!(
        value["stages"][1]["stage_length_ns"],
        serde_json::Value::Null
    );
    let edge = &value["edges"][0];
    assert_eq!(
        (&edge["from"], &edge["to"]),
        (&"nic.to_tcp".into(), &"http.events".into())
    );
    assert_eq!(edge["occupancy_mean"], 95.0);
    assert_eq!(edge["capacity"], 100);
    assert_eq!(edge["wait_ns_mean"], 237_500_000.0);
    assert_eq!(value["cores"][1]["id"], 1);
    assert_eq!(value["windows"][0]["in_flight_mean"], 16.0);
    assert_eq!(value["counters"][0]["total"], 42);
    let explanation = &value["explanation"];
    assert_eq!(explanation["rule"], 1);
    assert_eq!(explanation["verdict"]["kind"], "stage");
    assert_eq!(explanation["verdict"]["stage"], "bookstore");
    let headline = explanation["headline"].as_str().unwrap();
    assert!(headline.starts_with("bookstore is the bottleneck"));
}

/// The bookstore's two replicas behind http, as entries 1 and 2.
fn replicated() -> Description {
    let mut replicated = description();
    for (replica, stage) in replicated.stages[1..].iter_mut().enumerate() {
        stage.name = "bookstore".into();
        (stage.replica, stage.replicas, stage.replicable) = (replica, 2, true);
    }
    let lanes = [(0, 1), (1, 0), (0, 2), (2, 0)];
    for (edge, (from, to)) in replicated.edges.iter_mut().zip(lanes) {
        (edge.from_stage, edge.to_stage) = (from, to);
        (edge.from_port, edge.to_port) = match from {
            0 => ("requests".into(), "requests".into()),
            _ => ("responses".into(), "responses".into()),
        };
    }
    replicated
}

fn with_replicas<T>(description: &Description, show: impl FnOnce(&Frame<'_>) -> T) -> T {
    let interval = after().since(&before());
    let explanation = explanation(&before(), &after(), description);
    show(&Frame {
        pid: 4711,
        uptime_ns: 75 * SECOND,
        description,
        interval: &interval,
        explanation: &explanation,
    })
}

#[test]
fn replicas_are_told_apart() {
    let mut description = replicated();
    let drawing = with_replicas(&description, |frame| draw(frame, Style::default()));
    println!("{drawing}");
    for wanted in [
        "bookstore/1 is the bottleneck",
        "\nbookstore/0 core 0",
        "\nbookstore/1 core 1",
        "↓ requests > requests/0",
        "↑ responses/0 > responses",
        "↓ requests > requests/1",
        "↑ responses/1 > responses",
        "window bookstore/0.bookstore",
    ] {
        assert!(drawing.contains(wanted), "`{wanted}` is not in\n{drawing}");
    }
    for stage in &mut description.stages[1..] {
        (stage.replica, stage.replicas) = (stage.replica + 10, 64);
    }
    let drawing = with_replicas(&description, |frame| draw(frame, Style::default()));
    assert!(drawing.contains("\nbooksto…/10 core 0"), "{drawing}");
}

#[test]
fn json_tells_replicas_apart() {
    let text = with_replicas(&replicated(), json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let stage = &value["stages"][2];
    assert_eq!(
        (&stage["name"], &stage["replica"]),
        (&"bookstore".into(), &1.into())
    );
    assert_eq!(
        (&stage["replicas"], &stage["replicable"]),
        (&2.into(), &true.into())
    );
    let edge = &value["edges"][2];
    assert_eq!(
        (&edge["from"], &edge["to"]),
        (&"nic.requests".into(), &"bookstore/1.requests".into())
    );
    assert_eq!(
        (&edge["from_replica"], &edge["to_replica"]),
        (&0.into(), &1.into())
    );
    assert_eq!(value["windows"][0]["output_edges"], serde_json::json!([2]));
    let verdict = &value["explanation"]["verdict"];
    assert_eq!(
        (&verdict["kind"], &verdict["replica"]),
        (&"hash_skew".into(), &1.into())
    );
}
