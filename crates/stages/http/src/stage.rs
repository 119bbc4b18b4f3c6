//! Moves messages between the ports and [`State`].

use std::time::{SystemTime, UNIX_EPOCH};

use brigade_messages::http_bookstore::{HttpRequest, HttpResponse};
use brigade_messages::tcp_http::{TcpCommand, TcpEvent};
use brigade_stage::{
    Builder, Input, Io, Kind, Message, OptionValue, Output, Page, Stage, StageError, Window,
};

use crate::error::HttpError;
use crate::limits::{HEAD_BYTES_MAX, Limits};
use crate::outside::{Outside, PageBytes};
use crate::state::State;

const MS: u64 = 1_000_000;

/// The kind `http`.
pub fn kind() -> Kind {
    let kind = Kind::new("http", |b| Ok(Box::new(HttpStage::new(b)?)))
        .input::<TcpEvent>("events")
        .output::<TcpCommand>("commands")
        .output::<HttpRequest>("requests")
        .input::<HttpResponse>("responses")
        // An answer whose client reads goes on at once, and its page is not held.
        .needs("responses", "commands", 1)
        .window("bookstore", "requests", "responses", 64);
    declare_options(kind)
}

fn declare_options(kind: Kind) -> Kind {
    let defaults = Limits::default();
    let number = |value: usize| OptionValue::Integer(value as i64);
    let ms = |ns: u64| OptionValue::Integer((ns / MS) as i64);
    kind.option(
        "connections_max",
        number(defaults.connections_max),
        "connections served at once; a quarter more get 503, and others are reset",
    )
    .option(
        "body_bytes_max",
        number(defaults.body_bytes_max),
        "longest request body",
    )
    .option(
        "waiting_max",
        number(defaults.waiting_max),
        "requests waiting for the application; more get 503",
    )
    .option(
        "queue_ms_max",
        ms(defaults.queue_ns_max),
        "longest wait for the application; longer, or expected to be, gets 503",
    )
    .option(
        "deadline_ms",
        ms(defaults.deadline_ns_max),
        "work not begun so long after its request came is answered 503",
    )
    .option(
        "request_timeout_ms",
        ms(defaults.request_timeout_ns),
        "from a request's first byte to its last; longer gets 408",
    )
    .option(
        "idle_timeout_ms",
        ms(defaults.idle_timeout_ns),
        "an idle connection is closed after so long",
    )
    .option(
        "answer_timeout_ms",
        ms(defaults.answer_timeout_ns),
        "the application may take so long; longer gets 503",
    )
    .option(
        "send_timeout_ms",
        ms(defaults.send_timeout_ns),
        "a client that takes nothing for so long is reset",
    )
    .option(
        "held_pages_max",
        number(defaults.held_pages_max),
        "answer pages held for clients that do not read",
    )
    .option(
        "stall_ms_max",
        ms(defaults.stall_ns_max),
        "with that many pages held, a client that takes nothing for so long is reset",
    )
}

fn read_options(b: &Builder<'_>) -> Result<Limits, StageError> {
    let ns = |option, min| Ok::<u64, StageError>(integer(b, option, min, 86_400_000)? as u64 * MS);
    Ok(Limits {
        connections_max: integer(b, "connections_max", 1, 1 << 20)? as usize,
        body_bytes_max: integer(b, "body_bytes_max", 0, 1 << 20)? as usize,
        waiting_max: integer(b, "waiting_max", 1, 1 << 20)? as usize,
        queue_ns_max: ns("queue_ms_max", 1)?,
        deadline_ns_max: ns("deadline_ms", 1)?,
        request_timeout_ns: ns("request_timeout_ms", 1)?,
        idle_timeout_ns: ns("idle_timeout_ms", 1)?,
        answer_timeout_ns: ns("answer_timeout_ms", 1)?,
        send_timeout_ns: ns("send_timeout_ms", 1)?,
        held_pages_max: integer(b, "held_pages_max", 1, 1 << 20)? as usize,
        stall_ns_max: ns("stall_ms_max", 0)?,
    })
}

fn integer(b: &Builder<'_>, option: &'static str, min: i64, max: i64) -> Result<i64, StageError> {
    match b.integer(option)? {
        value if (min..=max).contains(&value) => Ok(value),
        value => Err(HttpError::Option {
            option,
            value,
            min,
            max,
        }
        .into()),
    }
}

/// The keys of ports and window.
#[derive(Clone, Copy)]
struct Keys {
    commands: Output<TcpCommand>,
    requests: Output<HttpRequest>,
    bookstore: Window,
}

struct HttpStage {
    events: Input<TcpEvent>,
    responses: Input<HttpResponse>,
    keys: Keys,
    state: State<Page>,
    stalled_said: bool,
}

