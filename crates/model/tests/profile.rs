//! The profile's format: what is read, what is refused and how, and that schema and types agree.

mod support {
    pub mod schema;
}

use brigade_model::profile::Profile;
use serde_json::{Value, json};
use support::schema::violation;

const EXAMPLE: &str = include_str!("../profiles/window.json");
const SCHEMA: &str = include_str!("../profile.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn parse(value: &Value) -> Result<Profile, String> {
    Profile::parse(&value.to_string(), "p.json").map_err(|error| error.to_string())
}

/// A profile with every field that there is.
fn complete() -> Value {
    let mut value = example();
    let set = |value: &mut Value, at: &str, key: &str, field: Value| {
        value.pointer_mut(at).unwrap()[key] = field;
    };
    set(&mut value, "", "placement", json!("spread"));
    set(&mut value, "", "recorded_unix_s", json!(1_700_000_000));
    set(&mut value, "", "cohort_messages", json!(32));
    let load = json!({"kind": "closed", "clients": 4, "think_ns": 0.0});
    set(&mut value, "", "load", load);
    let stage = "/stages/1";
    set(&mut value, stage, "replicable", json!(true));
    set(&mut value, stage, "core_kind", json!("core"));
    set(&mut value, stage, "batch_messages", json!(2));
    let replica = "/stages/1/replicas/0";
    set(&mut value, replica, "runs_per_s", json!(100.0));
    set(&mut value, replica, "stopped", json!(true));
    set(&mut value, "/windows/0", "replica", json!(0));
    set(&mut value, "/edges/0", "latency_ns", json!(60.0));
    let ring = "/edges/0/rings/0";
    for key in [
        "from_replica",
        "to_replica",
        "occupancy_min_sampled_messages",
    ] {
        set(&mut value, ring, key, json!(0));
    }
    for key in [
        "occupancy_max_sampled_messages",
        "full_events_per_s",
        "producer_stock_pages",
        "consumer_stock_pages",
    ] {
        set(&mut value, ring, key, json!(3));
    }
    set(&mut value, "", "linux", linux());
    value
}

/// What only a Linux machine has.
fn linux() -> Value {
    json!({
        "stages": [{
            "stage": "shop",
            "pid": 7,
            "threads": 3,
            "waits": [{"wait": "pipe_read", "ratio": 0.5}],
        }],
        "queues": [{
            "to": "shop.in",
            "kind": "tcp",
            "message_bytes": 100.0,
            "dropped_per_s": 1.0,
            "rate_is_bound": true,
        }],
        "limits": [{
            "kind": "quota",
            "stage": "shop",
            "resource": "/batch",
            "cost_ratio": 0.4,
            "evidence": ["throttled"],
        }],
        "idle_threads": 5,
        "unseen": ["what others do"],
        "hidden_ratio": 0.2,
        "observer_ratio": 0.01,
    })
}

#[test]
fn a_linux_machines_part_names_stages_and_shares_that_can_be() {
    let mut value = example();
    value["linux"] = linux();
    assert!(parse(&value).is_ok());
    for (at, wrong, wanted) in [
        (
            "/linux/stages/0/stage",
            json!("nobody"),
            "p.json: linux.stages[0].stage: `nobody` names no stage",
        ),
        (
            "/linux/stages/0/waits/0/ratio",
            json!(1.5),
            "p.json: linux.stages[0].waits[0].ratio: is 1.5; give a share",
        ),
        (
            "/linux/limits/0/stage",
            json!("nobody"),
            "p.json: linux.limits[0].stage: `nobody` names no stage",
        ),
        (
            "/linux/limits/0/cost_ratio",
            json!(-0.5),
            "p.json: linux.limits[0].cost_ratio: is -0.5; give a share",
        ),
        (
            "/linux/queues/0/message_bytes",
            json!(-1.0),
            "p.json: linux.queues[0].message_bytes: is -1; give a number",
        ),
    ] {
        let mut value = value.clone();
        *value.pointer_mut(at).unwrap() = wrong;
        let error = parse(&value).unwrap_err();
        assert!(error.starts_with(wanted), "{at}: {error}");
    }
}

/// The pointers of all values in a document, the whole one first.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.into());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, field)| pointers(field, &format!("{at}/{key}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

fn all_pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    pointers(value, "", &mut found);
    found
}

#[test]
fn the_example_is_valid_and_comes_back_the_same() {
    let profile = Profile::parse(EXAMPLE, "window.json").unwrap();
    assert_eq!(violation(&schema(), &example()), None);
    let again = Profile::parse(&profile.to_json(), "again").unwrap();
    assert_eq!(again, profile);
    let written: Value = serde_json::from_str(&profile.to_json()).unwrap();
    assert_eq!(violation(&schema(), &written), None);
}

