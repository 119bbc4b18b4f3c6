//! `cargo xtask figures`: what Brigade costs, measured on the release build itself.
//!
//! Every figure but `observer`, `crowd`, `rival`, `ring` and `tricks` compares runs of `brigade run` as child processes. Runs of the things compared
//! take turns, round after round, so that what else the machine does falls on all of them alike; a
//! table shows the median of the rounds and, after it, the least and the greatest.

mod bulk;
pub(crate) mod child;
mod cohort;
mod connections;
mod copies;
mod crowd;
mod error;
mod flushes;
mod idle;
mod interfaces;
mod namespace;
mod observer;
mod overload;
mod pages;
mod portal;
mod prediction;
mod ring;
mod rival;
mod stats;
mod wire;

pub use error::Error;

/// A figure: its name, what it shows, and how it is measured.
pub struct Figure {
    /// The word after `cargo xtask figures`.
    pub name: &'static str,
    /// One line.
    pub what: &'static str,
    /// Whether it runs Brigade itself, which is then built first.
    runs_brigade: bool,
    measure: fn() -> Result<String, Error>,
}

/// All figures, in the order of the README.
pub static FIGURES: [Figure; 16] = [
    Figure {
        name: "pages",
        what: "pages/s and CPU time per page, fused and spread",
        runs_brigade: true,
        measure: pages::measure,
    },
    Figure {
        name: "copies",
        what: "copies of payload per page, by stage",
        runs_brigade: true,
        measure: copies::measure,
    },
    Figure {
        name: "flushes",
        what: "flushes and writes of the disk per order",
        runs_brigade: true,
        measure: flushes::measure,
    },
    Figure {
        name: "cohort",
        what: "pages/s and latency by the size of the cohort, fused and spread",
        runs_brigade: true,
        measure: cohort::measure,
    },
    Figure {
        name: "idle",
        what: "CPU and wake-ups of an idle Brigade, and its first answer",
        runs_brigade: true,
        measure: idle::measure,
    },
    Figure {
        name: "connections",
        what: "tcp's time for a request beside up to 10,000 open connections, and the memory of each",
        runs_brigade: true,
        measure: connections::measure,
    },
    Figure {
        name: "prediction",
        what: "predicted against measured throughput of placements, from one profile each",
        runs_brigade: true,
        measure: prediction::measure,
    },
    Figure {
        name: "observer",
        what: "what `brigade top --linux` costs what it looks at, in pairs with and without",
        runs_brigade: true,
        measure: observer::measure,
    },
    Figure {
        name: "crowd",
        what: "what `brigade top --linux` costs beside 1,000 processes and 10,000 sockets",
        runs_brigade: true,
        measure: crowd::measure,
    },
    Figure {
        name: "rival",
        what: "the shop beside the same shop on axum and Linux TCP, and nginx for a static page",
        runs_brigade: true,
        measure: rival::measure,
    },
    Figure {
        name: "bulk",
        what: "bytes per second over a tap interface, both ways, beside Linux's own TCP",
        runs_brigade: true,
        measure: bulk::measure,
    },
    Figure {
        name: "interfaces",
        what: "the shop behind a tap interface, by AF_XDP on a veth pair, and behind passt",
        runs_brigade: true,
        measure: interfaces::measure,
    },
    Figure {
        name: "overload",
        what: "right pages at the peak rate and at twice that, what is refused, and the recovery",
        runs_brigade: true,
        measure: overload::measure,
    },
    Figure {
        name: "overload-tap",
        what: "the same by a tap interface",
        runs_brigade: true,
        measure: overload::measure_tap,
    },
    Figure {
        name: "ring",
        what: "Brigade's ring beside other queues, and between processes beside system calls",
        runs_brigade: false,
        measure: ring::measure,
    },
    Figure {
        name: "tricks",
        what: "Brigade's ring beside itself: each trick taken away, and with ends that can sleep",
        runs_brigade: false,
        measure: ring::measure_tricks,
    },
];

/// The figure called `name`, or all of them for `all`; none when there is no such figure.
pub fn named(name: &str) -> &'static [Figure] {
    if name == "all" {
        return &FIGURES;
    }
    let at = FIGURES.iter().position(|figure| figure.name == name);
    at.map_or(&[], |at| &FIGURES[at..=at])
}

/// Builds Brigade if need be, then measures `figures` and prints each table as it is done.
///
/// # Errors
/// When the build fails or a run does not answer as it should.
pub fn run(figures: &[Figure]) -> Result<(), Error> {
    if figures.iter().any(|figure| figure.runs_brigade) {
        child::build()?;
    }
    for figure in figures {
        println!("{}: {}", figure.name, figure.what);
        println!("{}", (figure.measure)()?);
    }
    Ok(())
}

/// The placements that are compared.
const PLACEMENTS: [&str; 2] = ["fused", "spread"];