impl HttpStage {
    fn new(b: &Builder<'_>) -> Result<Self, StageError> {
        let limits = read_options(b)?;
        let request_bytes = HEAD_BYTES_MAX + limits.body_bytes_max;
        let page_bytes = b.page_bytes("requests");
        if page_bytes < request_bytes {
            return Err(HttpError::PageTooSmall {
                page_bytes,
                request_bytes,
            }
            .into());
        }
        Ok(Self {
            events: b.input("events")?,
            responses: b.input("responses")?,
            keys: Keys {
                commands: b.output("commands")?,
                requests: b.output("requests")?,
                bookstore: b.window("bookstore")?,
            },
            state: State::new(limits),
            stalled_said: false,
        })
    }

    /// Answers before new requests: they free tokens, pages and connections.
    fn take_responses(&mut self, io: &mut Io<'_>) {
        while self.can_hold_one_more(io) {
            let Some(message) = io.take(self.responses) else {
                break;
            };
            let (header, queue_ns) = (*message.header(), message.queue_ns());
            let mut outside = Ports {
                io: &mut *io,
                keys: self.keys,
            };
            self.state
                .response(&header, message.into_page(), queue_ns, &mut outside);
            self.state.pump(&mut outside);
        }
        self.relieve_empty_stock(io);
    }

    fn can_hold_one_more(&mut self, io: &mut Io<'_>) -> bool {
        while !self.state.takes_responses() {
            if !self.relieve(io) {
                return false;
            }
        }
        true
    }

    /// How many pages the port's stock has is the pipeline's business and may be less than
    /// `held_pages_max`: when answers wait, and room and cohort are not what is lacking, then
    /// the stock is held for clients that do not read.
    fn relieve_empty_stock(&mut self, io: &mut Io<'_>) {
        let is_starved = self.state.held() > 0
            && io.budget() > 0
            && io.has_input(self.responses)
            && io.has_room(self.keys.commands, 1);
        if is_starved && self.relieve(io) {
            io.worked();
        }
    }

    fn relieve(&mut self, io: &mut Io<'_>) -> bool {
        let mut outside = Ports {
            io,
            keys: self.keys,
        };
        let relieved = self.state.relieve(&mut outside).is_some();
        if relieved && !self.stalled_said {
            self.stalled_said = true;
            eprintln!(
                "http: reset a client that does not read, because answers for others were \
                 waiting for its pages; further ones are counted, not named"
            );
        }
        relieved
    }

    fn take_events(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.events) {
            let mut outside = Ports {
                io: &mut *io,
                keys: self.keys,
            };
            let queue_ns = message.queue_ns();
            self.state
                .event(message.header(), message.payload(), queue_ns, &mut outside)?;
            self.state.pump(&mut outside);
            io.release(message);
        }
        Ok(())
    }
}

impl Stage for HttpStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let draining = io.draining();
        let mut outside = Ports {
            io: &mut *io,
            keys: self.keys,
        };
        if draining {
            self.state.drain(&mut outside);
        }
        self.state.expire(&mut outside);
        self.state.pump(&mut outside);
        self.take_responses(io);
        self.take_events(io)?;
        self.state.pump(&mut Ports {
            io,
            keys: self.keys,
        });
        Ok(())
    }

    fn timer_ns(&self) -> Option<u64> {
        self.state.timer_ns()
    }

    fn held(&self) -> usize {
        self.state.held()
    }

    fn finish(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        self.state.finish(&mut Ports {
            io,
            keys: self.keys,
        });
        Ok(true)
    }
}

impl PageBytes for Page {
    fn payload(&self) -> &[u8] {
        Page::payload(self)
    }

    fn payload_mut(&mut self) -> &mut [u8] {
        Page::payload_mut(self)
    }
}

/// The ports and the window as the state sees them.
struct Ports<'a, 'b> {
    io: &'a mut Io<'b>,
    keys: Keys,
}

impl Outside for Ports<'_, '_> {
    type Page = Page;

    fn has_command_room(&mut self) -> bool {
        self.io.has_room(self.keys.commands, 1)
    }

    fn command_page(&mut self) -> Option<Page> {
        self.io.page(self.keys.commands)
    }

    fn send_command(&mut self, command: TcpCommand, page: Page) {
        self.io
            .send(self.keys.commands, Message::new(page, command));
    }

    fn request_page(&mut self) -> Option<Page> {
        if self.io.tokens(self.keys.bookstore) == 0 {
            return None;
        }
        let page = self.io.page(self.keys.requests)?;
        self.io.token_take(self.keys.bookstore);
        Some(page)
    }

    fn send_request(&mut self, request: HttpRequest, page: Page) {
        self.io
            .send(self.keys.requests, Message::new(page, request));
    }

    fn give_token(&mut self, latency_ns: u64) {
        self.io.token_give(self.keys.bookstore, latency_ns);
    }

    fn release(&mut self, page: Page) {
        self.io.release(page);
    }

    fn count_copy(&mut self, bytes: usize) {
        self.io.count_copy(bytes);
    }

    fn now_ns(&self) -> u64 {
        self.io.now_ns()
    }

    fn clock_ns(&mut self) -> u64 {
        self.io.clock_ns()
    }

    fn unix_ns(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
