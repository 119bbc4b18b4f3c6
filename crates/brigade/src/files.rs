//! How many files the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to the most that the system lets this process have; gives what holds now (none:
/// without limit).
pub fn allow_many() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => before.maximum,
        Err(_) => before.current,
    }
}
