//! What a pipeline promises, on stages made for the purpose: everything sent arrives in order,
//! a failing stage ends it with its name, the end comes in order, and tight rings never deadlock.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use brigade_graph::{Pipeline, Placement};
use brigade_runtime::{Plan, Running, RuntimeError};
use brigade_stage::{
    Header, Input, Io, Kind, Message, OptionValue, Output, Registry, Stage, StageError, Window,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Number {
    value: u64,
}
impl Header for Number {
    const NAME: &'static str = "test::Number";
}

/// Sends `count` numbers, at most a window of them unanswered, and checks the answers' order.
struct Source {
    output: Output<Number>,
    answers: Input<Number>,
    window: Window,
    sent: u64,
    answered: u64,
    count: u64,
    done: Arc<AtomicU64>,
}

impl Stage for Source {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.answers) {
            if message.header().value != self.answered * 2 {
                return Err(format!(
                    "answer {} has value {}",
                    self.answered,
                    message.header().value
                )
                .into());
            }
            self.answered += 1;
            io.token_give(self.window, 1);
            io.release(message);
        }
        while self.sent < self.count && io.tokens(self.window) > 0 {
            let Some(page) = io.page(self.output) else {
                break;
            };
            io.token_take(self.window);
            io.send(self.output, Message::new(page, Number { value: self.sent }));
            self.sent += 1;
        }
        self.done.store(self.answered, Ordering::Relaxed);
        Ok(())
    }

    fn held(&self) -> usize {
        (self.sent - self.answered) as usize
    }
}

/// Adds `factor - 1` times the value; panics, or gives up, at a value of its choice.
struct Worker {
    input: Input<Number>,
    output: Output<Number>,
    factor: u64,
    panic_at: u64,
    fail_at: u64,
    closed: Option<Arc<Mutex<Vec<String>>>>,
    name: String,
}

impl Stage for Worker {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(mut message) = io.take(self.input) {
            let value = message.header().value;
            assert!(value != self.panic_at, "value {value} is too much");
            if value == self.fail_at {
                return Err("it gives up".into());
            }
            message.header_mut().value *= self.factor;
            io.send(self.output, message);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Io<'_>) -> Result<bool, StageError> {
        if let Some(closed) = &self.closed {
            closed.lock().unwrap().push(self.name.clone());
        }
        Ok(true)
    }
}

fn worker_kind() -> Kind {
    Kind::new("worker", |b| {
        Ok(Box::new(Worker {
            input: b.input("in")?,
            output: b.output("out")?,
            factor: b.integer("factor")? as u64,
            panic_at: b.integer("panic_at")? as u64,
            fail_at: b.integer("fail_at")? as u64,
            closed: b.resource("closed"),
            name: b.stage_name().to_owned(),
        }))
    })
    .input::<Number>("in")
    .output::<Number>("out")
    .needs("in", "out", 1)
    .option(
        "factor",
        OptionValue::Integer(1),
        "what a value is multiplied by",
    )
    .option(
        "panic_at",
        OptionValue::Integer(-1),
        "the value at which it panics",
    )
    .option(
        "fail_at",
        OptionValue::Integer(-1),
        "the value at which it gives up",
    )
}

fn source_kind() -> Kind {
    Kind::new("source", |b| {
        Ok(Box::new(Source {
            output: b.output("out")?,
            answers: b.input("answers")?,
            window: b.window("loop")?,
            sent: 0,
            answered: 0,
            count: b.integer("count")? as u64,
            done: b.resource("done").unwrap_or_default(),
        }))
    })
    .output::<Number>("out")
    .input::<Number>("answers")
    .window("loop", "out", "answers", 8)
    .option("count", OptionValue::Integer(1000), "numbers to send")
}

const TOML: &str = r#"
name = "loop"
[bank.net]
page_bytes = 4096
[[stage]]
name = "source"
kind = "source"
[[stage]]
name = "double"
kind = "worker"
factor = 2
[[stage]]
name = "pass"
kind = "worker"
[[edge]]
from = "source.out"
to = "double.in"
bank = "net"
ring = 16
hold = 16
[[edge]]
from = "double.out"
to = "pass.in"
bank = "net"
ring = 16
hold = 16
[[edge]]
from = "pass.out"
to = "source.answers"
bank = "net"
ring = 16
hold = 16
"#;

fn pipeline() -> Pipeline {
    let mut registry = Registry::new();
    registry.add(source_kind()).add(worker_kind());
    Pipeline::parse(TOML, "loop.toml", &registry).unwrap()
}

/// Two cores where there are two; with one, both loops share it, which is right but slow.
fn cores() -> Vec<usize> {
    let machine = brigade_topology::Machine::read().unwrap();
    machine.ids().into_iter().take(2).collect()
}

