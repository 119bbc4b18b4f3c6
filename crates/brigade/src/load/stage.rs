//! The load as a stage, in nic's place: it is placed like any other, its time is accounted for, and
//! its connections are a window around the whole pipeline, so that the model sees the closed loop.
//!
//! ```text
//!   +------+ --to_tcp----> tcp
//!   | load |
//!   +------+ <--from_tcp-- tcp
//! ```

use std::sync::mpsc::Sender;
use std::time::Duration;

use brigade_messages::nic_tcp::Packet;
use brigade_nic::{Calls, ClientOptions, ConnectionId, Pages, State, count_payload};
use brigade_stage::{Builder, Input, Io, Kind, OptionValue, Output, Stage, StageError, Window};
use rustix::time::ClockId;

use super::browsers::{Browsers, Line};
use super::{Errand, Load, LoadError, Outcome, cpu};

/// Between two looks for connections that got nothing for long, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

/// The kind `load`.
///
/// Resource `outcome` (optional): a `std::sync::mpsc::Sender<Outcome>` that gets what came of the
/// load when the pipeline closes.
pub fn kind() -> Kind {
    let integer = OptionValue::Integer;
    Kind::new("load", |b| Ok(Box::new(LoadStage::new(b)?)))
        .output::<Packet>("to_tcp")
        .input::<Packet>("from_tcp")
        .window("connections", "to_tcp", "from_tcp", 16)
        .option(
            "path",
            OptionValue::text("/product/{}"),
            "what it asks for; {} becomes 1 to `items` in turn; `order` buys books instead",
        )
        .option("items", integer(1000), "books in the shop")
        .option("warm_up_ms", integer(1000), "not counted at the beginning")
}

struct LoadStage {
    to_tcp: Output<Packet>,
    from_tcp: Input<Packet>,
    connections: Window,
    calls: Calls,
    browsers: Browsers,
    begun: Option<u64>,
    warm_up_ns: u64,
    is_counting: bool,
    has_hung_up: bool,
    look_ns: u64,
    cpu_before: Duration,
    outcome: Option<Sender<Outcome>>,
}

impl LoadStage {
    fn new(b: &mut Builder<'_>) -> Result<LoadStage, StageError> {
        let path = b.text("path")?;
        let connections = b.window("connections")?;
        let load = Load {
            // Known when the stage runs: one for each token of the window.
            connections: 0,
            errand: match path.as_str() {
                "order" => Errand::Order,
                _ => Errand::Page(path),
            },
            items: u64::try_from(b.integer("items")?)?,
            warm_up: Duration::from_millis(u64::try_from(b.integer("warm_up_ms")?)?),
            idle: 0,
            in_turn: false,
        };
        let calls = Calls::new(ClientOptions {
            mtu_bytes: b.page_bytes("to_tcp"),
            ..ClientOptions::default()
        });
        Ok(LoadStage {
            to_tcp: b.output("to_tcp")?,
            from_tcp: b.input("from_tcp")?,
            connections,
            calls,
            warm_up_ns: u64::try_from(load.warm_up.as_nanos())?,
            browsers: Browsers::new(load),
            begun: None,
            is_counting: false,
            has_hung_up: false,
            look_ns: 0,
            cpu_before: Duration::ZERO,
            outcome: b.resource("outcome"),
        })
    }

    fn packets(&mut self, io: &mut Io<'_>) {
        while let Some(message) = io.take(self.from_tcp) {
            let now_ns = io.now_ns();
            let packet = message.header().of(message.payload());
            let mut out = Pages::new(io, self.to_tcp, now_ns);
            self.calls.packet(packet, &mut out);
            count_payload(io, packet);
            io.release(message);
        }
    }

    fn browse(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let now_ns = io.clock_ns();
        let is_over = io.draining();
        let tokens = io.tokens(self.connections);
        let mut line = OnPages {
            calls: &mut self.calls,
            out: Pages::new(io, self.to_tcp, now_ns),
            connections: self.connections,
        };
        if is_over {
            if !self.has_hung_up {
                self.has_hung_up = true;
                self.browsers.hang_up(&mut line);
                line.out.io().worked();
            }
            return Ok(());
        }
        if self.begun.is_none() {
            self.begun = Some(now_ns);
            self.browsers.open_all(tokens, &mut line)?;
        }
        while let Some(id) = line.calls.next_changed() {
            self.browsers.serve(id, &mut line)?;
        }
        if now_ns >= self.look_ns {
            self.look_ns = now_ns + LOOK_NS;
            self.browsers.give_up_on_the_silent(&mut line)?;
        }
        Ok(())
    }

    fn count(&mut self, now_ns: u64) {
        let begun_ns = self.begun.unwrap_or(now_ns);
        if !self.is_counting && now_ns >= begun_ns + self.warm_up_ns {
            self.is_counting = true;
            self.cpu_before = cpu(ClockId::ProcessCPUTime);
            self.browsers.count_from_now();
        }
    }

    fn report(&mut self) {
        let Some(sender) = self.outcome.take() else {
            return;
        };
        let mut outcome = self.browsers.outcome();
        outcome.cpu = cpu(ClockId::ProcessCPUTime).saturating_sub(self.cpu_before);
        // Nobody needs to be listening.
        let _ = sender.send(outcome);
    }
}

impl Stage for LoadStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let now_ns = io.now_ns();
        let mut out = Pages::new(io, self.to_tcp, now_ns);
        self.calls.visit(now_ns, &mut out);
        self.packets(io);
        self.browse(io)?;
        self.count(io.now_ns());
        if io.draining() {
            self.report();
        }
        Ok(())
    }

    fn timer_ns(&self) -> Option<u64> {
        let calls_ns = self.calls.timer_ns().unwrap_or(u64::MAX);
        let look_ns = if self.has_hung_up {
            u64::MAX
        } else {
            self.look_ns
        };
        Some(calls_ns.min(look_ns)).filter(|at_ns| *at_ns < u64::MAX)
    }

    fn held(&self) -> usize {
        self.browsers.waiting()
    }
}

/// Connections whose packets are pages of the edge to tcp.
struct OnPages<'s, 'a, 'b> {
    calls: &'s mut Calls,
    out: Pages<'a, 'b>,
    connections: Window,
}

impl Line for OnPages<'_, '_, '_> {
    type Id = ConnectionId;

    fn connect(&mut self) -> Result<ConnectionId, LoadError> {
        Ok(self.calls.connect(&mut self.out)?)
    }

    fn send(&mut self, id: ConnectionId, data: &[u8]) -> usize {
        self.calls.send(id, data, &mut self.out)
    }

    fn receive(&mut self, id: ConnectionId, data: &mut [u8]) -> usize {
        self.calls.receive(id, data, &mut self.out)
    }

    fn state(&mut self, id: ConnectionId) -> State {
        self.calls.state(id)
    }

    fn abort(&mut self, id: ConnectionId) {
        self.calls.abort(id, &mut self.out);
    }

    fn asked(&mut self) {
        // As many tokens as connections, each with one request at most.
        let has_token = self.out.io().token_take(self.connections);
        debug_assert!(has_token, "a connection asked twice");
    }

    fn settled(&mut self, latency: Duration) {
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.out.io().token_give(self.connections, latency_ns);
    }
}
