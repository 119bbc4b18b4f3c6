//! The bulk application, which shows what nic and tcp move: streams without end, both ways.
//!
//! ```text
//!   tcp --events--> bulk --commands--> tcp
//! ```
//!
//! What a client sends first says what it wants: `D`, and it gets bytes ([`streams::pattern`]) until it
//! closes; a cookie of iperf3, and it is a client of that ([`iperf3`]); anything else, and what it
//! sends is counted and thrown away until its FIN, which is answered with the count, all that came
//! included, in decimal.

mod iperf3;
mod streams;

use brigade_messages::tcp_http::{TcpCommand, TcpEvent};
use brigade_stage::{Input, Io, Kind, Message, Output, Stage, StageError};

use streams::Streams;

struct Bulk {
    events: Input<TcpEvent>,
    commands: Output<TcpCommand>,
    streams: Streams,
}

/// The kind `bulk`.
pub fn kind() -> Kind {
    Kind::new("bulk", |b| {
        Ok(Box::new(Bulk {
            events: b.input("events")?,
            streams: Streams::new(b.page_bytes("commands")),
            commands: b.output("commands")?,
        }))
    })
    .input::<TcpEvent>("events")
    .output::<TcpCommand>("commands")
}

impl Stage for Bulk {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.events) {
            let event = *message.header();
            let data = message.payload().get(event.offset_bytes as usize..);
            let data = data.and_then(|data| data.get(..event.length_bytes as usize));
            self.streams
                .event(&event, data.unwrap_or_default(), io.now_ns());
            io.release(message);
        }
        if io.draining() {
            self.streams.close();
        }
        while self.streams.has_ready() {
            let Some(mut page) = io.page(self.commands) else {
                return Ok(());
            };
            let Some(command) = self.streams.command(page.payload_mut()) else {
                io.release(page);
                continue;
            };
            if command.length_bytes > 0 {
                io.count_copy(command.length_bytes as usize);
            }
            io.send(self.commands, Message::new(page, command));
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.streams.ready_count()
    }
}
