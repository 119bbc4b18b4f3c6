//! Brigade's ring beside the other single-producer single-consumer queues: see README.md.

extern crate alloc;

mod args;
mod candidates;
mod cell;
mod charts;
mod error;
mod keep;
mod machine;
mod measure;
mod pairs;
mod payload;
mod peers;
mod placement;
mod process;
mod queue;
mod random;
mod report;
mod sides;
mod stats;
mod svg;
mod table;
mod targets;
mod variants;
mod watch;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use args::Args;
use cell::Cell;
use error::Error;
use measure::{Outcome, Plan};
use placement::Class;
use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == process::CHILD => process::follow(rest),
        _ => Args::parse(arguments).and_then(|args| match args {
            Some(args) => run(&args),
            None => {
                print!("{}", args::USAGE);
                Ok(())
            }
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ring bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All figures of a run.
#[derive(Serialize)]
struct Figures {
    machine: machine::Facts,
    threads: Option<Report>,
    processes: Option<process::Report>,
}

fn run(args: &Args) -> Result<(), Error> {
    let cells = cell::all();
    let chosen = chosen(args, &cells);
    let processes = args.chooses(PROCESSES);
    if chosen.is_empty() && !processes {
        let filter = args.cells.clone().unwrap_or_default();
        return Err(Error::NoCell { filter });
    }
    if args.list {
        chosen.iter().for_each(|cell| println!("{}", cells[*cell]));
        if processes {
            println!("{PROCESSES}");
        }
        return Ok(());
    }
    let machine = machine::Facts::read();
    println!("{machine}");
    let (for_threads, for_processes) = share(args.time, !chosen.is_empty(), processes);
    let threads = match chosen.is_empty() {
        true => None,
        false => Some(threads(args, cells, chosen, for_threads)?),
    };
    let processes = match processes {
        true => Some(between_processes(args, for_processes)?),
        false => None,
    };
    let figures = Figures {
        machine,
        threads,
        processes,
    };
    write(args, &figures)
}

/// The figures between processes are one cell with this name.
const PROCESSES: &str = "process";

/// The time for the queues and for the processes: the latter are few.
fn share(time: Duration, threads: bool, processes: bool) -> (Duration, Duration) {
    match (threads, processes) {
        (true, true) => (time * 7 / 8, time / 8),
        _ => (time, time),
    }
}

fn threads(
    args: &Args,
    cells: Vec<Cell>,
    chosen: Vec<usize>,
    time: Duration,
) -> Result<Report, Error> {
    let plan = Plan {
        cells,
        chosen,
        candidates: match args.variants {
            true => candidates::variants(),
            false => candidates::all(),
        },
        pairs: pairs::of(args.cores)?,
        limits: args.limits,
        time,
        seed: args.seed,
    };
    let earlier = match &args.keep {
        Some(path) => keep::read(path, &plan)?,
        None => Outcome::default(),
    };
    // In a thread of its own: it is pinned.
    let measured = thread::scope(|scope| scope.spawn(|| measure::run(&plan, earlier)).join());
    let outcome = measured.map_err(|_| Error::Panicked)??;
    if let Some(path) = &args.keep {
        keep::write(path, &plan, &outcome)?;
    }
    let report = Report::new(&plan, &outcome);
    print!("{}", table::tables(&report));
    Ok(report)
}

fn between_processes(args: &Args, time: Duration) -> Result<process::Report, Error> {
    let plan = process::Plan {
        // The pair that the machine shows as nearest.
        cores: pairs::of(args.cores)?[0],
        limits: args.limits,
        time,
        seed: args.seed,
    };
    let measured = thread::scope(|scope| scope.spawn(|| process::run(&plan)).join());
    let report = process::Report::new(&measured.map_err(|_| Error::Panicked)??);
    print!("{}", process::table(&report));
    Ok(report)
}

/// The places of the cells to be measured.
fn chosen(args: &Args, cells: &[Cell]) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..cells.len()).collect();
    chosen.retain(|cell| !args.quick || cells[*cell].is_quick());
    chosen.retain(|cell| args.chooses(&cells[*cell].to_string()));
    chosen
}

fn write(args: &Args, figures: &Figures) -> Result<(), Error> {
    if let Some(path) = &args.json {
        let text = serde_json::to_string(figures).map_err(std::io::Error::from);
        let written = text.and_then(|text| fs::write(path, text));
        written.map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
    }
    let Some(folder) = &args.svg else {
        return Ok(());
    };
    if let Some(report) = &figures.threads {
        for class in Class::ALL {
            if let Some(chart) = charts::chart(report, class) {
                save(folder, &charts::file_name(class), &chart.svg())?;
            }
        }
    }
    match figures.processes.as_ref().and_then(process::chart) {
        Some(chart) => save(folder, "processes.svg", &chart.svg()),
        None => Ok(()),
    }
}

fn save(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|source| Error::Write { path, source })
}
