//! Replicas of stages, all on one thread and visited in random order: nothing is lost, no ring
//! overflows, one key's messages stay in order, a reply reaches who asked, and rings and pages
//! may be as few as can be.
//!
//! ```text
//!   client/0 --asks (any or by key)--> server/0
//!   client/1 <--answers (by reply)---- server/1       (each client with each server)
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brigade_bank::Bank;
use brigade_stage::clock_ns;
use brigade_stage::wiring::{EdgeSize, End, join};
use brigade_stage::{
    Builder, Header, Input, Io, Kind, Message, Output, Ports, Resources, Route, Stage, StageError,
    Window,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Ask {
    client: u64,
    key: u64,
    /// Counts this client's messages with this key.
    number: u64,
    server: u64,
}
impl Header for Ask {
    const NAME: &'static str = "test::Ask";
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }
}

/// A seed that is different each time, unless the environment says which.
fn seed() -> u64 {
    let given = std::env::var("BRIGADE_SEED").ok();
    let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64)
    });
    println!("BRIGADE_SEED={seed}");
    seed | 1
}

const ASKS_EACH: u64 = 200;
const KEYS: usize = 7;

struct Client {
    asks: Output<Ask>,
    answers: Input<Ask>,
    window: Window,
    keyed: bool,
    id: u64,
    dice: Dice,
    sent: u64,
    answered: Arc<AtomicU64>,
    sent_by_key: HashMap<u64, u64>,
    answered_by_key: HashMap<u64, u64>,
    server_of_key: HashMap<u64, u64>,
}

impl Client {
    fn check(&mut self, answer: Ask) -> Result<(), StageError> {
        if answer.client != self.id {
            return Err(format!("client {} got {answer:?}", self.id).into());
        }
        if self.keyed {
            let next = self.answered_by_key.entry(answer.key).or_default();
            let server = self
                .server_of_key
                .entry(answer.key)
                .or_insert(answer.server);
            if *next != answer.number || *server != answer.server {
                return Err(
                    format!("{answer:?} where number {next} of server {server} was next").into(),
                );
            }
            *next += 1;
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Fills a page of the output, which may be of another lane than its message takes in the end.
    fn ask(&mut self, io: &mut Io<'_>) -> bool {
        let key = self.dice.roll(KEYS) as u64;
        let route = match self.keyed {
            true => Route::Keyed(key),
            false => Route::Any,
        };
        let Some(page) = io.page_to(self.asks, route) else {
            return false;
        };
        let number = self.sent_by_key.entry(key).or_default();
        let ask = Ask {
            client: self.id,
            key,
            number: *number,
            server: 0,
        };
        *number += 1;
        self.sent += 1;
        io.token_take(self.window);
        io.send_to(self.asks, route, Message::new(page, ask));
        true
    }
}

impl Stage for Client {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(answer) = io.take(self.answers) {
            self.check(*answer.header())?;
            io.token_give(self.window, 1);
            io.release(answer);
        }
        while self.sent < ASKS_EACH && io.tokens(self.window) > 0 && self.ask(io) {}
        Ok(())
    }
}

/// Answers with the page that asked: at once, or (when it may) in any later run, in order.
struct Server {
    asks: Input<Ask>,
    answers: Output<Ask>,
    id: u64,
    defers: bool,
    dice: Dice,
    kept: VecDeque<Message<Ask>>,
    served: Arc<AtomicU64>,
}

impl Server {
    fn answer(&mut self, io: &mut Io<'_>, mut ask: Message<Ask>) {
        ask.header_mut().server = self.id;
        self.served.fetch_add(1, Ordering::Relaxed);
        io.reply_to(self.answers, ask.origin(), ask);
    }
}

impl Stage for Server {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(ask) = io.take(self.asks) {
            match self.defers {
                true => self.kept.push_back(ask),
                false => self.answer(io, ask),
            }
        }
        for _ in 0..self.dice.roll(self.kept.len() + 1) {
            if let Some(ask) = self.kept.pop_front() {
                self.answer(io, ask);
            }
        }
        Ok(())
    }
}

fn resource<T: Send + 'static>(b: &mut Builder<'_>, name: &str) -> Result<T, StageError> {
    b.resource(name).ok_or_else(|| format!("no {name}").into())
}

fn client_kind(keyed: bool, tokens: usize) -> Kind {
    let kind = Kind::new("client", move |b| {
        let id = resource(b, "id")?;
        Ok(Box::new(Client {
            asks: b.output("asks")?,
            answers: b.input("answers")?,
            window: b.window("loop")?,
            keyed,
            id,
            dice: Dice(resource(b, "seed")?),
            sent: 0,
            answered: resource(b, "count")?,
            sent_by_key: HashMap::new(),
            answered_by_key: HashMap::new(),
            server_of_key: HashMap::new(),
        }))
    });
    let kind = match keyed {
        true => kind.output_keyed::<Ask>("asks"),
        false => kind.output::<Ask>("asks"),
    };
    kind.input::<Ask>("answers")
        .window("loop", "asks", "answers", tokens)
}

fn server_kind(defers: bool) -> Kind {
    let kind = Kind::new("server", move |b| {
        Ok(Box::new(Server {
            asks: b.input("asks")?,
            answers: b.output("answers")?,
            id: resource(b, "id")?,
            defers,
            dice: Dice(resource(b, "seed")?),
            kept: VecDeque::new(),
            served: resource(b, "count")?,
        }))
    })
    .input::<Ask>("asks")
    .output_reply::<Ask>("answers", "asks");
    match defers {
        // The window alone must be enough.
        true => kind,
        false => kind.needs("asks", "answers", 1),
    }
}

