//! Which two cores are measured.

use brigade_topology::{Core, Machine, format_cores};

use crate::error::Error;

/// The pair that was chosen, or one pair of each distance that the machine shows: siblings, cores
/// with a common last-level cache, others. The probe tells what each pair really is.
///
/// # Errors
/// When there are not two cores.
pub fn of(chosen: Option<[usize; 2]>) -> Result<Vec<[usize; 2]>, Error> {
    let machine = Machine::read()?;
    match chosen {
        Some(pair) => {
            machine.check(&pair)?;
            Ok(vec![pair])
        }
        None => pairs(&machine),
    }
}

fn pairs(machine: &Machine) -> Result<Vec<[usize; 2]>, Error> {
    let too_few = || Error::TooFewCores {
        cores: format_cores(&machine.ids()),
    };
    let (first, others) = machine.cores().split_first().ok_or_else(too_few)?;
    let mut pairs: Vec<[usize; 2]> = Vec::new();
    let mut distances = Vec::new();
    for other in others {
        let distance = distance(first, other);
        if !distances.contains(&distance) {
            distances.push(distance);
            pairs.push([first.id, other.id]);
        }
    }
    if pairs.is_empty() {
        return Err(too_few());
    }
    Ok(pairs)
}

/// What the machine says: siblings, a common last-level cache, or neither.
fn distance(a: &Core, b: &Core) -> u8 {
    let shares_last_cache = a
        .caches
        .iter()
        .max_by_key(|cache| cache.level)
        .is_some_and(|cache| cache.shared_with.contains(&b.id));
    if a.siblings.contains(&b.id) {
        0
    } else if shares_last_cache {
        1
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn one_core_is_too_few() {
        let machine = Machine::read_from(Path::new("/nowhere"), &[3]);
        let error = pairs(&machine).unwrap_err().to_string();
        assert!(error.contains("may use 3 only"), "{error}");
    }

    #[test]
    fn cores_of_one_distance_are_taken_once() {
        let machine = Machine::read_from(Path::new("/nowhere"), &[1, 4, 5]);
        assert_eq!(pairs(&machine).unwrap(), [[1, 4]]);
    }
}
