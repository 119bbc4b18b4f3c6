//! One stage alone, with every port connected to a test's end: for testing stages.
//!
//! The stage runs on the test's thread. What it sends is received by the test; each page goes
//! back at once, as a well-behaved neighbour would do it.

use std::any::Any;
use std::collections::HashMap;

use brigade_bank::{Bank, BankError};

use crate::clock_ns;
use crate::ports::Ports;
use crate::wiring::{EdgeSize, End, RunOutcome, WiringError, join};
use crate::{
    Builder, Header, Io, Kind, Message, OptionValue, Origin, PortDeclaration, Resources, Route,
    Routing, Stage, StageError,
};

const STAGE: u16 = 1;
const TEST: u16 = 2;

/// What can go wrong while a harness is built.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A bank could not be made.
    #[error(transparent)]
    Bank(#[from] BankError),
    /// An edge could not be joined.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The stage refused to be made.
    #[error("the stage could not be made: {0}")]
    Stage(StageError),
}

/// A stage about to be tested.
pub struct Setup {
    kind: Kind,
    options: HashMap<String, OptionValue>,
    resources: Resources,
    page_bytes: HashMap<String, usize>,
    page_bytes_default: usize,
    size: EdgeSize,
    sizes: HashMap<String, EdgeSize>,
    cohort: usize,
    tokens: HashMap<String, usize>,
    replicas: HashMap<String, usize>,
}

impl Setup {
    /// Sets an option of the stage.
    pub fn option(mut self, name: &str, value: OptionValue) -> Setup {
        self.options.insert(name.to_owned(), value);
        self
    }

    /// Hands in a resource.
    pub fn resource<T: Any + Send>(mut self, name: &str, thing: T) -> Setup {
        self.resources.put(name, thing);
        self
    }

    /// Sets the page size of all ports that are not named otherwise (16384 without this).
    pub fn page_bytes_all(mut self, bytes: usize) -> Setup {
        self.page_bytes_default = bytes;
        self
    }

    /// Sets the page size of one port. Ports of one size share a bank.
    pub fn page_bytes(mut self, port: &str, bytes: usize) -> Setup {
        self.page_bytes.insert(port.to_owned(), bytes);
        self
    }

    /// Sets ring capacity and held pages of all edges (64 and 64 without this).
    pub fn edges(mut self, ring: usize, hold: usize) -> Setup {
        self.size = EdgeSize { ring, hold };
        self
    }

    /// Sets ring capacity and held pages of the edge at one port.
    pub fn edge(mut self, port: &str, ring: usize, hold: usize) -> Setup {
        self.sizes.insert(port.to_owned(), EdgeSize { ring, hold });
        self
    }

    /// Sets the tokens of a window.
    pub fn window(mut self, name: &str, tokens: usize) -> Setup {
        self.tokens.insert(name.to_owned(), tokens);
        self
    }

    /// Lets so many replicas be on the other side of one port (1 without this).
    pub fn replicas(mut self, port: &str, replicas: usize) -> Setup {
        self.replicas.insert(port.to_owned(), replicas);
        self
    }

    /// Sets the cohort (32 without this).
    pub fn cohort(mut self, messages: usize) -> Setup {
        self.cohort = messages;
        self
    }

    /// Makes the stage.
    pub fn build(mut self) -> Result<Harness, HarnessError> {
        let tokens: Vec<usize> = (self.kind.windows().iter())
            .map(|w| self.tokens.get(&w.name).copied().unwrap_or(w.tokens))
            .collect();
        let mut ports = Ports::new(&self.kind, STAGE, &tokens);
        let mut far = Ports::new(&mirror(&self.kind), TEST, &[]);
        let banks = self.banks()?;
        for (index, port) in self.kind.inputs().iter().enumerate() {
            self.join(&banks, &port.name, (&mut far, 1), (&mut ports, 0), index)?;
        }
        for (index, port) in self.kind.outputs().iter().enumerate() {
            self.join(&banks, &port.name, (&mut ports, 0), (&mut far, 1), index)?;
        }
        let stage = {
            let mut builder = Builder::new(
                "stage",
                &self.kind,
                &ports,
                &self.options,
                &mut self.resources,
            );
            self.kind.make(&mut builder).map_err(HarnessError::Stage)?
        };
        let initial_stock = total_stock(&ports);
        Ok(Harness {
            stage,
            ports,
            far,
            kind: self.kind,
            cohort: self.cohort,
            initial_stock,
            draining: false,
        })
    }

