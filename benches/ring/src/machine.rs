//! What the figures were measured on.

use std::fmt;
use std::fs;

use serde::Serialize;

/// The machine, as far as it says.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// The processor's name.
    pub processor: String,
    /// Its family, which tells processors with the same name apart.
    pub family: String,
    /// The kernel.
    pub kernel: String,
    /// How many cores this process may use.
    pub cores: usize,
}

impl Facts {
    /// Reads `/proc`; what is not there is `unknown`.
    pub fn read() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism();
        Self {
            processor: field(&info, "model name"),
            family: field(&info, "cpu family"),
            kernel: known(kernel.trim()),
            cores: cores.map_or(1, usize::from),
        }
    }
}

fn field(info: &str, name: &str) -> String {
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    let value = fields
        .filter(|(field, _)| field.trim() == name)
        .map(|(_, value)| value.trim());
    known(value.clone().next().unwrap_or_default())
}

fn known(text: &str) -> String {
    if text.is_empty() {
        return "unknown".into();
    }
    text.into()
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            family,
            kernel,
            cores,
        } = self;
        write!(
            f,
            "{processor} (family {family}), {cores} cores, Linux {kernel}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let info = "processor\t: 0\ncpu family\t: 26\nmodel name\t: A: B\n";
        assert_eq!(field(info, "cpu family"), "26");
        assert_eq!(field(info, "model name"), "A: B");
        assert_eq!(field(info, "stepping"), "unknown");
    }
}
