//! What the shop asks of a database and what it gets back: plain data, no driver.

use thiserror::Error;

/// A parameter of a [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A string.
    Text(String),
}

impl Value {
    /// The same value, borrowed.
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// One statement with its positional parameters (`?1` is the first).
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The SQL text.
    pub sql: &'static str,
    /// Its parameters, in order.
    pub parameters: Vec<Value>,
}

impl Query {
    /// A statement with these parameters.
    pub fn new(sql: &'static str, parameters: impl IntoIterator<Item = Value>) -> Self {
        Self {
            sql,
            parameters: parameters.into_iter().collect(),
        }
    }

    /// Upper bound of this statement's size in a message, in bytes, for any encoding that needs
    /// at most ten bytes more than the text of each value.
    pub fn weight_bytes(&self) -> usize {
        let parameters = self.parameters.iter().map(|value| match value {
            Value::Text(text) => text.len() + 10,
            _ => 11,
        });
        self.sql.len() + 20 + parameters.sum::<usize>()
    }
}

/// How a batch has to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Statements that only read.
    Read,
    /// All statements in one transaction: all or nothing, durable before the reply.
    Write,
    /// Statements that change the schema, each for itself.
    Script,
}

/// Statements that travel to the database together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// How they run.
    pub kind: BatchKind,
    /// The statements, in order.
    pub queries: Vec<Query>,
}

impl Batch {
    /// Statements that only read.
    pub fn read(queries: Vec<Query>) -> Self {
        Self {
            kind: BatchKind::Read,
            queries,
        }
    }

    /// One transaction.
    pub fn write(queries: Vec<Query>) -> Self {
        Self {
            kind: BatchKind::Write,
            queries,
        }
    }
}

/// Why a batch had no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// A constraint refused the batch; nothing was changed.
    #[error("a constraint of the database refused the change")]
    Constraint,
    /// The disk is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// The storage failed.
    #[error("the storage failed")]
    Storage,
    /// The batch itself is wrong.
    #[error("the database does not understand the request")]
    Invalid,
    /// The rows are more than a reply can hold.
    #[error("the answer of the database is too large")]
    TooLarge,
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// Too many requests wait for the database already.
    #[error("too many requests wait for the database")]
    Busy,
}

/// A value of a row, borrowed from wherever the caller keeps the reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A string.
    Text(&'a str),
}

/// A row or set is not what the shop's own SQL returns: the image is of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the database answered in a shape the shop does not know; is the image of this version?")]
pub struct ShapeError;

/// The rows of a batch: one set for each statement, in order.
#[derive(Debug, Clone, Default)]
pub struct Rows<'a> {
    values: Vec<ValueRef<'a>>,
    sets: Vec<Shape>,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    start: usize,
    columns: usize,
}

impl<'a> Rows<'a> {
    /// No sets yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next statement's set with `columns` values in each row (0: no rows).
    pub fn begin_set(&mut self, columns: usize) {
        let start = self.values.len();
        self.sets.push(Shape { start, columns });
    }

    /// Makes room for so many values more.
    pub fn reserve(&mut self, values: usize) {
        self.values.reserve(values);
    }

    /// Adds the next value of the current set, row after row.
    pub fn push(&mut self, value: ValueRef<'a>) {
        self.values.push(value);
    }

    /// The rows of statement `index`.
    ///
    /// # Errors
    /// When there is no such set or its last row is incomplete.
    pub fn set(&self, index: usize) -> Result<Set<'_, 'a>, ShapeError> {
        let shape = self.sets.get(index).ok_or(ShapeError)?;
        let next = self.sets.get(index + 1);
        let end = next.map_or(self.values.len(), |next| next.start);
        let values = self.values.get(shape.start..end).ok_or(ShapeError)?;
        let columns = shape.columns.max(1);
        if values.len() % columns != 0 {
            return Err(ShapeError);
        }
        Ok(Set { values, columns })
    }
}

/// The rows of one statement.
#[derive(Debug, Clone, Copy)]
pub struct Set<'r, 'a> {
    values: &'r [ValueRef<'a>],
    columns: usize,
}

impl<'r, 'a> Set<'r, 'a> {
    /// The rows, in order.
    pub fn rows(self) -> impl ExactSizeIterator<Item = Row<'r, 'a>> {
        self.values.chunks_exact(self.columns).map(Row)
    }

    /// The first row, if there is one.
    pub fn first(self) -> Option<Row<'r, 'a>> {
        self.rows().next()
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r, 'a>(&'r [ValueRef<'a>]);

impl<'a> Row<'_, 'a> {
    /// The string in `column`.
    ///
    /// # Errors
    /// When the column does not exist or holds something else.
    pub fn text(self, column: usize) -> Result<&'a str, ShapeError> {
        match self.0.get(column) {
            Some(ValueRef::Text(text)) => Ok(text),
            _ => Err(ShapeError),
        }
    }

    /// The whole number in `column`.
    ///
    /// # Errors
    /// When the column does not exist or holds something else.
    pub fn integer(self, column: usize) -> Result<i64, ShapeError> {
        match self.0.get(column) {
            Some(ValueRef::Integer(number)) => Ok(*number),
            _ => Err(ShapeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_kept_apart_even_when_one_is_empty() {
        let mut rows = Rows::new();
        rows.begin_set(2);
        rows.push(ValueRef::Integer(1));
        rows.push(ValueRef::Text("a"));
        rows.begin_set(0);
        rows.begin_set(1);
        rows.push(ValueRef::Null);
        assert_eq!(rows.set(0).unwrap().rows().len(), 1);
        assert!(rows.set(1).unwrap().first().is_none());
        assert_eq!(rows.set(2).unwrap().rows().len(), 1);
        assert_eq!(rows.set(3).unwrap_err(), ShapeError);
    }

    #[test]
    fn an_incomplete_row_and_a_wrong_type_are_errors() {
        let mut rows = Rows::new();
        rows.begin_set(2);
        rows.push(ValueRef::Integer(1));
        assert!(rows.set(0).is_err());
        rows.push(ValueRef::Null);
        let row = rows.set(0).unwrap().first().unwrap();
        assert_eq!(row.integer(0), Ok(1));
        assert_eq!(row.text(0), Err(ShapeError));
        assert_eq!(row.text(1), Err(ShapeError));
        assert_eq!(row.integer(2), Err(ShapeError));
    }
}
