//! Stages on several cores: which may be, and what must hold then.

mod kinds;

use brigade_graph::{Pipeline, Placement, SeatPlacement};
use brigade_stage::{Kind, Registry};
use kinds::{Answer, OFFICE, Question, registry};

fn only_declared(name: &str) -> Kind {
    Kind::new(name, |_| Err("this kind is only declared".into()))
}

/// A clerk that answers the desk that asked.
fn replying_clerk() -> Kind {
    only_declared("clerk")
        .input::<Question>("questions")
        .output_reply::<Answer>("answers", "questions")
        .needs("questions", "answers", 1)
        .replicable()
}

fn office(kinds: impl IntoIterator<Item = Kind>) -> Pipeline {
    let mut registry: Registry = registry();
    for kind in kinds {
        registry.add(kind);
    }
    Pipeline::parse(OFFICE, "office.toml", &registry).expect("the office is right")
}

fn desk() -> Kind {
    let registry = registry();
    registry.get("desk").expect("the desk").clone().replicable()
}

fn groups(placement: &Placement) -> Vec<(usize, Vec<usize>)> {
    let cores = placement.cores().iter();
    cores.map(|c| (c.core, c.stages.clone())).collect()
}

const BOTH: &str = "[[core]]\nid = 0\nstages = [\"client\", \"desk\"]\n\
                    [[core]]\nid = 1\nstages = [\"desk\", \"expert\"]\n";

fn error(text: &str, pipeline: &Pipeline) -> String {
    Placement::parse(text, "p.toml", pipeline)
        .expect_err("it is wrong")
        .to_string()
}

#[test]
fn replicated_puts_what_may_have_replicas_on_every_core() {
    let office = office([desk(), replying_clerk()]);
    let placement = Placement::replicated(&office, &[4, 2, 7]);
    assert_eq!(placement.name(), "replicated");
    let rest = || vec![1, 2];
    assert_eq!(
        groups(&placement),
        [(4, vec![0, 1, 2]), (2, rest()), (7, rest())]
    );
    assert_eq!([0, 1, 2].map(|stage| placement.replicas(stage)), [1, 3, 3]);
    placement.check(&office).expect("the office may be so");
    let one = Placement::replicated(&office, &[4]);
    assert_eq!(groups(&one), groups(&Placement::fused(&office, 4)));
}

#[test]
fn without_a_replicable_stage_replicated_is_fused() {
    let office = office([]);
    let placement = Placement::replicated(&office, &[0, 1]);
    assert_eq!(groups(&placement), [(0, vec![0, 1, 2])]);
}

#[test]
fn seats_are_by_stage_and_then_by_core() {
    let office = office([desk(), replying_clerk()]);
    let placement = Placement::parse(BOTH, "p.toml", &office).expect("it is right");
    let seat = |stage, replica, replicas, slot| SeatPlacement {
        stage,
        replica,
        replicas,
        slot,
    };
    let expected = [
        seat(0, 0, 1, 0),
        seat(1, 0, 2, 0),
        seat(1, 1, 2, 1),
        seat(2, 0, 1, 1),
    ];
    assert_eq!(placement.seats(), expected);
    assert_eq!(placement.core_of(1), 0);
}

#[test]
fn a_placement_with_replicas_is_written_and_read_back() {
    let office = office([desk(), replying_clerk()]);
    let placement = Placement::replicated(&office, &[1, 0]);
    let text = placement.to_toml(&office);
    let read = Placement::parse(&text, "mine.toml", &office).expect("it was written so");
    assert_eq!(groups(&read), groups(&placement));
}

#[test]
fn a_bank_has_pages_for_every_lane() {
    let office = office([desk(), replying_clerk()]);
    let placement = Placement::replicated(&office, &[0, 1]);
    let placed = [0, 1].map(|bank| office.bank_pages_placed(bank, &placement));
    // desk to expert and back: two by two lanes; client to desk and back: one by two.
    assert_eq!(placed, [4 * (16 + 32 + 16 + 32), 2 * (32 + 8 + 64 + 32)]);
    let fused = Placement::fused(&office, 0);
    let placed = [0, 1].map(|bank| office.bank_pages_placed(bank, &fused));
    assert_eq!(placed, [0, 1].map(|bank| office.bank_pages(bank)));
}

#[test]
fn a_stage_that_may_run_only_once_stays_on_one_core() {
    assert_eq!(
        error(BOTH, &office([])),
        "p.toml:6: stage `desk` is placed on several cores, but kind `desk` may run only once: what it keeps cannot be divided; leave it on one core"
    );
}

#[test]
fn a_stage_is_on_a_core_at_most_once() {
    let text = "[[core]]\nid = 3\nstages = [\"client\", \"desk\", \"expert\", \"desk\"]\n";
    assert_eq!(
        error(text, &office([desk()])),
        "p.toml:3: stage `desk` is there twice on core 3 (first in line 3); remove it once, or put it on another core for a replica"
    );
}

#[test]
fn answers_must_find_the_replica_that_asked() {
    assert_eq!(
        error(BOTH, &office([desk()])),
        "office.toml:40: window `clerk` of stage `desk` cannot have replicas: its answers come from `expert.answers`, which does not reply to who asked; declare that output with Kind::output_reply, or leave `desk` on one core"
    );
    // With one desk there is nothing to be found.
    Placement::spread(&office([desk()]), &[0, 1])
        .check(&office([desk()]))
        .expect("one desk");
}

#[test]
fn a_reply_must_go_to_where_the_question_came_from() {
    let desk = only_declared("desk")
        .input::<Question>("asked")
        .output::<Question>("passes_on")
        .input::<Answer>("learns")
        .output_reply::<Answer>("tells", "learns")
        .needs("asked", "passes_on", 1)
        .needs("learns", "tells", 2)
        .window("clerk", "passes_on", "learns", 8);
    let text = "[[core]]\nid = 0\nstages = [\"client\", \"desk\", \"expert\"]\n\
                [[core]]\nid = 1\nstages = [\"expert\"]\n";
    assert_eq!(
        error(text, &office([desk, replying_clerk()])),
        "office.toml:29: `desk.tells` replies to `client`, but what it answers comes from `expert`; join both to one stage, or leave both on one core each"
    );
}

#[test]
fn a_kind_replies_to_an_input_of_its_own() {
    let clerk = only_declared("clerk")
        .input::<Question>("questions")
        .output_reply::<Answer>("answers", "question");
    let mut registry = registry();
    registry.add(clerk);
    let error = Pipeline::parse(OFFICE, "office.toml", &registry).expect_err("a slip");
    assert!(
        error
            .to_string()
            .contains("kind `clerk` declares a reply on `question`, which is not one of its ports"),
        "{error}"
    );
}
