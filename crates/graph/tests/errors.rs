//! Every mistake in a file is one line with file, line and remedy.

mod kinds;

use brigade_graph::{Pipeline, Placement};
use kinds::{OFFICE, registry};

/// The message for the office with `right` (which must be there once) replaced by `wrong`.
fn error(right: &str, wrong: &str) -> String {
    assert_eq!(
        OFFICE.matches(right).count(),
        1,
        "`{right}` must be there once"
    );
    message(&OFFICE.replace(right, wrong))
}

fn message(text: &str) -> String {
    let error = Pipeline::parse(text, "office.toml", &registry()).expect_err("it is wrong");
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[track_caller]
fn check(right: &str, wrong: &str, wanted: &str) {
    assert_eq!(error(right, wrong), wanted);
}

#[test]
fn not_toml() {
    let message = error("name = \"office\"", "name = office\"");
    assert!(
        message.starts_with("office.toml:1: this is not TOML: "),
        "{message}"
    );
    let message = error("[bank.large]", "[bank.large");
    assert!(
        message.starts_with("office.toml:6: this is not TOML: "),
        "{message}"
    );
}

#[test]
fn the_end_of_the_file_is_its_last_line() {
    let message = message("# nothing is in\n# quotes yet\n\"");
    assert!(
        message.starts_with("office.toml:3: this is not TOML: "),
        "{message}"
    );
    // A key whose quotes nothing closes: the parser wants more behind the last line.
    let message = self::message(&OFFICE.replacen("name = \"office\"", "\"\"\"", 1));
    let lines = OFFICE.lines().count();
    let line: usize = message.split(':').nth(1).unwrap().parse().unwrap();
    assert!((1..=lines).contains(&line), "{message}");
}

#[test]
fn unknown_keys() {
    check(
        "name = \"office\"",
        "name = \"office\"\nstages = 3",
        "office.toml:2: `stages` is not known in the pipeline; did you mean `stage`? Known: name, bank, stage, edge",
    );
    check(
        "page_bytes = 4096",
        "page_byte = 4096",
        "office.toml:4: `page_byte` is not known in [bank.small]; did you mean `page_bytes`? Known: page_bytes",
    );
    check(
        "ring = 32",
        "rings = 32",
        "office.toml:25: `rings` is not known in [[edge]]; did you mean `ring`? Known: from, to, bank, ring, hold",
    );
}

#[test]
fn missing_keys() {
    check(
        "name = \"office\"",
        "",
        "office.toml:1: the pipeline lacks `name`; add name = \"web\"",
    );
    check(
        "page_bytes = 4096",
        "",
        "office.toml:3: [bank.small] lacks `page_bytes`; add page_bytes = 16384",
    );
    check(
        "from = \"desk.tells\"\n",
        "",
        "office.toml:28: [[edge]] lacks `from`; add from = \"stage.output\"",
    );
    check(
        "name = \"desk\"\n",
        "",
        "office.toml:13: [[stage]] lacks `name`; add name = \"...\"",
    );
    assert_eq!(
        message("name = \"empty\""),
        "office.toml:1: the pipeline has no stage; add a [[stage]]"
    );
}

#[test]
fn wrong_types() {
    check(
        "name = \"office\"",
        "name = 7",
        "office.toml:1: `name` of the pipeline must be a text, not a whole number",
    );
    check(
        "ring = 32",
        "ring = \"32\"",
        "office.toml:25: `ring` of [[edge]] must be a whole number, not a text",
    );
    check(
        "hold = 8",
        "hold = 99999999999999999999",
        "office.toml:26: `hold` of [[edge]] must be a whole number, not a number beyond 64 bits",
    );
    check(
        "windows = { clerk = 16 }",
        "windows = 16",
        "office.toml:15: `windows` of [[stage]] must be a table, not a whole number",
    );
    assert_eq!(
        message("name = \"x\"\nstage = 3"),
        "office.toml:2: `stage` of the pipeline must be a list of tables, written [[stage]], not a whole number"
    );
    assert_eq!(
        message("name = \"x\"\nbank.net = 3"),
        "office.toml:2: `net` of [bank] must be a table, not a whole number"
    );
    assert_eq!(
        message("name = \"x\"\nstage = [3]"),
        "office.toml:2: `stage` of the pipeline must be a list of tables, written [[stage]], not a whole number"
    );
}

#[test]
fn names() {
    check(
        "name = \"office\"",
        "name = \"my office\"",
        "office.toml:1: `my office` cannot be a name; use letters, digits, `_` and `-`",
    );
    check(
        "name = \"expert\"",
        "name = \"the.expert\"",
        "office.toml:18: `the.expert` cannot be a name; use letters, digits, `_` and `-`",
    );
    check(
        "[bank.large]",
        "[bank.\"\"]",
        "office.toml:6: `` cannot be a name; use letters, digits, `_` and `-`",
    );
    check(
        "name = \"expert\"",
        "name = \"desk\"",
        "office.toml:18: stage `desk` is there twice (first in line 14); give one another name",
    );
}

#[test]
fn unknown_kinds() {
    check(
        "kind = \"clerk\"",
        "kind = \"clrek\"",
        "office.toml:19: kind `clrek` of stage `expert` is not known; did you mean `clerk`? Known: clerk, client, desk",
    );
    check(
        "name = \"desk\"",
        "name = \"table\"",
        "office.toml:14: kind `table` of stage `table` is not known; known: clerk, client, desk",
    );
}

#[test]
fn ports_of_edges() {
    check(
        "from = \"client.asks\"",
        "from = \"client\"",
        "office.toml:22: `client` is not a port; write stage.port",
    );
    check(
        "from = \"client.asks\"",
        "from = \"clinet.asks\"",
        "office.toml:22: stage `clinet` is not known; did you mean `client`? Known: client, desk, expert",
    );
    check(
        "from = \"client.asks\"",
        "from = \"client.ask\"",
        "office.toml:22: stage `client` (kind `client`) has no output `ask`; did you mean `asks`? Known: asks",
    );
    check(
        "to = \"desk.asked\"",
        "to = \"desk.tells\"",
        "office.toml:23: stage `desk` (kind `desk`) has no input `tells`; known: asked, learns",
    );
    check(
        "from = \"expert.answers\"",
        "from = \"desk.tells\"",
        "office.toml:40: output `desk.tells` is joined twice (first in line 29); remove one of the edges",
    );
    check(
        "to = \"desk.learns\"",
        "to = \"client.told\"",
        "office.toml:40: input `client.told` is joined twice (first in line 29); remove one of the edges",
    );
}

#[test]
fn ports_that_are_not_joined() {
    let edge = &OFFICE[OFFICE.find("[[edge]]\nfrom = \"expert").unwrap()..];
    check(
        edge,
        "",
        "office.toml:14: input `desk.learns` is not joined to anything; add an [[edge]] to = \"desk.learns\"",
    );
    let at = OFFICE.find("[[edge]]").unwrap();
    assert_eq!(
        message(&OFFICE[..at]),
        "office.toml:10: output `client.asks` is not joined to anything; add an [[edge]] from = \"client.asks\""
    );
}

#[test]
fn messages_that_differ() {
    let swapped = OFFICE
        .replace("to = \"desk.asked\"", "to = \"desk.learns\" ")
        .replace("to = \"desk.learns\"\n", "to = \"desk.asked\"\n");
    assert_eq!(
        message(&swapped),
        "office.toml:22: `client.asks` sends test::Question but `desk.learns` takes test::Answer; join ports for the same messages"
    );
}

#[test]
fn banks() {
    check(
        "bank = \"large\"\nring = 32",
        "bank = \"big\"\nring = 32",
        "office.toml:24: bank `big` is not known; known: small, large",
    );
    check(
        "bank = \"large\"\nring = 32",
        "bank = \"lagre\"\nring = 32",
        "office.toml:24: bank `lagre` is not known; did you mean `large`? Known: small, large",
    );
    check(
        "bank = \"large\"\nring = 32",
        "ring = 32",
        "office.toml:21: the edge does not say which bank its pages are from; add bank = \"small\" or \"large\"",
    );
    for size in ["0", "-4096", "2048", "12288", "5000", "2097152"] {
        let wanted = format!(
            "office.toml:4: page_bytes = {size} is not possible; choose a power of two from 4096 to 1048576"
        );
        check(
            "page_bytes = 4096",
            &format!("page_bytes = {size}"),
            &wanted,
        );
    }
}

#[test]
fn capacities() {
    for value in ["0", "-1", "65537"] {
        let wanted = format!("office.toml:25: ring = {value} is not possible; choose 1 to 65536");
        check("ring = 32", &format!("ring = {value}"), &wanted);
    }
    check(
        "hold = 8",
        "hold = 0",
        "office.toml:26: hold = 0 is not possible; choose 1 to 65536",
    );
    check(
        "from = \"desk.tells\"",
        "ring = 1\nfrom = \"desk.tells\"",
        "office.toml:30: `desk.learns` needs room for 2 messages on `desk.tells`, whose ring takes 1; make ring at least 2",
    );
}

#[test]
fn windows() {
    check(
        "clerk = 16",
        "clark = 16",
        "office.toml:15: stage `desk` (kind `desk`) has no window `clark`; did you mean `clerk`? Known: clerk",
    );
    check(
        "clerk = 16",
        "clerk = 0",
        "office.toml:15: window `clerk` of stage `desk` must have 1 to 65536 tokens, not 0",
    );
    check(
        "clerk = 16",
        "clerk = true",
        "office.toml:15: `clerk` of windows must be a whole number, not true or false",
    );
    check(
        "clerk = 16",
        "clerk = 17",
        "office.toml:15: window `clerk` of stage `desk` has 17 tokens, but the ring from `desk.passes_on` to `expert.questions` on its way takes 16; make that ring at least 17 or the window at most 16",
    );
    let narrow_back = OFFICE.rfind("ring = 16").unwrap();
    let text = format!("{}ring = 15\n", &OFFICE[..narrow_back]);
    assert_eq!(
        message(&text),
        "office.toml:15: window `clerk` of stage `desk` has 16 tokens, but the ring from `expert.answers` to `desk.learns` on its way takes 15; make that ring at least 16 or the window at most 15"
    );
}

#[test]
fn a_window_reaches_through_stages_between() {
    // A second clerk's ring lies between the desk's question and its answer.
    let mut registry = registry();
    let relay = brigade_stage::Kind::new("relay", |_| Err("only declared".into()))
        .input::<kinds::Question>("in")
        .output::<kinds::Question>("out");
    registry.add(relay);
    let stage = "[[stage]]\nname = \"relay\"\n\n[[edge]]\nfrom = \"relay.out\"\nto = \"expert.questions\"\nbank = \"small\"\nring = 4\n\n[[edge]]\nfrom = \"client.asks\"";
    let text = OFFICE
        .replace("to = \"expert.questions\"", "to = \"relay.in\"")
        .replacen("[[edge]]\nfrom = \"client.asks\"", stage, 1);
    let error = Pipeline::parse(&text, "office.toml", &registry)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "office.toml:15: window `clerk` of stage `desk` has 16 tokens, but the ring from `relay.out` to `expert.questions` on its way takes 4; make that ring at least 16 or the window at most 4"
    );
}

