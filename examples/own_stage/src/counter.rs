//! A stage of one's own: counts visits by name.
//!
//! ```text
//!   greeter --visits--> counter --counted--> greeter
//! ```

use std::collections::HashMap;

use brigade::stage::{Input, Io, Kind, OptionValue, Output, Stage, StageError};

use crate::visit::Visit;

struct Counter {
    visits: Input<Visit>,
    counted: Output<Visit>,
    counts: HashMap<Vec<u8>, u64>,
    names_max: usize,
}

/// The kind `counter`.
pub fn kind() -> Kind {
    Kind::new("counter", |b| {
        Ok(Box::new(Counter {
            visits: b.input("visits")?,
            counted: b.output("counted")?,
            counts: HashMap::new(),
            names_max: b.integer("names_max")?.try_into()?,
        }))
    })
    .input::<Visit>("visits")
    .output::<Visit>("counted")
    .needs("visits", "counted", 1) // a visit is taken only when its count can be sent
    .option(
        "names_max",
        OptionValue::Integer(1000),
        "names that are remembered",
    )
}

impl Stage for Counter {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(mut visit) = io.take(self.visits) {
            let name = &visit.payload()[..visit.header().name_bytes as usize];
            if self.counts.len() >= self.names_max && !self.counts.contains_key(name) {
                self.counts.clear(); // memory is bounded: start again
            }
            let count = self.counts.entry(name.to_vec()).or_default();
            *count += 1;
            visit.header_mut().count = *count;
            io.send(self.counted, visit); // the same page goes back: nothing is copied
        }
        Ok(())
    }
}