fn run_to_end(mut plan: Plan, count: u64) -> Result<(), RuntimeError> {
    let done = Arc::new(AtomicU64::new(0));
    plan.pipeline
        .set_option("source", "count", OptionValue::Integer(count as i64))
        .unwrap();
    plan.resources("source").put("done", done.clone());
    let running = Running::start(plan)?;
    let stop = running.stop_handle();
    let watcher = std::thread::spawn(move || {
        // A bound against hanging for ever, far above what it takes.
        for _ in 0..60_000 {
            if done.load(Ordering::Relaxed) == count {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.stop();
        done.load(Ordering::Relaxed)
    });
    running.wait(Some(Duration::from_secs(60)))?;
    assert_eq!(watcher.join().unwrap(), count, "every number came back");
    Ok(())
}

/// Starts a pipeline that fails; whether it fails before or after all stages were made.
fn run_to_error(plan: Plan) -> RuntimeError {
    let result =
        Running::start(plan).and_then(|running| running.wait(Some(Duration::from_secs(60))));
    result.expect_err("the pipeline fails")
}

#[test]
fn everything_arrives_in_order_in_every_placement() {
    let pipeline = pipeline();
    let cores = cores();
    for placement in [
        Placement::fused(&pipeline, cores[0]),
        Placement::fused(&pipeline, cores[cores.len() - 1]),
        Placement::spread(&pipeline, &cores),
    ] {
        run_to_end(Plan::new(pipeline.clone(), placement), 20_000).unwrap();
    }
}

#[test]
fn tight_rings_and_banks_never_deadlock_under_random_schedules() {
    for seed in 1..=20 {
        println!("seed {seed}");
        let pipeline = pipeline().minimum(1 + seed as usize % 3);
        let placement = Placement::fused(&pipeline, cores()[0]);
        let mut plan = Plan::new(pipeline, placement);
        plan.random_schedule = Some(seed);
        plan.cohort = 4;
        run_to_end(plan, 300).unwrap();
    }
}

#[test]
fn a_stage_that_panics_is_named_and_its_pages_are_reclaimed() {
    for spread in [false, true] {
        let mut pipeline = pipeline();
        pipeline
            .set_option("double", "panic_at", OptionValue::Integer(100))
            .unwrap();
        let cores = cores();
        let placement = match spread {
            true => Placement::spread(&pipeline, &cores),
            false => Placement::fused(&pipeline, cores[0]),
        };
        match run_to_error(Plan::new(pipeline, placement)) {
            RuntimeError::Panicked {
                stage,
                message,
                pages_reclaimed,
            } => {
                assert_eq!(stage, "double");
                assert_eq!(message, "value 100 is too much");
                // It has 32 pages; at most the 8 of the window are with its neighbours.
                assert!(
                    (24..=40).contains(&pages_reclaimed),
                    "{pages_reclaimed} pages came back"
                );
            }
            other => panic!("expected the panic to be reported, got {other:?}"),
        }
    }
}

/// Panics at a question of the core loop's.
struct Moody(String);

impl Moody {
    fn asked(&self, question: &str) {
        assert!(self.0 != question, "do not ask me for {question}");
    }
}

impl Stage for Moody {
    fn run(&mut self, _: &mut Io<'_>) -> Result<(), StageError> {
        self.asked("run");
        Ok(())
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        self.asked("files");
        Vec::new()
    }

    fn timer_ns(&self) -> Option<u64> {
        self.asked("timer_ns");
        None
    }

    fn held(&self) -> usize {
        self.asked("held");
        0
    }
}

fn moody_kind() -> Kind {
    Kind::new("moody", |b| Ok(Box::new(Moody(b.text("at")?))))
        .input::<Number>("in")
        .output::<Number>("out")
        .option("at", OptionValue::text(""), "the question it panics at")
}

#[test]
fn a_stage_that_panics_at_any_question_is_named() {
    let mut registry = Registry::new();
    registry
        .add(source_kind())
        .add(worker_kind())
        .add(moody_kind());
    for question in ["run", "files", "timer_ns", "held"] {
        let text = TOML.replace(
            "name = \"pass\"\nkind = \"worker\"",
            &format!("name = \"pass\"\nkind = \"moody\"\nat = \"{question}\""),
        );
        let pipeline = Pipeline::parse(&text, "moody.toml", &registry).unwrap();
        let placement = Placement::spread(&pipeline, &cores());
        let error = run_to_error(Plan::new(pipeline, placement)).to_string();
        let expected = format!("stage `pass` panicked: do not ask me for {question}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_stage_that_gives_up_is_named() {
    let mut pipeline = pipeline();
    pipeline
        .set_option("pass", "fail_at", OptionValue::Integer(10))
        .unwrap();
    let placement = Placement::fused(&pipeline, cores()[0]);
    let error = run_to_error(Plan::new(pipeline, placement));
    assert!(
        error
            .to_string()
            .starts_with("stage `pass` stopped the pipeline: it gives up"),
        "{error}"
    );
}

#[test]
fn stages_close_in_data_order() {
    let pipeline = pipeline();
    let closed = Arc::new(Mutex::new(Vec::<String>::new()));
    let placement = Placement::spread(&pipeline, &cores());
    let mut plan = Plan::new(pipeline, placement);
    for stage in ["double", "pass"] {
        plan.resources(stage).put("closed", closed.clone());
    }
    run_to_end(plan, 100).unwrap();
    assert_eq!(*closed.lock().unwrap(), ["double", "pass"]);
}

#[test]
fn the_times_of_stages_and_cores_sum_to_one() {
    let pipeline = pipeline();
    let placement = Placement::spread(&pipeline, &cores());
    let mut plan = Plan::new(pipeline, placement);
    plan.pipeline
        .set_option("source", "count", OptionValue::Integer(200_000))
        .unwrap();
    let running = Running::start(plan).unwrap();
    let reader = running.reader().unwrap();
    let before = reader.snapshot().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let interval = reader.snapshot().unwrap().since(&before);
    for stage in &interval.stages {
        let sum = stage.busy_ratio
            + stage.starved_ratio
            + stage.blocked_ratio
            + stage.ready_ratio
            + stage.awaiting_ratio;
        assert!((sum - 1.0).abs() < 1e-9, "{stage:?}");
    }
    for core in &interval.cores {
        let sum = core.busy_ratio + core.polling_ratio + core.idle_ratio;
        assert!((sum - 1.0).abs() < 1e-9, "{core:?}");
    }
    let moved: u64 = interval.stages.iter().map(|s| s.messages_total).sum();
    assert!(moved > 0, "messages were counted");
    running.stop_handle().stop();
    running.wait(None).unwrap();
}
