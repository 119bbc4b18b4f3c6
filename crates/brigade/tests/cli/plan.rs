//! The load as a stage, `brigade plan` and `brigade tune`: from a run to a better one.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use crate::process::{Brigade, Signal, brigade};

const WEB: &str = "run web --nic load --disk mem:64M --items 20 --connections 4 --path";

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn number(output: &str, name: &str) -> f64 {
    let line = output.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no `{name}` in {output}"));
    let value = line.split_whitespace().find_map(|word| word.parse().ok());
    value.unwrap_or_else(|| panic!("no number in {line}"))
}

#[test]
fn the_load_as_a_stage_gets_right_pages_fused_and_spread() {
    let folder = tempdir().expect("a folder");
    for placement in ["fused", "spread", "replicated"] {
        for path in ["/product/{}", "order"] {
            let line = format!("{WEB} {path} --duration-s 1 --placement {placement}");
            let end = brigade(folder.path(), &words(&line));
            end.assert_orderly();
            assert!(number(&end.output, "pages ") > 0.0, "{}", end.output);
            assert_eq!(number(&end.output, "errors"), 0.0, "{}", end.output);
        }
    }
}

#[test]
fn more_connections_than_a_ring_takes_are_refused_in_one_line() {
    let folder = tempdir().expect("a folder");
    let line = "run web --nic load --disk mem:64M --items 20 --connections 999 --duration-s 1";
    let end = brigade(folder.path(), &words(line));
    assert!(!end.status.success());
    assert!(
        end.errors.contains("window `connections`"),
        "{}",
        end.errors
    );
}

#[test]
fn what_plan_writes_run_takes() {
    let folder = tempdir().expect("a folder");
    let mut running = Brigade::start(folder.path(), &words("run synthetic --placement fused"));
    running.line_with("shows the pipeline at work");
    let pid = running.pid().to_string();
    let record = ["record", "--pid", &pid, "--duration-s", "1", "-o", "p.json"];
    brigade(folder.path(), &record).assert_orderly();
    running.signal(Signal::TERM);
    running.end().assert_orderly();

    let line = "plan p.json --curve --svg curve.svg -o placement.toml";
    let end = brigade(folder.path(), &words(line));
    end.assert_orderly();
    assert!(end.output.contains("placement") && end.output.contains("interval"));
    let svg = fs::read_to_string(folder.path().join("curve.svg")).expect("the curve");
    assert!(svg.starts_with("<svg"));
    let run = "run synthetic --placement placement.toml --duration-s 1";
    brigade(folder.path(), &words(run)).assert_orderly();

    for objective in ["throughput", "latency", "cores"] {
        let line = format!("plan p.json --json --cores 8 --objective {objective}");
        let end = brigade(folder.path(), &words(&line));
        end.assert_orderly();
        let plan: Value = serde_json::from_str(&end.output).expect("JSON");
        let best = &plan["alternatives"][0]["requests_per_s"];
        let of = |end: &str| best[end].as_f64().expect("a number");
        assert!(
            of("low") <= of("mean") && of("mean") <= of("high"),
            "{best}"
        );
        assert_eq!(plan["curve"].as_array().expect("points").len(), 14);
    }
}

#[test]
fn a_machine_that_is_none_is_one_line() {
    let folder = tempdir().expect("a folder");
    let profile = include_str!("../../../model/profiles/window.json");
    fs::write(folder.path().join("p.json"), profile).expect("a file");
    fs::write(folder.path().join("m.json"), "{\"cores\": []}").expect("a file");
    let end = brigade(folder.path(), &words("plan p.json --machine m.json"));
    assert_eq!(end.errors.lines().count(), 1, "{}", end.errors);
    assert!(
        end.errors.starts_with("brigade: m.json: cores: is empty"),
        "{}",
        end.errors
    );
    let two = "{\"cores\": [{\"id\": 0}, {\"id\": 1, \"kind\": \"little\", \"speed_ratio\": 0.5}]}";
    fs::write(folder.path().join("m.json"), two).expect("a file");
    let end = brigade(folder.path(), &words("plan p.json --machine m.json"));
    end.assert_orderly();
}

#[test]
fn tune_predicts_before_it_runs_and_tells_both() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        println!("SKIPPED: tuning needs two cores");
        return;
    }
    let folder = tempdir().expect("a folder");
    let line = "tune synthetic --duration-s 1 --rounds 1 --tries 1 -o best.toml";
    let end = brigade(folder.path(), &words(line));
    end.assert_orderly();
    let before = end
        .output
        .find("chosen before it has run")
        .expect("the choice");
    let after = end.output.find("round 1 of 1").expect("the run");
    assert!(before < after, "{}", end.output);
    assert!(end.output.contains("predicted +") || end.output.contains("predicted -"));
    assert!(end.output.contains("measured") && end.output.contains("error of 2 predictions"));
    let placement = fs::read_to_string(folder.path().join("best.toml")).expect("a placement");
    assert!(placement.contains("[[core]]"));
}