#[test]
fn a_circle_of_waiting_needs_a_window() {
    // A desk without a window whose answers wait for its questions' way, and the other way round.
    let mut registry = registry();
    let desk = |needs_back: &str| {
        brigade_stage::Kind::new("desk", |_| Err("only declared".into()))
            .input::<kinds::Question>("asked")
            .output::<kinds::Question>("passes_on")
            .input::<kinds::Answer>("learns")
            .output::<kinds::Answer>("tells")
            .needs("asked", "passes_on", 1)
            .needs("learns", needs_back, 1)
    };
    let text = OFFICE.replace("windows = { clerk = 16 }", "");
    registry.add(desk("passes_on"));
    let error = Pipeline::parse(&text, "office.toml", &registry)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "office.toml:34: these ports wait for each other and would deadlock when their rings are full: desk.passes_on -> expert.answers -> desk.passes_on; declare a window on one of them, or a `needs` fewer"
    );
    registry.add(desk("passes_on").window("clerk", "passes_on", "learns", 4));
    assert!(
        Pipeline::parse(&text, "office.toml", &registry).is_ok(),
        "the window breaks it"
    );
    registry.add(desk("tells"));
    assert!(
        Pipeline::parse(&text, "office.toml", &registry).is_ok(),
        "answers go out to the client"
    );
}

