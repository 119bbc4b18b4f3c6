//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An operating system built as parallel pipelines.
#[derive(Debug, Parser)]
#[command(name = "brigade", version, about)]
pub struct Cli {
    /// What to do; without it, `run web`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Brigade's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a pipeline until Ctrl-C.
    Run(RunArgs),
    /// Shows a running pipeline: its queues, its stages' times, its bottleneck.
    Top(TopArgs),
}

/// Which network interface a pipeline has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Nic {
    /// A port of the host, carried over the wire into Brigade's own TCP.
    Portal,
    /// The in-process wire with a load on it, for measuring.
    Wire,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// web, echo, or a file with a pipeline.
    #[arg(default_value = "web")]
    pub pipeline: String,
    /// Address and port to listen on (port 0: any free one).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where packets come from.
    #[arg(long, value_enum)]
    pub nic: Option<Nic>,
    /// The disk: an image file (made on the first start, and kept), or mem:SIZE.
    #[arg(long, value_name = "PATH|mem:SIZE")]
    pub disk: Option<String>,
    /// Books in the shop when its image is made (1000 without this).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub items: Option<u64>,
    /// Cores to use, such as 0,1 or 0-3 (all that the process may use, without this).
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// fused (all stages on the first core), spread (contiguous groups), replicated (a copy of
    /// each stage that allows it on every core, the others on the first), or a file.
    #[arg(
        long,
        default_value = "spread",
        value_name = "fused|spread|replicated|FILE"
    )]
    pub placement: String,
    /// Messages that a stage handles before it gives the core to the next.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cohort: u32,
    /// Stops by itself after so many seconds.
    #[arg(long, value_name = "N")]
    pub duration_s: Option<u64>,
    /// With --nic wire: connections of the load.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// With --nic wire: the path that the load asks for; {} becomes the numbers 1 to the items,
    /// in turn. `order` buys books instead: three pages an order.
    #[arg(long, default_value = "/product/{}", value_name = "PATH")]
    pub path: String,
}

impl Default for RunArgs {
    fn default() -> RunArgs {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            args: RunArgs,
        }
        Alone::parse_from(["run"]).args
    }
}

/// Arguments of `top`.
#[derive(Debug, Clone, Args)]
pub struct TopArgs {
    /// The process to look at (without this, the only Brigade that runs).
    #[arg(long)]
    pub pid: Option<u32>,
    /// Prints one picture and ends.
    #[arg(long)]
    pub once: bool,
    /// Prints figures as JSON.
    #[arg(long)]
    pub json: bool,
    /// How long each picture looks, in milliseconds.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub interval_ms: u64,
}

/// The disk of the web pipeline unless one is named.
pub fn default_disk() -> PathBuf {
    PathBuf::from("brigade.img")
}