#[test]
fn every_field_of_the_schema_is_one_of_the_types() {
    let complete = complete();
    assert_eq!(violation(&schema(), &complete), None);
    let profile = parse(&complete).unwrap();
    let written: Value = serde_json::from_str(&profile.to_json()).unwrap();
    // What has its default is left out of a written file; all else is there.
    let read = parse(&written).unwrap();
    assert_eq!(read, profile);
    let keys: Vec<String> = all_pointers(&complete);
    for (name, definition) in schema()["$defs"].as_object().unwrap() {
        for key in definition["properties"].as_object().into_iter().flatten() {
            let used = keys
                .iter()
                .any(|path| path.ends_with(&format!("/{}", key.0)));
            assert!(used, "{name}.{} is in the schema and in no profile", key.0);
        }
    }
}

#[test]
fn schema_and_types_agree_on_what_is_required_and_on_unknown_fields() {
    let (schema, complete) = (schema(), complete());
    let mut compared = 0;
    for path in all_pointers(&complete) {
        let mut wrong = complete.clone();
        if let Some(fields) = wrong.pointer_mut(&path).unwrap().as_object_mut() {
            fields.insert("unheard_of".into(), json!(1));
            assert!(parse(&wrong).is_err(), "types take {path}/unheard_of");
            assert!(violation(&schema, &wrong).is_some(), "schema takes {path}");
        }
        let (parent, key) = path.rsplit_once('/').unwrap_or(("", ""));
        let mut without = complete.clone();
        let fields = without.pointer_mut(parent).unwrap().as_object_mut();
        if fields.is_some_and(|fields| fields.remove(key).is_some()) {
            let (types, schema) = (parse(&without), violation(&schema, &without));
            let missing = types.as_ref().is_err_and(|e| e.contains("missing"));
            assert_eq!(missing, schema.is_some(), "{path}: {types:?} / {schema:?}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn schema_and_types_agree_on_types() {
    let (schema, complete) = (schema(), complete());
    for path in all_pointers(&complete) {
        for other in [
            json!(null),
            json!("x"),
            json!([]),
            json!({}),
            json!(-1),
            json!(true),
        ] {
            let mut wrong = complete.clone();
            *wrong.pointer_mut(&path).unwrap() = other.clone();
            if parse(&wrong).is_ok() {
                assert_eq!(violation(&schema, &wrong), None, "{path} = {other}");
            }
        }
    }
}

#[test]
fn an_open_load_is_read_too() {
    let mut value = example();
    value["load"] = json!({"kind": "open", "requests_per_s": 10.0});
    assert!(parse(&value).is_ok());
    assert_eq!(violation(&schema(), &value), None);
}

/// Each mistake: the field, what is written there, and how the one line begins that it gets.
const MISTAKES: [(&str, &str, &str); 17] = [
    (
        "/stages/0/replicas/0/times/busy_ratio",
        "0.1",
        "p.json: stages[0].replicas[0].times: busy_ratio + starved_ratio + blocked_ratio + ready_ratio + awaiting_ratio sum to 0.900; they must sum to 1",
    ),
    (
        "/edges/0/rings/0/wait_mean_ns",
        "90000.0",
        "p.json: edges[0].rings[0].wait_mean_ns: breaks Little's law: messages_per_s * wait_mean_ns is 0.900 messages, occupancy_mean_messages is 0.300; one of the three is wrong",
    ),
    (
        "/windows/0/completions_per_s",
        "20000.0",
        "p.json: windows[0].latency_mean_ns: breaks Little's law: completions_per_s * latency_mean_ns is 8.000 tokens, in_flight_mean_tokens is 4.000; one of the three is wrong",
    ),
    (
        "/stages/0/replicas/0/service/mean_ns",
        "40000.0",
        "p.json: stages[0].replicas[0].service.mean_ns: with messages_per_s makes a busy_ratio of 0.400, but that is 0.200; one of the three is wrong",
    ),
    (
        "/stages/1/replicas/0/messages_per_s",
        r#""many""#,
        "p.json: stages[1].replicas[0].messages_per_s: invalid type: string \"many\", expected f64 at line",
    ),
    (
        "/edges/1/to",
        r#""shop""#,
        "p.json: edges[1].to: `shop` names no stage; give `stage.port` with one of stages",
    ),
    (
        "/edges/1/rings/0/occupancy_mean_messages",
        "99.0",
        "p.json: edges[1].rings[0].occupancy_mean_messages: is 99, more than capacity_messages 64",
    ),
    (
        "/windows/0/in_flight_mean_tokens",
        "5.0",
        "p.json: windows[0].in_flight_mean_tokens: is 5, more than tokens 4",
    ),
    (
        "/windows/0/out",
        r#""disk.nothing""#,
        "p.json: windows[0].out: `disk.nothing` is the `from` of no edge",
    ),
    (
        "/stages/1/replicas/0/core",
        "7",
        "p.json: stages[1].replicas[0].core: 7 is none of cores; add it there",
    ),
    (
        "/cores/1/id",
        "9",
        "p.json: cores[1].id: 9 is none of machine.cores; add it there",
    ),
    (
        "/stages/1/name",
        r#""shop""#,
        "p.json: stages[1].name: `shop` is there twice; give its replicas in one stage",
    ),
    (
        "/duration_ns",
        "0",
        "p.json: duration_ns: is 0; give the length of the run",
    ),
    (
        "/version",
        "2",
        "p.json: version: is 2; this program reads 1",
    ),
    (
        "/format",
        r#""else""#,
        "p.json: format: is \"else\"; this program reads \"brigade-profile\"",
    ),
    (
        "/edges/0/rings/0/messages_per_s",
        "20000.0",
        "p.json: edges[0].rings[0].wait_mean_ns: breaks Little's law",
    ),
    (
        "/stages/0/replicas/0/messages_per_s",
        "9000.0",
        "p.json: stages[0].replicas[0].messages_per_s: is 9000.0, but its rings delivered 10000.0/s; one of them is wrong",
    ),
];

#[test]
fn mistakes_are_named_by_their_field() {
    for (path, value, wanted) in MISTAKES {
        let mut wrong = example();
        *wrong.pointer_mut(path).unwrap() = serde_json::from_str(value).unwrap();
        let error = parse(&wrong).unwrap_err();
        assert!(error.starts_with(wanted), "{path}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn what_is_no_profile_is_said_in_one_line() {
    let error = |text: &str| Profile::parse(text, "f").unwrap_err().to_string();
    assert!(error("").starts_with("f: not a profile: EOF"));
    assert!(error("{}").starts_with("f: format: is missing; this program reads"));
    assert!(error(&format!("{EXAMPLE} x")).contains("trailing characters"));
    assert!(error("[1]").starts_with("f: format: is missing"));
}

/// A small generator (splitmix64): the seed is printed, so a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (end as u64)).unwrap()
    }
}

fn seed() -> u64 {
    let given = std::env::var("BRIGADE_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| std::process::id().into());
    println!("BRIGADE_SEED={seed}");
    seed
}

#[test]
fn a_truncated_file_is_refused_in_one_line() {
    for end in 0..EXAMPLE.trim_end().len() {
        let error = Profile::parse(&EXAMPLE[..end], "cut")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cut: ") && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn a_mutated_file_is_refused_or_explained_and_nothing_panics() {
    let mut random = Random(seed());
    let pieces = [
        "0",
        "-1",
        "1e308",
        "1e999",
        "\"",
        "{",
        "]",
        ",",
        "null",
        "0.5",
        "\u{1b}",
        "18446744073709551615",
        "\\n",
    ];
    let compact = complete().to_string();
    for _ in 0..4_000 {
        let mut bytes = compact.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            let end = (at + random.below(6)).min(bytes.len());
            let piece = pieces[random.below(pieces.len())];
            bytes.splice(at..end, piece.bytes());
        }
        let text = String::from_utf8_lossy(&bytes);
        match Profile::parse(&text, "m") {
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            Ok(profile) => assert!(!brigade_model::explain::explain(&profile).text().is_empty()),
        }
    }
}

#[test]
fn mutated_values_are_refused_or_explained_and_nothing_panics() {
    let mut random = Random(seed());
    let complete = complete();
    let paths = all_pointers(&complete);
    let values = [
        json!(0),
        json!(0.0),
        json!(1e308),
        json!(u64::MAX),
        json!(1),
        json!(0.9),
        json!("shop.reads"),
        json!([]),
    ];
    let mut accepted = 0;
    for _ in 0..4_000 {
        let mut wrong = complete.clone();
        for _ in 0..=random.below(3) {
            let path = &paths[random.below(paths.len())];
            if let Some(value) = wrong.pointer_mut(path) {
                *value = values[random.below(values.len())].clone();
            }
        }
        if let Ok(profile) = parse(&wrong) {
            accepted += 1;
            let explanation = brigade_model::explain::explain(&profile);
            assert!(!explanation.text().is_empty() && !explanation.to_json().is_empty());
        }
    }
    assert!(accepted > 100, "{accepted}");
}