#[test]
fn options() {
    check(
        "listen = \"127.0.0.1:9000\"",
        "lisen = \"x\"",
        "office.toml:11: kind `client` of stage `client` has no option `lisen`; did you mean `listen`? Known: listen, clients_max, patience_s, polite",
    );
    check(
        "kind = \"clerk\"",
        "kind = \"clerk\"\nsalary = 3",
        "office.toml:20: kind `clerk` of stage `expert` has no option `salary`; there is none to choose from",
    );
    check(
        "listen = \"127.0.0.1:9000\"",
        "listen = 9000",
        "office.toml:11: option `listen` of stage `client` must be a text, not a whole number",
    );
    check(
        "listen = \"127.0.0.1:9000\"",
        "listen = [1]",
        "office.toml:11: option `listen` of stage `client` must be a text, not a list",
    );
    check(
        "listen = \"127.0.0.1:9000\"",
        "polite = 1.5",
        "office.toml:11: option `polite` of stage `client` must be true or false, not a number",
    );
}

#[test]
fn kinds_that_contradict_themselves() {
    let mut registry = registry();
    let clerk = brigade_stage::Kind::new("clerk", |_| Err("only declared".into()));
    let clerk = clerk
        .input::<kinds::Question>("questions")
        .output::<kinds::Answer>("answers");
    registry.add(clerk.needs("questions", "answer", 1));
    let error = Pipeline::parse(OFFICE, "office.toml", &registry)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "office.toml:18: kind `clerk` declares a need on `answer`, which is not one of its ports; correct the kind"
    );
}

