//! `brigade record` and `brigade explain`: a running Brigade as a profile, and what limits it.
//!
//! ```text
//!  telemetry::Reader --snapshots--> Samples --+
//!  topology::Machine --costs-----> machine ---+--> profile (JSON) --> model::explain
//! ```

mod error;
pub(crate) mod machine;
mod profile;
mod samples;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use brigade_model::explain::explain_with;
use brigade_model::profile::{Profile, Source};
use brigade_telemetry::Reader;

use crate::cli::{ExplainArgs, RecordArgs};
use crate::top;

pub use error::RecordError;
pub use profile::profile;
pub use samples::Samples;

/// The length of a slice; a run has at least so many.
const SLICE: Duration = Duration::from_millis(50);
const SLICES_MIN: u32 = 10;

/// `brigade record`.
///
/// # Errors
/// When no Brigade or several are running, it ends, or the file cannot be written.
pub fn record(args: &RecordArgs) -> Result<(), RecordError> {
    check_folder(&args.output)?;
    if args.machine.linux {
        return crate::linux::record(args);
    }
    let reader = top::attach(args.pid)?;
    let profile = measure(&reader, Duration::from_secs(args.duration_s))?;
    write(&args.output, &profile.to_json())?;
    println!(
        "brigade: {} s of {} (process {}) are in {}",
        args.duration_s,
        profile.name,
        reader.pid(),
        args.output.display()
    );
    Ok(())
}

/// `brigade explain`.
///
/// # Errors
/// When the file is no profile, or nothing runs.
pub fn explain(args: &ExplainArgs) -> Result<(), RecordError> {
    let profile = match &args.profile {
        Some(path) => read(path)?,
        None if args.machine.linux => crate::linux::measure(args)?,
        None => {
            let reader = top::attach(args.pid)?;
            measure(&reader, Duration::from_secs(args.duration_s))?
        }
    };
    let explanation = match profile.source {
        Source::Linux => brigade_observer::explain(&profile),
        _ => explain_with(&profile, brigade_model::gain),
    };
    let text = match args.json {
        true => explanation.to_json(),
        false => explanation.text(),
    };
    print(&text)
}

/// Prints to the output, which may be closed.
pub(crate) fn print(text: &str) -> Result<(), RecordError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).map_err(RecordError::Output)
}

/// Reads a profile.
pub(crate) fn read(path: &Path) -> Result<Profile, RecordError> {
    let text = fs::read_to_string(path).map_err(|source| RecordError::File {
        path: path.into(),
        source,
    })?;
    Ok(Profile::parse(&text, &path.display().to_string())?)
}

/// Looking takes a while: a folder that is not there is said before it.
fn check_folder(path: &Path) -> Result<(), RecordError> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let found = folder.map_or(Ok(()), |folder| fs::metadata(folder).map(|_| ()));
    found.map_err(|source| RecordError::File {
        path: path.into(),
        source,
    })
}

/// Writes beside the file and renames, so that a reader never sees half of it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), RecordError> {
    let file = |source| RecordError::File {
        path: path.into(),
        source,
    };
    if path.exists() && !path.is_file() {
        return fs::write(path, text).map_err(file);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    fs::write(part, text).map_err(file)?;
    fs::rename(part, path).map_err(file)
}

/// Looks at a running Brigade for so long.
pub(crate) fn measure(reader: &Reader, duration: Duration) -> Result<Profile, RecordError> {
    let slice = SLICE.min(duration / SLICES_MIN);
    let end = Instant::now() + duration;
    let mut samples = Samples::starting(reader.snapshot()?);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::sleep(left.min(slice));
        if !top::is_running(reader.pid()) {
            return Err(top::TopError::Ended { pid: reader.pid() }.into());
        }
        samples.add(reader.snapshot()?);
    }
    let machine = machine::read(&reader.description().cores)?;
    let mut profile = profile(reader.description(), &samples, machine);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    profile.recorded_unix_s = now.ok().map(|since| since.as_secs());
    // What would be refused when it is read is not written.
    profile.check("the recording")?;
    Ok(profile)
}
