//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::emulated::Mix;

/// An operating system built as parallel pipelines.
#[derive(Debug, Parser)]
#[command(name = "brigade", version, about)]
pub struct Cli {
    /// What to do; without it, `run web`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What cannot be said together with `run --load`.
const NO_LOAD: [&str; 5] = ["nic", "listen", "connections", "path", "idle"];

/// Brigade's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a pipeline until Ctrl-C.
    // The manners of browsers that do not come would be ignored without a word.
    #[command(mut_group("Manners", |manners| manners.requires("load").conflicts_with_all(NO_LOAD)))]
    Run(RunArgs),
    /// Shows a running pipeline, or with --linux this machine, until Ctrl-C: queues, times, bottleneck.
    Top(TopArgs),
    /// Records a running pipeline, or with --linux this machine, as a profile: one JSON file.
    Record(RecordArgs),
    /// Says in plain words what limits a pipeline, or with --linux this machine, and what to do.
    Explain(ExplainArgs),
    /// Emulated browsers against a server of the shop, after TPC-W: pages per second that were right.
    Load(LoadArgs),
    /// Finds the best placement for a profile, on its machine or another one.
    Plan(PlanArgs),
    /// Profiles a pipeline once, predicts the best placement, runs it, and says how wrong it was.
    Tune(TuneArgs),
}

/// Which network interface a pipeline has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nic {
    /// A port of the host, carried over the wire into Brigade's own TCP.
    Portal,
    /// The in-process wire with a load on it, for measuring.
    Wire,
    /// The load itself, as a stage in nic's place: it is placed and seen like any other.
    Load,
    /// A tap interface of the host, by its name.
    Tap(String),
    /// An interface of the host, by its name, with AF_XDP.
    Xdp(String),
    /// The unix socket of a passt.
    Passt(String),
}

/// `portal`, `wire`, `load`, `tap:NAME`, `xdp:INTERFACE`, `passt:SOCKET`.
fn nic(text: &str) -> Result<Nic, String> {
    match (text, text.split_once(':')) {
        ("portal", _) => Ok(Nic::Portal),
        ("wire", _) => Ok(Nic::Wire),
        ("load", _) => Ok(Nic::Load),
        (_, Some(("tap", name))) => Ok(Nic::Tap(name.to_owned())),
        (_, Some(("xdp", interface))) => Ok(Nic::Xdp(interface.to_owned())),
        (_, Some(("passt", socket))) => Ok(Nic::Passt(socket.to_owned())),
        _ => Err("give portal, wire, load, tap:NAME, xdp:INTERFACE, or passt:SOCKET".into()),
    }
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// web, echo, bulk, synthetic, or a file with a pipeline.
    #[arg(default_value = "web")]
    pub pipeline: String,
    /// Address and port to listen on (port 0: any free one).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where packets come from: portal (a port of the host), wire (in this process, with a load on
    /// it), load (the load as a stage), tap:NAME (a network interface of the host),
    /// xdp:INTERFACE (one that is there, such as one end of a veth pair, by AF_XDP), or passt:SOCKET (a
    /// passt that listens there).
    #[arg(long, value_name = "portal|wire|load|tap:NAME|xdp:INTERFACE|passt:SOCKET", value_parser = nic)]
    pub nic: Option<Nic>,
    /// The disk: an image file (made on the first start, and kept), or mem:SIZE.
    #[arg(long, value_name = "PATH|mem:SIZE")]
    pub disk: Option<String>,
    /// Books in the shop when its image is made (1000 without this).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub items: Option<u64>,
    /// Customers in the shop when its image is made, as TPC-W wants them for so many emulated
    /// browsers: 2880 for each, with two addresses and 0.9 orders. Without this: as many customers
    /// as books, at most 288,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub browsers: Option<u64>,
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
    /// With --nic wire or load: connections of the load.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// With --nic wire or load: the path that the load asks for; {} becomes the numbers 1 to the items,
    /// in turn. `order` buys books instead: three pages an order.
    #[arg(long, default_value = "/product/{}", value_name = "PATH")]
    pub path: String,
    /// Connections that http serves at most, instead of what the pipeline says (1024); nic and tcp keep
    /// a quarter more, to tell them to come again.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_max: Option<u32>,
    /// With --nic wire: so many further connections, which are opened before it is measured and stay
    /// open.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pub idle: u32,
    /// With --idle: the requests go over all connections in turn, as many at a time as
    /// --connections says.
    #[arg(long, requires = "idle")]
    pub in_turn: bool,
    /// So many emulated browsers over the wire, after TPC-W: says how many interactions per second
    /// were right. Without a duration they last until Ctrl-C.
    #[arg(long, value_name = "BROWSERS", conflicts_with_all = NO_LOAD, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub load: Option<u32>,
    /// What they do.
    #[command(flatten, next_help_heading = "With --load")]
    pub manners: Manners,
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

/// What emulated browsers do.
#[derive(Debug, Clone, Args)]
pub struct Manners {
    /// Which pages they prefer: 95, 80 or 50 % of all interactions only look around.
    #[arg(long, value_enum, default_value = "shopping")]
    pub mix: Mix,
    /// Think times are those of TPC-W (7 s on average, 70 s at most) times this; 0: none.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = factor)]
    pub think: f64,
    /// An open loop: so many interactions per second are due, whatever the server does, and
    /// latencies count from the moment that each was due. The browsers are as many as can be under
    /// way.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Another seed makes other choices.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// An interaction without a whole answer after so many seconds has failed.
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub patience_s: u64,
    /// Leaves the pages' pictures out. Otherwise each browser fetches each picture once a session,
    /// over the same connection.
    #[arg(long)]
    pub no_pictures: bool,
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1000.0)
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.001..=1e7)
}

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse().map_err(|_| "not a number".to_owned())?;
    match range.contains(&number) {
        true => Ok(number),
        false => Err(format!("between {} and {}", range.start(), range.end())),
    }
}

