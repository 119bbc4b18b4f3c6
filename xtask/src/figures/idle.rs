//! What a Brigade costs that nobody asks for anything, and how soon it answers then.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::portal::Portal;
use super::stats::Sample;
use super::{Error, PLACEMENTS};

/// After the last request, connections are in TIME-WAIT for so long and keep a timer going.
const SETTLE: Duration = Duration::from_secs(12);
const WATCHED: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(5);
const FIRSTS: u32 = 5;
/// Ticks of /proc/PID/stat in a second; the kernel's constant towards programs.
const TICKS_PER_S: f64 = 100.0;

struct Row {
    cpu_ratio: f64,
    switches_per_s: f64,
    first_ms: Sample,
}

/// Watches both placements at once: an idle process does not disturb the other one.
pub fn measure() -> Result<String, Error> {
    let portals = PLACEMENTS.map(Portal::start);
    let portals = portals.into_iter().collect::<Result<Vec<_>, _>>()?;
    for portal in &portals {
        (1..=20).try_for_each(|item| portal.get(&format!("/product/{item}")).map(drop))?;
    }
    thread::sleep(SETTLE);
    let mut rows = watch(&portals)?;
    for first in 0..FIRSTS {
        thread::sleep(REST);
        for (portal, row) in portals.iter().zip(&mut rows) {
            // A book that nobody looked at yet.
            let took = portal.get(&format!("/product/{}", 100 + first))?;
            row.first_ms.add(took.as_secs_f64() * 1e3);
        }
    }
    Ok(table(&rows))
}

fn watch(portals: &[Portal]) -> Result<Vec<Row>, Error> {
    let counts = || -> Result<Vec<(u64, u64)>, Error> {
        let read = |portal: &Portal| Ok((portal.cpu_ticks()?, portal.switches()?));
        portals.iter().map(read).collect()
    };
    let (begun, before) = (Instant::now(), counts()?);
    thread::sleep(WATCHED);
    let (after, elapsed_s) = (counts()?, begun.elapsed().as_secs_f64());
    let pairs = before.iter().zip(&after);
    let row = |(before, after): (&(u64, u64), &(u64, u64))| Row {
        cpu_ratio: (after.0 - before.0) as f64 / TICKS_PER_S / elapsed_s,
        switches_per_s: (after.1 - before.1) as f64 / elapsed_s,
        first_ms: Sample::default(),
    };
    Ok(pairs.map(row).collect())
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:8}{:>16}{:>24}{:>36}\n",
        "", "of one core", "voluntary switches/s", "first page after 5 s idle, ms"
    );
    for (row, placement) in rows.iter().zip(PLACEMENTS) {
        let _ = writeln!(
            text,
            "{placement:8}{:>14.2} %{:24.2}{:36.2}",
            row.cpu_ratio * 100.0,
            row.switches_per_s,
            row.first_ms
        );
    }
    text
}
