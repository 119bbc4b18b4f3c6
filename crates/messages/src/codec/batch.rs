//! A batch of statements in a page.

use super::bytes::{Sink, Source};
use super::{COUNT_BYTES, CodecError, Full, Value, Values};

/// Writes a batch of statements into a page.
#[derive(Debug)]
pub struct BatchWriter<'p> {
    sink: Sink<'p>,
    statements: u16,
}

impl<'p> BatchWriter<'p> {
    /// Starts an empty batch at the start of `page`, which should have room for two bytes and more.
    pub fn new(page: &'p mut [u8]) -> Self {
        Self {
            sink: Sink::after(page, COUNT_BYTES),
            statements: 0,
        }
    }

    /// Adds a statement with its positional parameters. After [`Full`] the batch is as before.
    pub fn statement(&mut self, sql: &str, parameters: &[Value<'_>]) -> Result<(), Full> {
        let statements = self.statements.checked_add(1).ok_or(Full)?;
        self.sink.or_undo(|sink| {
            sink.sized(sql.as_bytes())?;
            sink.varint(parameters.len() as u64)?;
            parameters.iter().try_for_each(|value| sink.value(*value))
        })?;
        self.statements = statements;
        Ok(())
    }

    /// Ends the batch; how many bytes of the page it takes (the message's `length_bytes`).
    pub fn finish(mut self) -> usize {
        self.sink.patch(0, &self.statements.to_le_bytes());
        self.sink.at
    }
}

/// Reads the statements of a batch, in order.
#[derive(Debug, Clone)]
pub struct BatchReader<'a> {
    source: Source<'a>,
    statements: usize,
}

/// One statement of a batch.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// The SQL text.
    pub sql: &'a str,
    /// Its positional parameters.
    pub parameters: Values<'a>,
}

impl<'a> BatchReader<'a> {
    /// Checks `bytes`, a whole batch.
    ///
    /// # Errors
    /// When no [`BatchWriter`] can have written them.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut source = Source { bytes, at: 0 };
        let statements = usize::from(u16::from_le_bytes(source.array()?));
        let start = source;
        for _ in 0..statements {
            source.text()?;
            source.check_values()?;
        }
        source.end()?;
        Ok(Self {
            source: start,
            statements,
        })
    }

    fn step(&mut self) -> Result<Statement<'a>, CodecError> {
        let sql = self.source.text()?;
        let left = self.source.length()?;
        let parameters = Values {
            source: self.source,
            left,
        };
        (0..left).try_for_each(|_| self.source.skip())?;
        Ok(Statement { sql, parameters })
    }
}

impl<'a> Iterator for BatchReader<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        self.statements = self.statements.checked_sub(1)?;
        self.step().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.statements, Some(self.statements))
    }
}

impl ExactSizeIterator for BatchReader<'_> {}
