//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::cell::is_chosen;
use crate::error::Error;
use crate::placement::Limits;

/// What `--help` prints.
pub const USAGE: &str = "\
Brigade's ring beside other queues, and between processes beside system calls.

usage: cargo run --release -- [OPTIONS]

  --quick              the main cells only, 40 s in all
  --variants           the ring beside itself: each trick taken away, and with ends that can sleep
  --cells FILTER       only cells with these parts in their names: , is or, + is and, as in
                       stream+single+cap1024,trip; `process` is all between processes
  --list               print the names of the chosen cells, and measure nothing
  --seconds N          how long to measure; without it 220 (every cell is visited at least once)
  --seed N             decides the order of everything; without it 1
  --cores A,B          the two cores; without it pairs of each distance that the machine shows
  --class-limits S,L   the probe's round trips, in ns, below which two cores are siblings, or have
                       the same L3
  --keep FILE          first read the slices that earlier runs left in FILE, and leave them there with
                       this run's: a long measurement in steps, or at different times
  --json FILE          write all figures
  --svg FOLDER         write a chart for each class that was seen, and one for processes
";

/// The command line, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Args {
    /// Only the main cells.
    pub quick: bool,
    /// The ring's variants in place of the other queues.
    pub variants: bool,
    /// Which cells.
    pub cells: Option<String>,
    /// Print names, measure nothing.
    pub list: bool,
    /// How long.
    pub time: Duration,
    /// Decides every order.
    pub seed: u64,
    /// The two cores, if they were chosen.
    pub cores: Option<[usize; 2]>,
    /// How a probe becomes a class.
    pub limits: Limits,
    /// Where slices are kept from run to run.
    pub keep: Option<PathBuf>,
    /// Where the figures go.
    pub json: Option<PathBuf>,
    /// Where the charts go.
    pub svg: Option<PathBuf>,
}

const QUICK: Duration = Duration::from_secs(40);
const FULL: Duration = Duration::from_secs(220);

impl Default for Args {
    fn default() -> Self {
        Self {
            quick: false,
            variants: false,
            cells: None,
            list: false,
            time: FULL,
            seed: 1,
            cores: None,
            limits: Limits::default(),
            keep: None,
            json: None,
            svg: None,
        }
    }
}

impl Args {
    /// Whether a cell of this name is to be measured.
    pub fn chooses(&self, name: &str) -> bool {
        let filter = self.cells.as_deref();
        filter.is_none_or(|filter| is_chosen(name, filter))
    }

    /// Reads what stands after the program's name. `None` when help was asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] says which argument is wrong and how it should be.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, Error> {
        let mut args = Self::default();
        let mut seconds = None;
        let mut rest = arguments.into_iter();
        while let Some(name) = rest.next() {
            let mut value = || {
                let missing = || Error::Usage(format!("{name} needs a value; see --help"));
                rest.next().ok_or_else(missing)
            };
            match &*name {
                "--help" | "-h" => return Ok(None),
                "--quick" => args.quick = true,
                "--variants" => args.variants = true,
                "--list" => args.list = true,
                "--cells" => args.cells = Some(value()?),
                "--seconds" => seconds = Some(number(&name, &value()?)?),
                "--seed" => args.seed = number(&name, &value()?)?,
                "--cores" => args.cores = Some(two(&name, &value()?)?),
                "--class-limits" => {
                    let [siblings_below_ns, same_l3_below_ns] = two(&name, &value()?)?;
                    args.limits = Limits {
                        siblings_below_ns,
                        same_l3_below_ns,
                    };
                }
                "--keep" => args.keep = Some(value()?.into()),
                "--json" => args.json = Some(value()?.into()),
                "--svg" => args.svg = Some(value()?.into()),
                _ => return Err(Error::Usage(format!("{name} is unknown; see --help"))),
            }
        }
        let short = if args.quick { QUICK } else { FULL };
        args.time = seconds.map_or(short, Duration::from_secs);
        Ok(Some(args))
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Error> {
    let wrong = || Error::Usage(format!("{name} {value}: a number is needed"));
    value.parse().map_err(|_| wrong())
}

fn two<T: std::str::FromStr>(name: &str, value: &str) -> Result<[T; 2], Error> {
    let wrong = || {
        Error::Usage(format!(
            "{name} {value}: two numbers with a comma are needed"
        ))
    };
    let (a, b) = value.split_once(',').ok_or_else(wrong)?;
    Ok([number(name, a)?, number(name, b)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Args>, Error> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_means_everything() {
        assert_eq!(parse("").unwrap(), Some(Args::default()));
        assert_eq!(parse("--help").unwrap(), None);
    }

    #[test]
    fn every_option_is_read() {
        let args = parse(
            "--quick --variants --cells a+b --list --seconds 7 --seed 9 --cores 2,5 --class-limits 60,200.5 \
             --keep k --json a.json --svg b",
        );
        let expected = Args {
            quick: true,
            variants: true,
            cells: Some("a+b".into()),
            list: true,
            time: Duration::from_secs(7),
            seed: 9,
            cores: Some([2, 5]),
            limits: Limits {
                siblings_below_ns: 60.0,
                same_l3_below_ns: 200.5,
            },
            keep: Some("k".into()),
            json: Some("a.json".into()),
            svg: Some("b".into()),
        };
        assert_eq!(args.unwrap(), Some(expected));
        assert_eq!(parse("--quick").unwrap().unwrap().time, QUICK);
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for line in ["--seconds", "--seconds x", "--cores 1", "--bulk"] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
