//! Profiles from text and to text.

use serde::Deserialize;

use super::{FORMAT, Profile, VERSION};
use crate::Error;

/// What is read before the rest: other versions have other fields.
#[derive(Deserialize)]
struct Head {
    format: Option<serde_json::Value>,
    version: Option<serde_json::Value>,
}

impl Profile {
    /// Reads and checks a profile; `file` is the name for errors.
    ///
    /// # Errors
    /// One line that names the field: what is wrong there, and what is expected.
    pub fn parse(text: &str, file: &str) -> Result<Profile, Error> {
        head(text, file)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let profile: Profile =
            serde_path_to_error::deserialize(&mut json).map_err(|error| Error::Field {
                file: file.into(),
                field: field(&error.path().to_string()),
                problem: plain(&error.into_inner()),
            })?;
        profile.check(file)?;
        Ok(profile)
    }

    /// The profile as text: JSON over several lines, ended by a line feed.
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn head(text: &str, file: &str) -> Result<(), Error> {
    let head: Head = serde_json::from_str(text).map_err(|error| Error::Syntax {
        file: file.into(),
        problem: plain(&error),
    })?;
    let wrong = |field, found: Option<serde_json::Value>, wanted: String| Error::Version {
        file: file.into(),
        field,
        problem: match found {
            None => format!("is missing; this program reads {wanted}"),
            Some(found) => format!("is {found}; this program reads {wanted}"),
        },
    };
    if head.format != Some(FORMAT.into()) {
        return Err(wrong("format", head.format, format!("\"{FORMAT}\"")));
    }
    if head.version != Some(VERSION.into()) {
        return Err(wrong("version", head.version, VERSION.to_string()));
    }
    Ok(())
}

/// The parser calls the whole document `.`.
fn field(path: &str) -> String {
    match path {
        "." => "the profile".into(),
        path => path.into(),
    }
}

/// A parser's message on one line, without what would upset a terminal.
fn plain(error: &serde_json::Error) -> String {
    let clean = |c: char| if c.is_control() { '?' } else { c };
    error.to_string().chars().map(clean).collect()
}