struct World {
    clients: usize,
    servers: usize,
    size: EdgeSize,
    bank: Bank,
    seats: Vec<(Ports, Box<dyn Stage>)>,
    counts: Vec<Arc<AtomicU64>>,
    dice: Dice,
}

impl World {
    fn new(
        clients: usize,
        servers: usize,
        client: &Kind,
        server: &Kind,
        size: EdgeSize,
        seed: u64,
    ) -> World {
        let bank = Bank::new(1, clients * servers * 2 * (size.ring + size.hold), 4096).unwrap();
        let kinds = || {
            (0..clients)
                .map(|_| client)
                .chain((0..servers).map(|_| server))
        };
        let tokens = client.windows()[0].tokens;
        let mut ports: Vec<Ports> = kinds()
            .zip(1..)
            .map(|(kind, holder)| Ports::new(kind, holder, &[tokens][..kind.windows().len()]))
            .collect();
        for from in 0..clients {
            for to in clients..clients + servers {
                join_two(&mut ports, &bank, size, from, to);
            }
        }
        for from in clients..clients + servers {
            for to in 0..clients {
                join_two(&mut ports, &bank, size, from, to);
            }
        }
        let counts: Vec<Arc<AtomicU64>> = kinds().map(|_| Arc::default()).collect();
        let seats = ports
            .into_iter()
            .zip(kinds())
            .enumerate()
            .map(|(id, (ports, kind))| {
                let mut resources = Resources::new();
                resources.put("id", id as u64);
                resources.put("seed", seed ^ (id as u64 + 1) << 20);
                resources.put("count", Arc::clone(&counts[id]));
                let options = HashMap::new();
                let stage = kind.make(&mut Builder::new(
                    "seat",
                    kind,
                    &ports,
                    &options,
                    &mut resources,
                ));
                (ports, stage.unwrap())
            });
        World {
            clients,
            servers,
            size,
            bank,
            seats: seats.collect(),
            counts: counts.clone(),
            dice: Dice(seed),
        }
    }

    /// Visits seats at random until every client has all its answers. The bound is on visits, not
    /// on time: a deadlock shows the same on every machine.
    fn run(&mut self) {
        let wanted = ASKS_EACH * self.clients as u64;
        for _ in 0..1_000_000 {
            let seat = self.dice.roll(self.seats.len());
            let cohort = 1 + self.dice.roll(4);
            let (ports, stage) = &mut self.seats[seat];
            let mut io = Io::begin(ports, "seat", cohort, false, clock_ns());
            stage.run(&mut io).unwrap();
            io.end();
            if self.answered() == wanted {
                return;
            }
        }
        panic!("{} of {wanted} were answered", self.answered());
    }

    fn answered(&self) -> u64 {
        self.counts[..self.clients]
            .iter()
            .map(|c| c.load(Ordering::Relaxed))
            .sum()
    }

    fn served(&self) -> Vec<u64> {
        self.counts[self.clients..]
            .iter()
            .map(|c| c.load(Ordering::Relaxed))
            .collect()
    }

    /// Every holder has as many pages as it began with.
    fn assert_no_page_is_lost(&self) {
        let pages = self.size.ring + self.size.hold;
        for holder in 1..=self.seats.len() {
            let others = if holder <= self.clients {
                self.servers
            } else {
                self.clients
            };
            let held = self.bank.held_by(holder as u16);
            assert_eq!(
                (held.live, held.dropped),
                (others * pages, 0),
                "holder {holder}"
            );
        }
    }
}

fn join_two(ports: &mut [Ports], bank: &Bank, size: EdgeSize, from: usize, to: usize) {
    let (low, high) = ports.split_at_mut(from.max(to));
    let (from_ports, to_ports) = match from < to {
        true => (&mut low[from], &mut high[0]),
        false => (&mut high[0], &mut low[to]),
    };
    let from = End {
        ports: from_ports,
        port: 0,
        core: from,
    };
    let to = End {
        ports: to_ports,
        port: 0,
        core: to,
    };
    join(bank, size, from, to).unwrap();
}

fn goes_well(keyed: bool, defers: bool) {
    let mut dice = Dice(seed());
    for (clients, servers) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3), (4, 4)] {
        for tokens in 1..=3 {
            let (client, server) = (client_kind(keyed, tokens), server_kind(defers));
            // No ring can be smaller: it takes the tokens, and every consumer holds one page.
            let size = EdgeSize {
                ring: tokens,
                hold: 1,
            };
            let seed = dice.roll(usize::MAX) as u64 | 1;
            let mut world = World::new(clients, servers, &client, &server, size, seed);
            world.run();
            world.assert_no_page_is_lost();
            let served = world.served();
            assert_eq!(served.iter().sum::<u64>(), ASKS_EACH * clients as u64);
            // Seven keys need not reach each of several servers; `any` does.
            assert!(keyed || served.iter().all(|&n| n > 0), "{served:?}");
        }
    }
}

#[test]
fn any_replica_answers_at_once() {
    goes_well(false, false);
}

#[test]
fn any_replica_answers_later() {
    goes_well(false, true);
}

#[test]
fn one_key_has_one_replica_and_keeps_its_order() {
    goes_well(true, false);
}

#[test]
fn one_key_keeps_its_order_when_answers_come_later() {
    goes_well(true, true);
}
