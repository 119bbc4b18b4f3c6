//! Replicas of stages on the cores of a running pipeline: everything is answered, by the replica
//! that it went to and to the one that asked; a replica that fails is named; the end comes in data
//! order, replica by replica; telemetry shows each replica and each lane.
//!
//! ```text
//!   client/0 --asks (by key)--> server/0
//!   client/1 <--answers-------- server/1      (each with each)
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use brigade_graph::{Pipeline, Placement};
use brigade_runtime::{Plan, Running, RuntimeError};
use brigade_stage::{
    Header, Input, Io, Kind, Message, OptionValue, Output, Registry, Stage, StageError, Window,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Ask {
    client: u64,
    key: u64,
    number: u64,
    server: u64,
}
impl Header for Ask {
    const NAME: &'static str = "test::Ask";
}

const KEYS: u64 = 5;

struct Client {
    asks: Output<Ask>,
    answers: Input<Ask>,
    window: Window,
    id: u64,
    count: u64,
    sent: u64,
    answered: u64,
    /// Of each key: the number of the next answer, and the server that gives it.
    keys: HashMap<u64, (u64, Option<u64>)>,
    total: Arc<AtomicU64>,
    closed: Arc<Mutex<Vec<String>>>,
}

impl Stage for Client {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(answer) = io.take(self.answers) {
            let ask = *answer.header();
            let (next, server) = self.keys.entry(ask.key).or_default();
            let right = ask.client == self.id
                && ask.number == *next
                && *server.get_or_insert(ask.server) == ask.server;
            if !right {
                return Err(format!("{ask:?} came to client {}", self.id).into());
            }
            *next += 1;
            self.answered += 1;
            self.total.fetch_add(1, Ordering::Relaxed);
            io.token_give(self.window, 1);
            io.release(answer);
        }
        while self.sent < self.count && io.tokens(self.window) > 0 {
            let (key, number) = (self.sent % KEYS, self.sent / KEYS);
            let route = brigade_stage::Route::Keyed(key);
            let Some(page) = io.page_to(self.asks, route) else {
                break;
            };
            let (client, server) = (self.id, 0);
            let ask = Ask {
                client,
                key,
                number,
                server,
            };
            io.token_take(self.window);
            io.send_keyed(self.asks, key, Message::new(page, ask));
            self.sent += 1;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        (self.sent - self.answered) as usize
    }

    fn finish(&mut self, _: &mut Io<'_>) -> Result<bool, StageError> {
        self.closed.lock().unwrap().push("client".into());
        Ok(true)
    }
}

struct Server {
    asks: Input<Ask>,
    answers: Output<Ask>,
    id: u64,
    panic_at: u64,
    closed: Arc<Mutex<Vec<String>>>,
}

impl Stage for Server {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(mut ask) = io.take(self.asks) {
            assert!(ask.header().number != self.panic_at, "that is too much");
            ask.header_mut().server = self.id;
            io.reply_to(self.answers, ask.origin(), ask);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Io<'_>) -> Result<bool, StageError> {
        self.closed.lock().unwrap().push("server".into());
        Ok(true)
    }
}

fn registry() -> Registry {
    let client = Kind::new("client", |b| {
        let ids = b.shared("ids", || Ok(Arc::new(AtomicU64::new(0))))?;
        Ok(Box::new(Client {
            asks: b.output("asks")?,
            answers: b.input("answers")?,
            window: b.window("loop")?,
            id: ids.fetch_add(1, Ordering::Relaxed),
            count: b.integer("count")? as u64,
            sent: 0,
            answered: 0,
            keys: HashMap::new(),
            total: b.shared("total", || Ok(Arc::default()))?,
            closed: b.shared("closed", || Ok(Arc::default()))?,
        }))
    })
    .output_keyed::<Ask>("asks")
    .input::<Ask>("answers")
    .window("loop", "asks", "answers", 8)
    .option("count", OptionValue::Integer(1000), "questions to ask")
    .replicable();
    let server = Kind::new("server", |b| {
        let ids = b.shared("ids", || Ok(Arc::new(AtomicU64::new(0))))?;
        Ok(Box::new(Server {
            asks: b.input("asks")?,
            answers: b.output("answers")?,
            id: ids.fetch_add(1, Ordering::Relaxed),
            panic_at: b.integer("panic_at")? as u64,
            closed: b.shared("closed", || Ok(Arc::default()))?,
        }))
    })
    .input::<Ask>("asks")
    .output_reply::<Ask>("answers", "asks")
    .needs("asks", "answers", 1)
    .option(
        "panic_at",
        OptionValue::Integer(-1),
        "the number at which it panics",
    )
    .replicable();
    let mut registry = Registry::new();
    registry.add(client).add(server);
    registry
}

const TOML: &str = r#"
name = "replicas"
[bank.net]
page_bytes = 4096
[[stage]]
name = "client"
[[stage]]
name = "server"
[[edge]]
from = "client.asks"
to = "server.asks"
ring = 16
hold = 8
[[edge]]
from = "server.answers"
to = "client.answers"
ring = 16
hold = 8
"#;

fn pipeline() -> Pipeline {
    Pipeline::parse(TOML, "replicas.toml", &registry()).unwrap()
}

/// Two cores where there are two. With one, there is one replica, and less is tested.
fn cores() -> Vec<usize> {
    let machine = brigade_topology::Machine::read().unwrap();
    machine.ids().into_iter().take(2).collect()
}

/// A placement of replicas, from `c` for clients and `s` for servers on each core.
fn placed(pipeline: &Pipeline, groups: [&str; 2]) -> Placement {
    let names = |group: &str| {
        let names = group
            .chars()
            .map(|c| if c == 'c' { "\"client\"" } else { "\"server\"" });
        names.collect::<Vec<_>>().join(", ")
    };
    let cores = cores();
    let groups: Vec<String> = match cores.len() {
        1 => vec!["cs".into()],
        _ => groups.map(str::to_owned).to_vec(),
    };
    let core = |(id, group): (&usize, &String)| {
        format!("[[core]]\nid = {id}\nstages = [{}]\n", names(group))
    };
    let text: String = cores.iter().zip(&groups).map(core).collect();
    Placement::parse(&text, "placed.toml", pipeline).unwrap()
}

/// Runs until all clients together have `wanted` answers, and stops in order.
fn run_to_end(mut plan: Plan, wanted: u64) -> Result<(), RuntimeError> {
    let total = Arc::new(AtomicU64::new(0));
    plan.resources("client").put("total", Arc::clone(&total));
    let running = Running::start(plan)?;
    let stop = running.stop_handle();
    let watched = Arc::clone(&total);
    let watcher = std::thread::spawn(move || {
        // A bound against hanging for ever, far above what it takes.
        for _ in 0..60_000 {
            if watched.load(Ordering::Relaxed) >= wanted {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.stop();
    });
    running.wait(Some(Duration::from_secs(60)))?;
    watcher.join().unwrap();
    assert_eq!(
        total.load(Ordering::Relaxed),
        wanted,
        "every question was answered"
    );
    Ok(())
}

#[test]
fn every_replica_gets_its_answers_in_order_wherever_they_are() {
    for groups in [
        ["cs", "cs"],
        ["c", "cs"],
        ["cs", "s"],
        ["sc", "s"],
        ["c", "s"],
    ] {
        let mut pipeline = pipeline();
        let count = OptionValue::Integer(5_000);
        pipeline.set_option("client", "count", count).unwrap();
        let placement = placed(&pipeline, groups);
        let clients = placement.replicas(0) as u64;
        run_to_end(Plan::new(pipeline, placement), clients * 5_000).unwrap();
    }
}

#[test]
fn tight_rings_never_deadlock_under_random_schedules() {
    for seed in 1..=20 {
        println!("seed {seed}");
        let pipeline = pipeline().minimum(1 + seed as usize % 3);
        let placement = Placement::replicated(&pipeline, &cores());
        let wanted = placement.replicas(0) as u64 * 1000;
        let mut plan = Plan::new(pipeline, placement);
        plan.random_schedule = Some(seed);
        plan.cohort = 4;
        run_to_end(plan, wanted).unwrap();
    }
}

#[test]
fn a_replica_that_panics_is_named_and_its_pages_are_reclaimed() {
    let mut pipeline = pipeline();
    let at = OptionValue::Integer(100);
    pipeline.set_option("server", "panic_at", at).unwrap();
    let placement = Placement::replicated(&pipeline, &cores());
    let replicas = placement.replicas(1);
    let error = run_to_end(Plan::new(pipeline, placement), u64::MAX).expect_err("it panics");
    let RuntimeError::Panicked {
        stage,
        message,
        pages_reclaimed,
    } = error
    else {
        panic!("expected the panic to be reported, got {error:?}");
    };
    let names = match replicas {
        1 => vec!["server".to_owned()],
        n => (0..n).map(|replica| format!("server/{replica}")).collect(),
    };
    assert!(names.contains(&stage), "{stage}");
    assert_eq!(message, "that is too much");
    // It has 24 pages for each client; at most the window of each is with them, or theirs here.
    let (all, window) = (24 * replicas, 8 * replicas);
    assert!(
        (all - window..=all + window).contains(&pages_reclaimed),
        "{pages_reclaimed}"
    );
}

#[test]
fn the_end_comes_in_data_order_replica_by_replica() {
    let pipeline = pipeline();
    let closed = Arc::new(Mutex::new(Vec::<String>::new()));
    let placement = Placement::replicated(&pipeline, &cores());
    let replicas = placement.replicas(0);
    let mut plan = Plan::new(pipeline, placement);
    for stage in ["client", "server"] {
        plan.resources(stage).put("closed", Arc::clone(&closed));
    }
    run_to_end(plan, replicas as u64 * 1000).unwrap();
    let expected = [vec!["client"; replicas], vec!["server"; replicas]].concat();
    assert_eq!(*closed.lock().unwrap(), expected);
}

#[test]
fn telemetry_shows_each_replica_and_each_lane() {
    let pipeline = pipeline();
    let placement = Placement::replicated(&pipeline, &cores());
    let replicas = placement.replicas(0);
    let total = Arc::new(AtomicU64::new(0));
    let mut plan = Plan::new(pipeline, placement);
    plan.resources("client").put("total", Arc::clone(&total));
    let source = Arc::clone(&total);
    let source: brigade_runtime::CounterSource = Arc::new(move || source.load(Ordering::Relaxed));
    plan.counters
        .push(("client".into(), "answers_total".into(), source));
    let running = Running::start(plan).unwrap();
    let reader = running.reader().unwrap();
    let wanted = replicas as u64 * 1000;
    for _ in 0..60_000 {
        if total.load(Ordering::Relaxed) == wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    running.stop_handle().stop();
    running.wait(None).unwrap();
    let (d, figures) = (reader.description(), reader.snapshot().unwrap());
    assert_eq!(d.stages.len(), 2 * replicas);
    for (index, stage) in d.stages.iter().enumerate() {
        let name = if index < replicas { "client" } else { "server" };
        assert_eq!(
            (stage.name.as_str(), stage.replica),
            (name, index % replicas)
        );
        assert_eq!((stage.replicas, stage.replicable), (replicas, true));
        assert_eq!(stage.core, cores()[index % replicas]);
    }
    assert_eq!(d.edges.len(), 2 * replicas * replicas);
    for (window, client) in d.windows.iter().zip(0..) {
        assert_eq!(window.stage, client);
        assert!(
            window
                .output_edges
                .iter()
                .all(|&e| d.edges[e].from_stage == client)
        );
        assert!(
            window
                .input_edges
                .iter()
                .all(|&e| d.edges[e].to_stage == client)
        );
        let sent = window
            .output_edges
            .iter()
            .map(|&e| figures.edges[e].producer.sent.items);
        assert_eq!(
            sent.sum::<u64>(),
            1000,
            "a client's lanes carry all that it asks"
        );
        let taken = window
            .input_edges
            .iter()
            .map(|&e| figures.edges[e].consumer.taken.items);
        assert_eq!(taken.sum::<u64>(), 1000);
        assert_eq!(
            (window.output_edges.len(), window.input_edges.len()),
            (replicas, replicas)
        );
    }
    assert_eq!(d.windows.len(), replicas);
}