#[test]
fn placements() {
    let office = Pipeline::parse(OFFICE, "office.toml", &registry()).unwrap();
    let error = |text: &str| {
        Placement::parse(text, "p.toml", &office)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(""),
        "p.toml:1: the placement has no core; add a [[core]] with id and stages"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = []"),
        "p.toml:2: core 0 has no stages; give it some or leave it out"
    );
    assert_eq!(
        error("[[core]]\nid = -1\nstages = []"),
        "p.toml:2: `id` of [[core]] must be 0 or more, not -1"
    );
    assert_eq!(
        error("[[core]]\nstages = []"),
        "p.toml:1: [[core]] lacks `id`; add id = 0"
    );
    assert_eq!(
        error("[[core]]\nid = 0"),
        "p.toml:1: [[core]] lacks `stages`; add stages = [\"...\"]"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = [\n\"client\",\n3]"),
        "p.toml:5: `stages` of [[core]] must be a list of texts, not a whole number"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = [\n\"client\",\n\"dsek\"]"),
        "p.toml:5: stage `dsek` is not known; did you mean `desk`? Known: client, desk, expert"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = [\"client\"]\n[[core]]\nid = 1\nstages = [\"client\"]"),
        "p.toml:6: stage `client` is placed on several cores, but kind `client` may run only once: what it keeps cannot be divided; leave it on one core"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = [\"client\"]\n[[core]]\nid = 0\nstages = [\"desk\"]"),
        "p.toml:5: core 0 is there twice (first in line 2); put its stages into one list"
    );
    assert_eq!(
        error("[[core]]\nid = 0\nstages = [\"client\", \"expert\"]"),
        "p.toml:1: stage `desk` is not placed; add it to the stages of a [[core]]"
    );
    assert_eq!(
        error("[[cores]]\nid = 0"),
        "p.toml:1: `cores` is not known in the placement; did you mean `core`? Known: core"
    );
}