    /// Joins one port to the test's end, with a lane for each replica there.
    fn join(
        &self,
        banks: &HashMap<usize, Bank>,
        name: &str,
        (from, from_core): (&mut Ports, usize),
        (to, to_core): (&mut Ports, usize),
        port: usize,
    ) -> Result<(), WiringError> {
        for _ in 0..self.replicas_of(name) {
            let from = End {
                ports: &mut *from,
                port,
                core: from_core,
            };
            let to = End {
                ports: &mut *to,
                port,
                core: to_core,
            };
            join(&banks[&self.bytes_of(name)], self.size_of(name), from, to)?;
        }
        Ok(())
    }

    fn bytes_of(&self, port: &str) -> usize {
        self.page_bytes
            .get(port)
            .copied()
            .unwrap_or(self.page_bytes_default)
    }

    fn replicas_of(&self, port: &str) -> usize {
        self.replicas.get(port).copied().unwrap_or(1)
    }

    fn size_of(&self, port: &str) -> EdgeSize {
        self.sizes.get(port).copied().unwrap_or(self.size)
    }

    fn banks(&self) -> Result<HashMap<usize, Bank>, BankError> {
        let mut pages: HashMap<usize, usize> = HashMap::new();
        for port in self.kind.inputs().iter().chain(self.kind.outputs()) {
            let size = self.size_of(&port.name);
            *pages.entry(self.bytes_of(&port.name)).or_default() +=
                (size.ring + size.hold) * self.replicas_of(&port.name);
        }
        let mut banks = HashMap::new();
        for (number, (page_bytes, pages)) in pages.into_iter().enumerate() {
            banks.insert(page_bytes, Bank::new(number as u16 + 1, pages, page_bytes)?);
        }
        Ok(banks)
    }
}

/// The far side: an output for each of the stage's inputs, and the other way round. Only the
/// number of ports matters; types are checked by `Harness::send` and `Harness::receive`.
fn mirror(kind: &Kind) -> Kind {
    let mut far = Kind::new("test", |_| Err("the far side is no stage".into()));
    for port in kind.outputs() {
        far = far.input_named(port.clone());
    }
    for port in kind.inputs() {
        // The test says which replica it sends for, as a reply says whom it is for.
        let routing = Routing::Reply {
            input: String::new(),
        };
        far = far.output_named(PortDeclaration {
            routing,
            ..port.clone()
        });
    }
    far
}

fn total_stock(ports: &Ports) -> usize {
    let inputs = ports.inputs.iter().map(|p| p.stock).sum::<usize>();
    let lanes = ports.outputs.iter().flat_map(|p| &p.lanes);
    inputs + lanes.map(|lane| lane.stock).sum::<usize>()
}

/// One stage with every port connected to the test.
pub struct Harness {
    stage: Box<dyn Stage>,
    ports: Ports,
    far: Ports,
    kind: Kind,
    cohort: usize,
    initial_stock: usize,
    draining: bool,
}

