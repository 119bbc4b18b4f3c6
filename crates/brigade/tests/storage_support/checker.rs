//! A stage in the place of `populate`: it asks db what a test wants to know.
//!
//! ```text
//!   checker  <->  db  <->  fs  <->  block
//! ```

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};

use brigade_block::SharedDisk;
use brigade_messages::bookstore_db::codec::{BatchWriter, RowsVisitor, Value, visit_rows};
use brigade_messages::bookstore_db::{SqlKind, SqlReply, SqlRequest, SqlStatus};
use brigade_stage::{
    Builder, Input, Io, Kind, Message, Output, Registry, Stage, StageError, Window,
};

use super::Outcome;
use super::shop::{Options, filling_pipeline, fused, run_until};

/// A value of a row: a number, or a text with no number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Number(i64),
    Text(String),
}

impl Cell {
    pub fn number(&self) -> i64 {
        match self {
            Cell::Number(number) => *number,
            other => panic!("{other:?} is not a number"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Cell::Text(text) => text,
            other => panic!("{other:?} is not a text"),
        }
    }
}

/// Rows of one statement.
pub type Rows = Vec<Vec<Cell>>;

/// A question: one statement without parameters, and how it runs.
pub type Question = (SqlKind, String);

type Answer = Outcome<Rows>;

/// Opens the database on `disk` as a restart would, asks, and closes everything in order.
pub fn ask(disk: &SharedDisk, options: &Options, questions: Vec<Question>) -> Outcome<Vec<Rows>> {
    let mut registry = Registry::new();
    registry
        .add(kind())
        .add(brigade_db::kind())
        .add(brigade_fs::kind())
        .add(brigade_block::kind());
    let mut plan = fused(filling_pipeline(&registry, options)?, disk)?;
    let (sender, answers) = channel::<Answer>();
    let count = questions.len();
    let resources = plan.resources("populate");
    resources.put("questions", VecDeque::from(questions));
    resources.put("answers", sender);
    run_until(plan, move || collect(&answers, count))
}

fn collect(answers: &Receiver<Answer>, count: usize) -> Outcome<Vec<Rows>> {
    let next = |_| answers.recv().map_err(|_| "an answer is missing")?;
    (0..count).map(next).collect()
}

/// Under the name of the stage whose place in the pipeline it takes.
fn kind() -> Kind {
    Kind::new("populate", make)
        .output::<SqlRequest>("queries")
        .input::<SqlReply>("rows")
        .window("db", "queries", "rows", 1)
}

fn make(builder: &mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> {
    Ok(Box::new(Checker {
        queries: builder.output("queries")?,
        rows: builder.input("rows")?,
        db: builder.window("db")?,
        questions: builder.resource("questions").unwrap_or_default(),
        answers: builder.resource("answers").ok_or("nobody listens")?,
    }))
}

struct Checker {
    queries: Output<SqlRequest>,
    rows: Input<SqlReply>,
    db: Window,
    questions: VecDeque<Question>,
    answers: Sender<Answer>,
}

impl Stage for Checker {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(reply) = io.take(self.rows) {
            io.token_give(self.db, 0);
            let SqlReply {
                status,
                length_bytes,
                ..
            } = *reply.header();
            let answer = read(status, &reply.payload()[..length_bytes as usize]);
            // Who listens has gone after the first error.
            let _ = self.answers.send(answer);
            io.release(reply);
        }
        while !self.questions.is_empty() && io.tokens(self.db) > 0 {
            let Some(mut page) = io.page(self.queries) else {
                return Ok(());
            };
            let Some((kind, sql)) = self.questions.pop_front() else {
                return Ok(());
            };
            let mut batch = BatchWriter::new(page.payload_mut());
            batch.statement(&sql, &[]).map_err(|_| "too long")?;
            let request = SqlRequest {
                kind: kind.word(),
                length_bytes: batch.finish() as u32,
                ..SqlRequest::default()
            };
            io.token_take(self.db);
            io.send(self.queries, Message::new(page, request));
        }
        Ok(())
    }
}

fn read(status: u32, bytes: &[u8]) -> Answer {
    if SqlStatus::from_word(status) != Some(SqlStatus::Ok) {
        let message = String::from_utf8_lossy(bytes);
        return Err(format!("db answered with status {status}: {message}"));
    }
    let mut first = FirstSet::default();
    visit_rows(bytes, &mut first).map_err(|error| error.to_string())?;
    if first.sets == 0 {
        return Err("a reply without a set of rows".into());
    }
    let rows = first.cells.chunks(first.columns.max(1));
    Ok(rows.map(<[Cell]>::to_vec).collect())
}

/// The cells of the first of all sets.
#[derive(Default)]
struct FirstSet {
    sets: usize,
    columns: usize,
    cells: Vec<Cell>,
}

impl RowsVisitor<'_> for FirstSet {
    fn set(&mut self, columns: usize, _: usize) {
        self.sets += 1;
        if self.sets == 1 {
            self.columns = columns;
        }
    }

    fn value(&mut self, value: Value<'_>) {
        if self.sets == 1 {
            self.cells.push(cell(value));
        }
    }
}

fn cell(value: Value<'_>) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => Cell::Number(number),
        Value::Text(text) => Cell::Text(text.to_owned()),
        other => panic!("the shop stores no {other:?}"),
    }
}
