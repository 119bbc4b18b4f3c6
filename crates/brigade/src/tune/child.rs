//! One run of the pipeline as a process of its own, as a user would start it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use brigade_model::profile::Profile;
use brigade_telemetry::Reader;
use rustix::process::{Pid, Signal, kill_process};

use super::TuneError;
use crate::cli::TuneArgs;
use crate::record;
use crate::signals::Stopper;

/// How long a pipeline may take to begin, its image included.
const START_MAX: Duration = Duration::from_secs(300);
/// How long it may take to end.
const END_MAX: Duration = Duration::from_secs(45);
/// What is not measured at the beginning: caches fill, the load gets going.
const WARM_UP: Duration = Duration::from_millis(1_000);
const PAUSE: Duration = Duration::from_millis(20);

/// How runs are started.
pub(super) struct Runs<'a> {
    pub args: &'a TuneArgs,
    pub stopper: &'a Stopper,
    /// Where placements are written.
    pub folder: PathBuf,
}

impl Runs<'_> {
    /// Runs the pipeline under a placement (`fused`, or a file) and records it.
    pub fn profile(&self, placement: &str) -> Result<Profile, TuneError> {
        let command = self.command(placement);
        let mut running = Running::start(&command)?;
        let reader = running.reader(self.stopper, &command)?;
        self.rest(WARM_UP)?;
        let measured = record::measure(&reader, Duration::from_secs(self.args.duration_s));
        if self.stopper.stopped() {
            return Err(TuneError::Interrupted);
        }
        let profile = measured.map_err(|error| running.why(&command).unwrap_or(error.into()))?;
        running.end();
        Ok(profile)
    }

    /// As [`profile`](Self::profile), for a placement that is given as text.
    pub fn profile_of(&self, toml: &str) -> Result<Profile, TuneError> {
        let path = self.folder.join("placement.toml");
        write(&path, toml)?;
        self.profile(&path.display().to_string())
    }

    fn command(&self, placement: &str) -> Vec<String> {
        let args = self.args;
        let mut words = vec!["run".to_owned(), args.pipeline.clone()];
        if args.pipeline == "web" {
            let load = [
                ("--nic", "load".to_owned()),
                ("--disk", "mem:64M".to_owned()),
                ("--items", args.items.to_string()),
                ("--connections", args.connections.to_string()),
                ("--path", args.path.clone()),
            ];
            words.extend(
                load.into_iter()
                    .flat_map(|(name, value)| [name.into(), value]),
            );
        }
        if let Some(cores) = &args.cores {
            words.extend(["--cores".to_owned(), cores.clone()]);
        }
        words.extend(["--placement".to_owned(), placement.to_owned()]);
        // Should this process be killed, the pipeline ends by itself.
        let limit = START_MAX.as_secs() + args.duration_s;
        words.extend(["--duration-s".to_owned(), limit.to_string()]);
        words
    }

    fn rest(&self, duration: Duration) -> Result<(), TuneError> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            if self.stopper.stopped() {
                return Err(TuneError::Interrupted);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), TuneError> {
    std::fs::write(path, text).map_err(|source| TuneError::File {
        path: path.into(),
        source,
    })
}

/// A pipeline that runs; it is ended when this is dropped.
struct Running {
    child: Child,
}

impl Running {
    fn start(command: &[String]) -> Result<Running, TuneError> {
        let failed = |program: PathBuf| |source| TuneError::Start { program, source };
        let program = std::env::current_exe().map_err(failed("this program".into()))?;
        let child = Command::new(&program)
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed(program))?;
        Ok(Running { child })
    }

    /// Its telemetry, once it serves.
    fn reader(&mut self, stopper: &Stopper, command: &[String]) -> Result<Reader, TuneError> {
        let end = Instant::now() + START_MAX;
        while Instant::now() < end {
            if stopper.stopped() {
                return Err(TuneError::Interrupted);
            }
            if let Some(error) = self.why(command) {
                return Err(error);
            }
            // While it makes its image, another pipeline runs in it: that of the filling.
            if let Ok(reader) = Reader::attach(self.child.id())
                && !reader.description().pipeline.starts_with("populate")
            {
                return Ok(reader);
            }
            std::thread::sleep(PAUSE);
        }
        Err(TuneError::NotRunning {
            command: command.join(" "),
            seconds: START_MAX.as_secs(),
        })
    }

    /// Why it has ended, if it has.
    fn why(&mut self, command: &[String]) -> Option<TuneError> {
        self.child.try_wait().ok().flatten()?;
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            let _ = errors.take(64 * 1024).read_to_string(&mut said);
        }
        let last = said.lines().last().unwrap_or("it said nothing");
        Some(TuneError::Ended {
            command: command.join(" "),
            said: last.to_owned(),
        })
    }

    /// Asks it to end, and sees to it that it does.
    fn end(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + END_MAX;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
