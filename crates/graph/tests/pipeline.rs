//! What a right pipeline gives.

mod kinds;

use brigade_graph::{Pipeline, Placement};
use brigade_stage::OptionValue;
use kinds::{OFFICE, registry};

fn office() -> Pipeline {
    Pipeline::parse(OFFICE, "office.toml", &registry()).expect("the office is right")
}

#[test]
fn stages_edges_banks_and_windows_are_there() {
    let office = office();
    assert_eq!(office.name(), "office");
    assert_eq!(office.file(), "office.toml");
    let stages: Vec<_> = office
        .stages()
        .iter()
        .map(|s| (s.name.as_str(), s.kind.name()))
        .collect();
    assert_eq!(
        stages,
        [("client", "client"), ("desk", "desk"), ("expert", "clerk")]
    );
    assert_eq!(
        office.stages()[0].options["listen"],
        OptionValue::text("127.0.0.1:9000")
    );
    let banks: Vec<_> = office
        .banks()
        .iter()
        .map(|b| (b.name.as_str(), b.page_bytes))
        .collect();
    assert_eq!(banks, [("small", 4096), ("large", 16384)]);
    let edges: Vec<_> = office
        .edges()
        .iter()
        .map(|e| {
            (
                office.from_name(e),
                office.to_name(e),
                e.bank,
                e.ring,
                e.hold,
            )
        })
        .collect();
    let edge = |from: &str, to: &str, bank, ring, hold| (from.into(), to.into(), bank, ring, hold);
    assert_eq!(
        edges,
        [
            edge("client.asks", "desk.asked", 1, 32, 8),
            edge("desk.tells", "client.told", 1, 64, 32),
            edge("desk.passes_on", "expert.questions", 0, 16, 32),
            edge("expert.answers", "desk.learns", 0, 16, 32),
        ]
    );
    let windows: Vec<_> = office
        .windows()
        .iter()
        .map(|w| (w.stage, w.window, w.tokens))
        .collect();
    assert_eq!(windows, [(1, 0, 16)]);
}

#[test]
fn a_bank_has_the_pages_of_all_its_producers_and_consumers() {
    let office = office();
    assert_eq!(office.bank_pages(0), 16 + 32 + 16 + 32);
    assert_eq!(office.bank_pages(1), 32 + 8 + 64 + 32);
}

#[test]
fn the_only_bank_need_not_be_named() {
    let text = OFFICE
        .replace("[bank.small]\npage_bytes = 4096\n", "")
        .replace("bank = \"small\"\n", "")
        .replace("bank = \"large\"\n", "");
    let office = Pipeline::parse(&text, "office.toml", &registry()).unwrap();
    assert!(office.edges().iter().all(|edge| edge.bank == 0));
}

#[test]
fn ports_are_found_by_name() {
    let office = office();
    assert_eq!(office.edge_of_output(1, "tells"), Some(1));
    assert_eq!(office.edge_of_input(1, "learns"), Some(3));
    assert_eq!(office.edge_of_input(1, "tells"), None);
}

#[test]
fn the_minimum_has_rings_for_windows_and_needs_alone() {
    let minimum = office().minimum(3);
    let rings: Vec<_> = minimum.edges().iter().map(|e| (e.ring, e.hold)).collect();
    // asks: nothing demands more than one; tells: the desk needs two; the window: three each.
    assert_eq!(rings, [(1, 1), (2, 1), (3, 1), (3, 1)]);
    assert_eq!(minimum.windows()[0].tokens, 3);
    assert_eq!(
        office().minimum(100).windows()[0].tokens,
        16,
        "a minimum never grows a window"
    );
    assert_eq!(office().minimum(0).windows()[0].tokens, 1);
}

#[test]
fn options_are_set_like_on_the_command_line() {
    let mut office = office();
    office
        .set_option("client", "clients_max", OptionValue::Integer(3))
        .unwrap();
    office
        .set_option("client", "patience_s", OptionValue::Integer(2))
        .unwrap();
    let options = &office.stages()[0].options;
    assert_eq!(options["clients_max"], OptionValue::Integer(3));
    assert_eq!(
        options["patience_s"],
        OptionValue::Real(2.0),
        "a whole number is a number"
    );
    let mut set = |stage, option, value| {
        office
            .set_option(stage, option, value)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        set("client", "clients_max", OptionValue::text("3")),
        "office.toml:10: option `clients_max` of stage `client` must be a whole number, not a text"
    );
    assert_eq!(
        set("client", "client_max", OptionValue::Integer(3)),
        "office.toml:10: kind `client` of stage `client` has no option `client_max`; did you mean `clients_max`? Known: listen, clients_max, patience_s, polite"
    );
    assert_eq!(
        set("desc", "x", OptionValue::Integer(3)),
        "office.toml: stage `desc` is not known; did you mean `desk`? Known: client, desk, expert"
    );
}

#[test]
fn a_stage_can_be_made_from_another_kind() {
    let mut registry = registry();
    let other = brigade_stage::Kind::new("robot", |_| Err("only declared".into()))
        .input::<kinds::Answer>("told")
        .input::<kinds::Answer>("unused")
        .output::<kinds::Question>("asks");
    registry.add(other);
    let mut office = office();
    let error = office
        .set_kind("client", "robot", &registry)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "office.toml:10: input `client.unused` is not joined to anything; add an [[edge]] to = \"client.unused\""
    );
    assert_eq!(office.stages()[0].kind.name(), "client", "it is as before");
    let other = brigade_stage::Kind::new("robot", |_| Err("only declared".into()))
        .input::<kinds::Answer>("told")
        .output::<kinds::Question>("asks");
    registry.add(other);
    office.set_kind("client", "robot", &registry).unwrap();
    assert_eq!(office.stages()[0].kind.name(), "robot");
    assert!(
        office.stages()[0].options.is_empty(),
        "the robot listens nowhere"
    );
    let error = office
        .set_kind("client", "rbot", &registry)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "office.toml:10: kind `rbot` of stage `client` is not known; did you mean `robot`? Known: clerk, client, desk, robot"
    );
}

fn groups(placement: &Placement) -> Vec<(usize, Vec<usize>)> {
    placement
        .cores()
        .iter()
        .map(|c| (c.core, c.stages.clone()))
        .collect()
}

#[test]
fn fused_and_spread() {
    let office = office();
    let fused = Placement::fused(&office, 5);
    assert_eq!(groups(&fused), [(5, vec![0, 1, 2])]);
    assert_eq!(fused.name(), "fused");
    assert_eq!(
        groups(&Placement::spread(&office, &[4, 2])),
        [(4, vec![0, 1]), (2, vec![2])]
    );
    let three = [(0, vec![0]), (1, vec![1]), (2, vec![2])];
    assert_eq!(groups(&Placement::spread(&office, &[0, 1, 2, 3])), three);
    assert_eq!(Placement::spread(&office, &[4, 2]).core_of(2), 2);
}

#[test]
fn a_placement_is_written_and_read_back() {
    let office = office();
    let spread = Placement::spread(&office, &[1, 0]);
    let text = spread.to_toml(&office);
    let read = Placement::parse(&text, "mine.toml", &office).unwrap();
    assert_eq!(groups(&read), groups(&spread));
    assert_eq!(read.name(), "mine.toml");
}