impl Harness {
    /// A stage of `kind`, about to be tested.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a harness is set up before it is built"
    )]
    pub fn new(kind: &Kind) -> Setup {
        Setup {
            kind: kind.clone(),
            options: HashMap::new(),
            resources: Resources::new(),
            page_bytes: HashMap::new(),
            page_bytes_default: 16384,
            size: EdgeSize { ring: 64, hold: 64 },
            sizes: HashMap::new(),
            cohort: 32,
            tokens: HashMap::new(),
            replicas: HashMap::new(),
        }
    }

    fn input_of<H: Header>(&self, port: &str) -> usize {
        let found = self
            .kind
            .inputs()
            .iter()
            .position(|p| p.name == port && p.header == H::NAME);
        found.unwrap_or_else(|| panic!("the stage has no input `{port}` of type {}", H::NAME))
    }

    fn output_of<H: Header>(&self, port: &str) -> usize {
        let found = self
            .kind
            .outputs()
            .iter()
            .position(|p| p.name == port && p.header == H::NAME);
        found.unwrap_or_else(|| panic!("the stage has no output `{port}` of type {}", H::NAME))
    }

    /// Sends a message to the stage's input `port`.
    ///
    /// # Panics
    /// When there is no such port, or no room (see [`Harness::can_send`]).
    pub fn send<H: Header>(&mut self, port: &str, header: H, payload: &[u8]) {
        assert!(
            self.try_send(port, header, payload),
            "no room on the way to `{port}`"
        );
    }

    /// Sends a message to the stage's input `port`, if there is room.
    pub fn try_send<H: Header>(&mut self, port: &str, header: H, payload: &[u8]) -> bool {
        self.try_send_from(port, 0, header, payload)
    }

    /// Sends a message to the stage's input `port` as the replica `replica`, if there is room.
    pub fn try_send_from<H: Header>(
        &mut self,
        port: &str,
        replica: u16,
        header: H,
        payload: &[u8],
    ) -> bool {
        let output = crate::Output::<H>::of(self.input_of::<H>(port));
        let mut io = Io::begin(&mut self.far, "test", usize::MAX, false, clock_ns());
        let route = Route::Reply(Origin(replica));
        let Some(mut page) = io.page_to(output, route) else {
            return false;
        };
        page.payload_mut()[..payload.len()].copy_from_slice(payload);
        io.send_to(output, route, Message::new(page, header));
        true
    }

    /// Receives the next message of the stage's output `port`: its header and the whole page.
    pub fn receive<H: Header>(&mut self, port: &str) -> Option<(H, Vec<u8>)> {
        let (_, header, payload) = self.receive_at(port)?;
        Some((header, payload))
    }

    /// As [`Harness::receive`], with the replica that the message was sent to.
    pub fn receive_at<H: Header>(&mut self, port: &str) -> Option<(usize, H, Vec<u8>)> {
        let input = crate::Input::<H>::of(self.output_of::<H>(port));
        let mut io = Io::begin(&mut self.far, "test", usize::MAX, false, clock_ns());
        let message = io.take(input)?;
        let header = H::read_from_bytes(message.header().as_bytes()).ok()?;
        let payload = message.payload().to_vec();
        let replica = message.origin().replica();
        io.release(message);
        Some((replica, header, payload))
    }

    /// Visits the stage once.
    pub fn run(&mut self) -> Result<RunOutcome, StageError> {
        let mut io = Io::begin(
            &mut self.ports,
            "stage",
            self.cohort,
            self.draining,
            clock_ns(),
        );
        let result = self.stage.run(&mut io);
        let outcome = io.end();
        result.map(|()| outcome)
    }

    /// Visits the stage until a visit does nothing (at most 100,000 times).
    pub fn run_until_idle(&mut self) -> Result<(), StageError> {
        for _ in 0..100_000 {
            if !self.run()?.worked {
                return Ok(());
            }
        }
        Err("the stage does not come to rest".into())
    }

    /// Calls the stage's `finish` once.
    pub fn finish(&mut self) -> Result<bool, StageError> {
        let mut io = Io::begin(&mut self.ports, "stage", self.cohort, true, clock_ns());
        let done = self.stage.finish(&mut io)?;
        io.end();
        Ok(done)
    }

    /// Lets the stage see that the pipeline drains.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// The stage itself: timers, files, held requests.
    pub fn stage(&self) -> &dyn Stage {
        &*self.stage
    }

    /// Whether a visit could make progress: a core would not park now.
    pub fn runnable(&mut self) -> bool {
        self.ports.runnable()
    }

    /// Pages that the stage neither has in stock nor has sent: those it holds. 0 when it is
    /// idle and leaked none, after everything it sent was received.
    pub fn pages_missing(&mut self) -> usize {
        for index in 0..self.ports.outputs.len() {
            self.ports.collect(index);
        }
        self.ports.reclaim_dropped();
        self.initial_stock - total_stock(&self.ports)
    }

    /// Copies that the stage counted: number and bytes.
    pub fn copies(&self) -> crate::CopyFigures {
        self.ports.copies
    }
}
