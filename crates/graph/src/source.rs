//! A TOML file with its lines: typed access to fields, every error with its place.

use std::ops::Range;

use brigade_stage::OptionValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::suggest::hint;
use crate::{Error, Problem};

/// A file's name and text.
pub(crate) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// A value and the line that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located<T> {
    pub value: T,
    pub line: usize,
}

impl Source<'_> {
    /// The file's line, from 1, at a byte offset; the end of the file is in its last line.
    pub fn line(&self, span: Range<usize>) -> usize {
        let end = span.start.min(self.text.len());
        let before = self.text.as_bytes()[..end]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        // Behind the last line feed there is no line that an editor would show.
        let lines = self.text.lines().count().max(1);
        (1 + before).min(lines)
    }

    /// An error at a line.
    pub fn error(&self, line: usize, problem: Problem) -> Error {
        Error {
            file: self.file.to_owned(),
            line,
            problem: Box::new(problem),
        }
    }

    /// The file as a table.
    pub fn parse(&self) -> Result<DeTable<'_>, Error> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let line = error.span().map_or(0, |span| self.line(span));
            // Some of the parser's messages have a second line of expectations.
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            self.error(line, Problem::NotToml { message })
        })?;
        Ok(table.into_inner())
    }

    /// The fields of the file's top table.
    pub fn top<'t>(&'t self, table: &'t DeTable<'t>, place: &str) -> Fields<'t> {
        Fields {
            source: self,
            table,
            line: 1,
            place: place.to_owned(),
        }
    }
}

/// The fields of one table.
pub(crate) struct Fields<'t> {
    source: &'t Source<'t>,
    table: &'t DeTable<'t>,
    /// The line that the table begins in.
    pub line: usize,
    /// What the table is called in messages: `[[edge]]`.
    place: String,
}

impl<'t> Fields<'t> {
    /// An error at `line`.
    pub fn error(&self, line: usize, problem: Problem) -> Error {
        self.source.error(line, problem)
    }

