//! One run with the load on the in-process wire, and what `top` sees of it meanwhile.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Error;
use super::child::{DISK, Running, brigade, output};

/// A run's arguments that differ between runs.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// `fused` or `spread`.
    pub placement: &'a str,
    /// What the load asks for.
    pub path: &'a str,
    /// Messages to a visit.
    pub cohort: u32,
    /// Seconds measured, after one that is not.
    pub duration_s: u64,
}

/// What the load measured.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Right answers a second.
    pub pages_per_s: f64,
    /// CPU time of all threads but the load's, by page.
    pub cpu_us_per_page: f64,
    /// Median latency.
    pub latency_p50_us: f64,
    /// 99 % of the latencies are at most this.
    pub latency_p99_us: f64,
}

impl<'a> Run<'a> {
    /// A run of the default cohort that is measured for one second.
    pub fn new(placement: &'a str, path: &'a str) -> Run<'a> {
        Run {
            placement,
            path,
            cohort: 32,
            duration_s: 1,
        }
    }

    fn start(&self) -> Result<Running, Error> {
        let (cohort, duration) = (self.cohort.to_string(), self.duration_s.to_string());
        let mut arguments = vec!["run", "--nic", "wire", "--disk", DISK];
        arguments.extend(["--placement", self.placement, "--path", self.path]);
        arguments.extend(["--cohort", &cohort, "--duration-s", &duration]);
        Running::start(&arguments, "connections on the wire ask for")
    }

    /// Runs to the end.
    pub fn measure(&self) -> Result<Outcome, Error> {
        Outcome::parse(self.start()?.wait()?)
    }

    /// Runs to the end, and gives what happened in a stretch in the middle of it.
    pub fn watch(&self) -> Result<Totals, Error> {
        let running = self.start()?;
        thread::sleep(Duration::from_secs(1));
        let before = Totals::of(running.pid())?;
        thread::sleep(Duration::from_secs(self.duration_s) / 2);
        let after = Totals::of(running.pid())?;
        Outcome::parse(running.wait()?)?;
        Ok(after.since(&before))
    }
}

impl Outcome {
    /// Reads what a run said; an error when it counted one.
    pub fn parse(said: String) -> Result<Outcome, Error> {
        let number = |wanted: &'static str| {
            let line = said.lines().find_map(|line| line.strip_prefix(wanted));
            let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
            let output = || said.clone();
            number.ok_or_else(|| Error::Missing {
                wanted,
                output: output(),
            })
        };
        if number("errors")? > 0.0 {
            return Err(Error::Answer(said));
        }
        Ok(Outcome {
            pages_per_s: number("pages/s")?,
            cpu_us_per_page: number("CPU time per page")?,
            latency_p50_us: number("latency p50")?,
            latency_p99_us: number("latency p99")?,
        })
    }
}

/// Totals that `brigade top --json` shows, by their names: `http.copies_total`,
/// `http.requests` (messages of that edge), `block_flushes_total`.
#[derive(Debug, Clone, Default)]
pub struct Totals(BTreeMap<String, f64>);

impl Totals {
    /// What the process `pid` shows now.
    pub fn of(pid: u32) -> Result<Totals, Error> {
        let arguments = ["top", "--json", "--interval-ms", "10", "--pid"];
        let json = output(brigade(&arguments).arg(pid.to_string()))?;
        Ok(Totals::parse(&serde_json::from_str(&json)?))
    }

    fn parse(top: &Value) -> Totals {
        let mut totals = BTreeMap::new();
        for stage in list(top, "stages") {
            for key in ["copies_total", "copies_bytes_total"] {
                let name = format!("{}.{key}", text(stage, "name"));
                totals.insert(name, number(stage, key));
            }
        }
        for edge in list(top, "edges") {
            totals.insert(
                text(edge, "from").to_owned(),
                number(edge, "messages_total"),
            );
        }
        for counter in list(top, "counters") {
            totals.insert(text(counter, "name").to_owned(), number(counter, "total"));
        }
        Totals(totals)
    }

    fn since(&self, before: &Totals) -> Totals {
        let grown = self.0.iter();
        Totals(
            grown
                .map(|(name, total)| (name.clone(), total - before.get(name)))
                .collect(),
        )
    }

    /// The total called `name`; 0 when there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }
}

pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("?")
}

pub(super) fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_from_what_a_run_says() {
        let said = "errors 0\npages/s   1200\nCPU time per page   16.5 us (all)\n\
                    latency p50   9.5 us\nlatency p99   12 us\n";
        let outcome = Outcome::parse(said.into()).unwrap();
        assert_eq!(
            (outcome.pages_per_s, outcome.cpu_us_per_page),
            (1200.0, 16.5)
        );
        assert!(Outcome::parse(said.replace("errors 0", "errors 1")).is_err());
        assert!(Outcome::parse(said.replace("pages/s", "pages/m")).is_err());
    }

    #[test]
    fn totals_are_differences_by_name() {
        let top = |copies: u32, messages: u32| {
            serde_json::json!({
                "stages": [{ "name": "tcp", "copies_total": copies, "copies_bytes_total": 1 }],
                "edges": [{ "from": "http.requests", "messages_total": messages }],
                "counters": [{ "name": "block_flushes_total", "total": 3 }],
            })
        };
        let grown = Totals::parse(&top(9, 8)).since(&Totals::parse(&top(4, 6)));
        assert_eq!(grown.get("tcp.copies_total"), 5.0);
        assert_eq!(grown.get("http.requests"), 2.0);
        assert_eq!(grown.get("block_flushes_total"), 0.0);
        assert_eq!(grown.get("nonsense"), 0.0);
    }
}
