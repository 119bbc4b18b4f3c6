//! Lists of cores as text: `0,1,4-7`, as the kernel writes them.

use crate::Error;

/// More cores than any machine has; bounds what a typed range may expand to.
const CORES_MAX: usize = 1 << 16;

/// Reads a list of cores such as `0,1,4-7`, in the order in which it is written.
///
/// # Errors
/// [`Error::NotAList`] for anything else, also an empty text; [`Error::Twice`] for a repeated core.
pub fn parse_cores(text: &str) -> Result<Vec<usize>, Error> {
    let wrong = || Error::NotAList {
        text: text.to_owned(),
    };
    let mut cores = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = parse_range(part).ok_or_else(wrong)?;
        cores.extend(first..=last);
    }
    let mut sorted = cores.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::Twice { core: pair[0] }),
        None => Ok(cores),
    }
}

/// `4` or `4-7`, both ends included.
fn parse_range(part: &str) -> Option<(usize, usize)> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (parse_core(first)?, parse_core(last)?);
    (first <= last).then_some((first, last))
}

/// Digits only: `usize::from_str` would also take `+1`.
fn parse_core(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|core| digits && *core < CORES_MAX)
}

/// Writes cores as the shortest list, ascending: `0-1,4`.
pub fn format_cores(cores: &[usize]) -> String {
    let mut sorted = cores.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let run = |run: &[usize]| match run {
        [only] => only.to_string(),
        _ => format!("{}-{}", run[0], run[run.len() - 1]),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_their_order() {
        assert_eq!(parse_cores("0,1,4-7").unwrap(), [0, 1, 4, 5, 6, 7]);
        assert_eq!(parse_cores(" 3 , 1\n").unwrap(), [3, 1]);
        assert_eq!(parse_cores("5-5").unwrap(), [5]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            ",",
            "0,",
            "a",
            "-1",
            "1-",
            "3-1",
            "0..4",
            "+1",
            "1-2-3",
            "0-99999999",
            "٣",
        ] {
            let error = parse_cores(text).unwrap_err().to_string();
            assert!(error.contains("is not a list of cores"), "{text}: {error}");
        }
        let error = parse_cores("0-3,2").unwrap_err().to_string();
        assert_eq!(error, "core 2 is listed twice; name each core once");
    }

    #[test]
    fn lists_are_written_short_and_read_back() {
        assert_eq!(format_cores(&[]), "");
        assert_eq!(format_cores(&[2]), "2");
        assert_eq!(format_cores(&[7, 0, 1, 5, 6, 3]), "0-1,3,5-7");
        assert_eq!(parse_cores(&format_cores(&[9, 8, 4])).unwrap(), [4, 8, 9]);
    }
}