    /// Names and values with the lines of the names, in the order of the file.
    pub fn entries(&self) -> Vec<(Located<&'t str>, &'t DeValue<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let line = self.source.line(key.span());
                (
                    key.span().start,
                    Located {
                        value: key.get_ref().as_ref(),
                        line,
                    },
                    value.get_ref(),
                )
            })
            .collect();
        entries.sort_by_key(|(start, _, _)| *start);
        entries
            .into_iter()
            .map(|(_, key, value)| (key, value))
            .collect()
    }

    /// Refuses keys other than `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Error> {
        let entries = self.entries();
        let Some((key, _)) = entries.iter().find(|(key, _)| !known.contains(&key.value)) else {
            return Ok(());
        };
        let hint = hint(key.value, known.iter().copied());
        let (name, place) = (key.value.to_owned(), self.place.clone());
        Err(self.error(
            key.line,
            Problem::UnknownKey {
                key: name,
                place,
                hint,
            },
        ))
    }

    fn value(&self, key: &str) -> Option<Located<&'t DeValue<'t>>> {
        let (key, value) = self
            .entries()
            .into_iter()
            .find(|(name, _)| name.value == key)?;
        Some(Located {
            value,
            line: key.line,
        })
    }

    fn wrong<T>(&self, key: &str, wanted: &str, found: &Located<&DeValue<'_>>) -> Result<T, Error> {
        let problem = Problem::WrongType {
            key: key.to_owned(),
            place: self.place.clone(),
            wanted: wanted.to_owned(),
            found: type_name(found.value).to_owned(),
        };
        Err(self.error(found.line, problem))
    }

    fn missing(&self, key: &str, example: &str) -> Error {
        let (key, place) = (key.to_owned(), self.place.clone());
        self.error(
            self.line,
            Problem::MissingKey {
                key,
                place,
                example: example.to_owned(),
            },
        )
    }

    /// A text that must be there; `example` shows how to add it.
    pub fn text(&self, key: &str, example: &str) -> Result<Located<String>, Error> {
        self.text_optional(key)?
            .ok_or_else(|| self.missing(key, example))
    }

    /// A text that may be there.
    pub fn text_optional(&self, key: &str) -> Result<Option<Located<String>>, Error> {
        let Some(found) = self.value(key) else {
            return Ok(None);
        };
        match found.value {
            DeValue::String(text) => Ok(Some(Located {
                value: text.as_ref().to_owned(),
                line: found.line,
            })),
            _ => self.wrong(key, "a text", &found),
        }
    }

    /// A whole number that must be there.
    pub fn integer(&self, key: &str, example: &str) -> Result<Located<i64>, Error> {
        self.integer_optional(key)?
            .ok_or_else(|| self.missing(key, example))
    }

    /// A whole number that may be there.
    pub fn integer_optional(&self, key: &str) -> Result<Option<Located<i64>>, Error> {
        let Some(found) = self.value(key) else {
            return Ok(None);
        };
        match integer_of(found.value) {
            Some(value) => Ok(Some(Located {
                value,
                line: found.line,
            })),
            None => self.wrong(key, "a whole number", &found),
        }
    }

    /// A list of texts that must be there, each with its line.
    pub fn texts(&self, key: &str, example: &str) -> Result<Vec<Located<String>>, Error> {
        let found = self.value(key).ok_or_else(|| self.missing(key, example))?;
        let DeValue::Array(items) = found.value else {
            return self.wrong(key, "a list of texts", &found);
        };
        let text = |item: &Spanned<DeValue<'_>>| {
            let line = self.source.line(item.span());
            match item.get_ref() {
                DeValue::String(text) => Ok(Located {
                    value: text.as_ref().to_owned(),
                    line,
                }),
                other => self.wrong(key, "a list of texts", &Located { value: other, line }),
            }
        };
        items.iter().map(text).collect()
    }

    /// A table that may be there, called `place` in messages.
    pub fn table(&self, key: &str, place: &str) -> Result<Option<Fields<'t>>, Error> {
        let Some(found) = self.value(key) else {
            return Ok(None);
        };
        match found.value {
            DeValue::Table(table) => Ok(Some(Fields {
                source: self.source,
                table,
                line: found.line,
                place: place.to_owned(),
            })),
            _ => self.wrong(key, "a table", &found),
        }
    }

    /// The tables of `[[key]]`; none when it is not there.
    pub fn tables(&self, key: &str) -> Result<Vec<Fields<'t>>, Error> {
        let Some(found) = self.value(key) else {
            return Ok(Vec::new());
        };
        let wanted = format!("a list of tables, written [[{key}]]");
        let DeValue::Array(items) = found.value else {
            return self.wrong(key, &wanted, &found);
        };
        let fields = |item: &'t Spanned<DeValue<'t>>| {
            let line = self.source.line(item.span());
            match item.get_ref() {
                DeValue::Table(table) => Ok(Fields {
                    source: self.source,
                    table,
                    line,
                    place: format!("[[{key}]]"),
                }),
                other => self.wrong(key, &wanted, &Located { value: other, line }),
            }
        };
        items.iter().map(fields).collect()
    }
}

/// A value as an option of a stage; `None` for dates, lists and tables.
pub(crate) fn option_of(value: &DeValue<'_>) -> Option<OptionValue> {
    match value {
        DeValue::String(text) => Some(OptionValue::Text(text.as_ref().to_owned())),
        DeValue::Boolean(flag) => Some(OptionValue::Flag(*flag)),
        DeValue::Integer(_) => integer_of(value).map(OptionValue::Integer),
        DeValue::Float(number) => number.as_str().parse().ok().map(OptionValue::Real),
        _ => None,
    }
}

/// `None` for other types and for numbers beyond 64 bits.
fn integer_of(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What a value is, in words.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) if integer_of(value).is_none() => "a number beyond 64 bits",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
