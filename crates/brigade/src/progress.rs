//! A progress bar on a terminal; a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: u64 = 40;
const REDRAW: Duration = Duration::from_millis(50);
const REPRINT: Duration = Duration::from_secs(5);

/// Shows how far something is.
pub struct Progress {
    what: String,
    terminal: bool,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// A bar for `what`; draws nothing yet.
    pub fn new(what: &str) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress {
            what: what.to_owned(),
            terminal,
            begun: Instant::now(),
            drawn: None,
        }
    }

    /// Shows `done` of `total`, unless it was shown a moment ago.
    pub fn show(&mut self, done: u64, total: u64) {
        let pause = if self.terminal { REDRAW } else { REPRINT };
        let recently = self.drawn.is_some_and(|at| at.elapsed() < pause);
        if recently && done < total {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = line(&self.what, done, total);
        // A progress bar that cannot be drawn is no reason to stop.
        let _ = match self.terminal {
            true => write!(std::io::stderr(), "\r{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Ends the bar.
    pub fn finish(self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if self.terminal {
            eprintln!(" in {seconds:.1} s");
        }
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    let total = total.max(1);
    let full = (done.min(total) * WIDTH / total) as usize;
    let bar: String = "#".repeat(full) + &"-".repeat(WIDTH as usize - full);
    format!(
        "brigade: {what} [{bar}] {:3} %",
        done.min(total) * 100 / total
    )
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_bar_is_empty_half_and_full() {
        assert!(line("x", 0, 10).contains("[----"));
        assert!(line("x", 5, 10).contains(&format!(
            "[{}{}]  50 %",
            "#".repeat(20),
            "-".repeat(20)
        )));
        assert!(line("x", 12, 10).ends_with("100 %"));
        assert!(line("x", 0, 0).ends_with("  0 %"));
    }
}
