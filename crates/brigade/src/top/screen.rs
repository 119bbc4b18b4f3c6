//! The terminal: an alternate screen that is redrawn in place and always left as it was found.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::draw::COLUMNS_MIN;
use super::keys::Keys;
use super::{Style, TopError};

/// Lines that are too long are cut off: wrapped, they would push the first ones out of the window.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Home; every line then clears its rest, and the last one all below, so that nothing flickers.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// The verdict is wrapped to no less.
const COLUMNS_LEAST: usize = 20;

/// How long Ctrl-C may take to be noticed.
const NAP: Duration = Duration::from_millis(50);

/// Where the drawing goes.
pub(crate) struct Screen {
    /// Redraw in place; else one drawing follows the other.
    in_place: bool,
    is_terminal: bool,
    stop: Arc<AtomicBool>,
    /// Watches for `q`, where there is a keyboard.
    keys: Option<Keys>,
}

impl Screen {
    /// For a single drawing.
    pub fn plain() -> Screen {
        let is_terminal = io::stdout().is_terminal();
        Screen {
            in_place: false,
            is_terminal,
            stop: Arc::default(),
            keys: None,
        }
    }

    /// For a drawing that is renewed until `q`, Ctrl-C or SIGTERM.
    pub fn live() -> Result<Screen, TopError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone()).map_err(TopError::Signal)?;
        }
        let in_place = io::stdout().is_terminal();
        if in_place {
            put(ENTER)?;
        }
        let keys = match in_place {
            true => Keys::watch(stop.clone()),
            false => None,
        };
        Ok(Screen {
            in_place,
            is_terminal: in_place,
            stop,
            keys,
        })
    }

    /// Set when it is time to stop.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// How to draw here; asked before each drawing, for windows change their size.
    pub fn style(&self) -> Style {
        let size = self
            .is_terminal
            .then(|| tcgetwinsize(io::stdout()).ok())
            .flatten();
        let columns = size
            .map_or(COLUMNS_MIN, |size| usize::from(size.ws_col))
            .clamp(COLUMNS_LEAST, 140);
        let rows = size
            .map(|size| usize::from(size.ws_row))
            .filter(|rows| *rows > 0);
        let colour = self.is_terminal && std::env::var_os("NO_COLOR").is_none();
        Style {
            columns,
            rows: rows.filter(|_| self.in_place),
            colour,
        }
    }

    /// Shows a drawing.
    pub fn print(&self, drawing: &str) -> Result<(), TopError> {
        if !self.in_place {
            return put(drawing);
        }
        let lines: Vec<&str> = drawing.lines().collect();
        put(&format!("{HOME}{}{CLEAR_BELOW}", lines.join(CLEAR_LINE)))
    }

    /// Waits for an interval; false when it is time to stop.
    pub fn wait(&self, interval: Duration) -> bool {
        let end = Instant::now() + interval;
        while !self.stop.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
        false
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.keys.take());
        if self.in_place {
            // The terminal may be gone; then there is nothing to restore.
            let _ = put(LEAVE);
        }
    }
}

fn put(text: &str) -> Result<(), TopError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(TopError::Output)
}
