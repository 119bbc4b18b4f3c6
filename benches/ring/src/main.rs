//! Brigade's ring beside the other single-producer single-consumer queues: see README.md.

mod args;
mod candidates;
mod cell;
mod charts;
mod error;
mod keep;
mod measure;
mod pairs;
mod payload;
mod peers;
mod placement;
mod queue;
mod random;
mod report;
mod sides;
mod stats;
mod svg;
mod table;
mod targets;
mod watch;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use args::Args;
use cell::Cell;
use error::Error;
use measure::{Outcome, Plan};
use placement::Class;
use report::Report;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1);
    let result = Args::parse(arguments).and_then(|args| match args {
        Some(args) => run(&args),
        None => {
            print!("{}", args::USAGE);
            Ok(())
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ring bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Error> {
    let cells = cell::all();
    let chosen = chosen(args, &cells)?;
    if args.list {
        chosen.iter().for_each(|cell| println!("{}", cells[*cell]));
        return Ok(());
    }
    let plan = Plan {
        cells,
        chosen,
        candidates: candidates::all(),
        pairs: pairs::of(args.cores)?,
        limits: args.limits,
        time: args.time,
        seed: args.seed,
    };
    let earlier = match &args.keep {
        Some(path) => keep::read(path, &plan)?,
        None => Outcome::default(),
    };
    let outcome = measure::run(&plan, earlier)?;
    if let Some(path) = &args.keep {
        keep::write(path, &plan, &outcome)?;
    }
    let report = Report::new(&plan, &outcome);
    print!("{}", table::tables(&report));
    write(args, &report)
}

/// The places of the cells to be measured.
fn chosen(args: &Args, cells: &[Cell]) -> Result<Vec<usize>, Error> {
    let filter = args.cells.as_deref();
    let mut chosen: Vec<usize> = (0..cells.len()).collect();
    chosen.retain(|cell| !args.quick || cells[*cell].is_quick());
    chosen.retain(|cell| filter.is_none_or(|filter| cells[*cell].is_chosen(filter)));
    if chosen.is_empty() {
        let filter = filter.unwrap_or_default().into();
        return Err(Error::NoCell { filter });
    }
    Ok(chosen)
}

fn write(args: &Args, report: &Report) -> Result<(), Error> {
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(report).map_err(std::io::Error::from);
        let written = text.and_then(|text| fs::write(path, text));
        written.map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
    }
    if let Some(folder) = &args.svg {
        for class in Class::ALL {
            if let Some(chart) = charts::chart(report, class) {
                save(folder, &charts::file_name(class), &chart.svg())?;
            }
        }
    }
    Ok(())
}

fn save(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|source| Error::Write { path, source })
}