/// Arguments of `load`.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The server: http://HOST:PORT.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// Emulated browsers, each with a connection of its own.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub browsers: u32,
    /// What they do.
    #[command(flatten)]
    pub manners: Manners,
    /// How long is counted, in seconds.
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration_s: u64,
    /// How long before that is not counted, in seconds.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub warm_up_s: u64,
    /// Books in the shop (without this, the newest one on its first page says it).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    pub items: Option<u64>,
    /// Customers that the shop was filled with (without this, as many as books, at most 288,000).
    #[arg(long, value_name = "N")]
    pub customers: Option<u64>,
    /// Prints one picture's figures as JSON and ends.
    #[arg(long)]
    pub json: bool,
}

/// An unmodified Linux machine instead of a running Brigade.
#[derive(Debug, Clone, Default, Args)]
pub struct LinuxArgs {
    /// Looks at this Linux machine: its programs and their queues (root sees most). With --pid, at one
    /// process and what its queues join it with.
    #[arg(long)]
    pub linux: bool,
    /// With --linux: the processes of a control group, by its path in /proc/PID/cgroup or its folder
    /// below /sys/fs/cgroup.
    #[arg(long, value_name = "PATH", requires = "linux", conflicts_with_all = ["pid", "port"])]
    pub cgroup: Option<String>,
    /// With --linux: who listens on a TCP or UDP port of this machine.
    #[arg(long, value_name = "N", requires = "linux", conflicts_with = "pid")]
    pub port: Option<u16>,
}

/// Arguments of `top`.
#[derive(Debug, Clone, Args)]
pub struct TopArgs {
    /// The process to look at (without this, the only Brigade that runs).
    #[arg(long)]
    pub pid: Option<u32>,
    /// A Linux machine.
    #[command(flatten)]
    pub machine: LinuxArgs,
    /// Prints one picture and ends.
    #[arg(long)]
    pub once: bool,
    /// Prints one picture's figures as JSON and ends.
    #[arg(long)]
    pub json: bool,
    /// How long each picture looks, in milliseconds.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub interval_ms: u64,
}

/// Arguments of `record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// The process to record (without this, the only Brigade that runs).
    #[arg(long)]
    pub pid: Option<u32>,
    /// A Linux machine.
    #[command(flatten)]
    pub machine: LinuxArgs,
    /// How long to look, in seconds.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub duration_s: u64,
    /// The file to write.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// A profile, as `brigade record` writes it.
    #[arg(conflicts_with_all = ["pid", "linux"])]
    pub profile: Option<PathBuf>,
    /// The process to look at (without this and without a profile, the only Brigade that runs).
    #[arg(long)]
    pub pid: Option<u32>,
    /// A Linux machine.
    #[command(flatten)]
    pub machine: LinuxArgs,
    /// Without a profile: how long to look, in seconds.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub duration_s: u64,
    /// Prints the explanation as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a plan is best for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// The most requests per second.
    Throughput,
    /// The shortest mean latency at the load of the profile.
    Latency,
    /// The fewest cores that bring at least 95 % of the best throughput.
    Cores,
}

impl Goal {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Goal::Throughput => "throughput",
            Goal::Latency => "latency",
            Goal::Cores => "the fewest cores",
        }
    }
}

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// A profile, as `brigade record` writes it.
    pub profile: PathBuf,
    /// The machine to plan for: a file like a profile's `machine` (without this, the profile's).
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Cores to plan for (more than the machine has: copies of its own).
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=128))]
    pub cores: Option<usize>,
    /// What is best.
    #[arg(long, value_enum, default_value = "throughput")]
    pub objective: Goal,
    /// Also shows the best placement for 1 to 128 cores.
    #[arg(long)]
    pub curve: bool,
    /// Prints the plan as JSON.
    #[arg(long)]
    pub json: bool,
    /// Draws the curve.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Writes the best placement, for `run --placement`.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the simulation's random numbers begin.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// Arguments of `tune`.
#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    /// web, synthetic, or a file with a pipeline that makes its own load.
    #[arg(default_value = "web")]
    pub pipeline: String,
    /// Customers in the shop when its image is made, as TPC-W wants them for so many emulated
    /// browsers: 2880 for each, with two addresses and 0.9 orders. Without this: as many customers
    /// as books, at most 288,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub browsers: Option<u64>,
    /// Cores to use, such as 0,1 or 0-3 (all that the process may use, without this).
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// web: connections of the load.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connections: u32,
    /// web: what the load asks for, as in `run`.
    #[arg(long, default_value = "/product/{}", value_name = "PATH")]
    pub path: String,
    /// web: books in the shop.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub items: u64,
    /// How long each run is measured, in seconds.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub duration_s: u64,
    /// How often the chosen placement and fused are run, in turn.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Also runs so many other placements, once each, to see how wrong the predictions are.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub tries: usize,
    /// Decides which other placements are tried, and in which order.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Prints the outcome as JSON.
    #[arg(long)]
    pub json: bool,
    /// Writes the chosen placement (or fused, if that was better), for `run --placement`.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The disk of the web pipeline unless one is named.
pub fn default_disk() -> PathBuf {
    PathBuf::from("brigade.img")
}
