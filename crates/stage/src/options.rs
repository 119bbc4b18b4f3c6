//! Values of a stage's options.

use std::fmt;

/// The value of an option, as written in a pipeline's file or on the command line.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl OptionValue {
    /// A text value.
    pub fn text(value: impl Into<String>) -> OptionValue {
        OptionValue::Text(value.into())
    }

    /// What kind of value it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            OptionValue::Integer(_) => "a whole number",
            OptionValue::Real(_) => "a number",
            OptionValue::Text(_) => "a text",
            OptionValue::Flag(_) => "true or false",
        }
    }

    /// Whether `other` is the same kind of value.
    pub fn same_type(&self, other: &OptionValue) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Integer(v) => write!(f, "{v}"),
            OptionValue::Real(v) => write!(f, "{v}"),
            OptionValue::Text(v) => write!(f, "{v:?}"),
            OptionValue::Flag(v) => write!(f, "{v}"),
        }
    }
}
