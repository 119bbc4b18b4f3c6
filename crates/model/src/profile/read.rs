//! Profiles from text and to text.

use serde_json::Value;

use super::{FORMAT, Machine, Profile, VERSION};
use crate::Error;
use crate::words::plain;

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
                problem: plain(&error.into_inner().to_string()),
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

impl Machine {
    /// Reads a machine: JSON like a profile's `machine`; `file` is the name for errors.
    ///
    /// # Errors
    /// One line that names the field.
    pub fn parse(text: &str, file: &str) -> Result<Machine, Error> {
        let wrong = |field: String, problem: String| Error::Field {
            file: file.into(),
            field,
            problem,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let machine: Machine = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = field(&error.path().to_string());
            wrong(path, plain(&error.into_inner().to_string()))
        })?;
        if machine.cores.is_empty() {
            let problem = "is empty; list the machine's cores, each with an `id`";
            return Err(wrong("cores".into(), problem.into()));
        }
        for (at, core) in machine.cores.iter().enumerate() {
            if machine.cores[..at].iter().any(|other| other.id == core.id) {
                let problem = format!("is {}, as a core before it; number each once", core.id);
                return Err(wrong(format!("cores[{at}].id"), problem));
            }
            if !(core.speed_ratio.is_finite() && core.speed_ratio > 0.0) {
                let problem = format!("is {}; give a number above 0", core.speed_ratio);
                return Err(wrong(format!("cores[{at}].speed_ratio"), problem));
            }
        }
        Ok(machine)
    }
}

/// What is looked at before the rest: other versions have other fields.
fn head(text: &str, file: &str) -> Result<(), Error> {
    let all: Value = serde_json::from_str(text).map_err(|error| Error::Syntax {
        file: file.into(),
        problem: plain(&error.to_string()),
    })?;
    version(&all, file, "format", &FORMAT.into())?;
    version(&all, file, "version", &VERSION.into())?;
    match null(&all, "") {
        None => Ok(()),
        Some(path) => Err(Error::Field {
            file: file.into(),
            field: plain(path.trim_start_matches('.')),
            problem: "is null; leave out what was not measured".into(),
        }),
    }
}

fn version(all: &Value, file: &str, field: &'static str, wanted: &Value) -> Result<(), Error> {
    let problem = match all.get(field) {
        Some(found) if found == wanted => return Ok(()),
        Some(found) => format!("is {found}; this program reads {wanted}"),
        None => format!("is missing; this program reads {wanted}"),
    };
    Err(Error::Version {
        file: file.into(),
        field,
        problem,
    })
}

/// The path of the first null: the types would take it for an absent field, the schema does not.
fn null(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Null => Some(path.into()),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(i, item)| null(item, &format!("{path}[{i}]")))
        }
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.find_map(|(key, field)| null(field, &format!("{path}.{key}")))
        }
        _ => None,
    }
}

/// The parser calls the whole document `.`.
fn field(path: &str) -> String {
    match path {
        "." => "the profile".into(),
        path => plain(path),
    }
}
