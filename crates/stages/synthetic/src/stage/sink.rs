//! The sink: sends each message back to the source, or drops it.

use brigade_stage::{Input, Io, Kind, Message, Output, Stage, StageError};

use crate::Item;

/// The kind `synthetic-sink`: `input` -> `replies`, each page itself.
pub fn kind() -> Kind {
    Kind::new("synthetic-sink", |b| {
        Ok(Box::new(Sink {
            input: b.input("input")?,
            replies: b.output("replies")?,
        }))
    })
    .input::<Item>("input")
    .output::<Item>("replies")
    .needs("input", "replies", 1)
}

/// The kind `synthetic-drain`: `input` -> nowhere. For a source without a window.
pub fn drain_kind() -> Kind {
    Kind::new("synthetic-drain", |b| {
        let input = b.input("input")?;
        Ok(Box::new(Drain { input }))
    })
    .input::<Item>("input")
}

struct Drain {
    input: Input<Item>,
}

impl Stage for Drain {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.input) {
            io.release(message);
        }
        Ok(())
    }
}

struct Sink {
    input: Input<Item>,
    replies: Output<Item>,
}

impl Stage for Sink {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.input) {
            let item = *message.header();
            io.send(self.replies, Message::new(message.into_page(), item));
        }
        Ok(())
    }
}
