//! Pipelines on a disk in memory: one that fills it with a shop, and one that serves the shop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use brigade_block::SharedDisk;
use brigade_bookstore::Progress;
use brigade_graph::{Pipeline, Placement};
use brigade_nic::wire;
use brigade_runtime::{Plan, Running};
use brigade_stage::{OptionValue, Registry};
use brigade_topology::Machine;

use super::Outcome;
use super::database::Database;
use super::wire::Wire;

const POPULATE: &str = include_str!("../../../../pipelines/populate.toml");
const WIRE_PACKETS: usize = 1024;

/// Options of stages: stage, option, value.
pub type Options = Vec<(&'static str, &'static str, i64)>;

/// Books in the shops of these tests.
pub const ITEMS: i64 = 30;
/// Bytes of their disks.
pub const DISK_BYTES: usize = 32 << 20;

pub fn text(error: impl ToString) -> String {
    error.to_string()
}

/// The pipeline from populate.toml with the kinds of `registry`, on a disk that is handed in.
pub fn filling_pipeline(registry: &Registry, options: &Options) -> Outcome<Pipeline> {
    let mut pipeline = Pipeline::parse(POPULATE, "populate.toml", registry).map_err(text)?;
    set(&mut pipeline, options)?;
    Ok(pipeline)
}

fn set(pipeline: &mut Pipeline, options: &Options) -> Outcome<()> {
    for &(stage, name, value) in options {
        let value = OptionValue::Integer(value);
        pipeline.set_option(stage, name, value).map_err(text)?;
    }
    Ok(())
}

/// A plan with all stages on one core and `disk` for the block stage. Tests run side by side, so
/// they take turns with the cores.
pub fn fused(pipeline: Pipeline, disk: &SharedDisk) -> Outcome<Plan> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let cores = Machine::read().map_err(text)?.ids();
    let core = cores[NEXT.fetch_add(1, Ordering::Relaxed) % cores.len()];
    let placement = Placement::fused(&pipeline, core);
    let mut plan = Plan::new(pipeline, placement);
    plan.resources("block").put("disk", disk.resource());
    Ok(plan)
}

/// Runs `plan` until `watch` ends, on a thread of its own; gives what it found.
pub fn run_until<T: Send + 'static>(
    plan: Plan,
    watch: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let running = Running::start(plan).map_err(text)?;
    let stop = running.stop_handle();
    let watcher = std::thread::spawn(move || {
        let found = watch();
        stop.stop();
        found
    });
    let ended = running.wait(None).map_err(text);
    let found = watcher.join().map_err(|_| "the watcher panicked")?;
    // The end of the pipeline says more than that the watcher heard nothing.
    ended.and(found)
}

/// Fills `disk` with a shop, or goes on with an unfinished one.
pub fn fill(disk: &SharedDisk, options: &Options) -> Outcome<()> {
    let mut pipeline = filling_pipeline(&brigade::registry(), options)?;
    let items = OptionValue::Integer(ITEMS);
    pipeline
        .set_option("populate", "items", items)
        .map_err(text)?;
    // Nobody knows the shop yet: all orders are those of the test.
    pipeline
        .set_option("populate", "customers", OptionValue::Integer(0))
        .map_err(text)?;
    let mut plan = fused(pipeline, disk)?;
    let (sender, progress) = channel::<Progress>();
    plan.resources("populate")
        .put::<Sender<Progress>>("progress", sender);
    let found = run_until(plan, move || filled(&progress))?;
    if found == ITEMS as u64 {
        Ok(())
    } else {
        Err(format!("the shop has {found} books"))
    }
}

fn filled(progress: &Receiver<Progress>) -> Outcome<u64> {
    loop {
        match progress.recv().map_err(|_| "the filling ended early")? {
            Progress::AlreadyThere { items } | Progress::Done { items } => return Ok(items),
            Progress::Filling { .. } => {}
            Progress::Failed(error) => return Err(error.to_string()),
        }
    }
}

/// The image of a disk that was filled with a shop.
pub fn filled_image(options: &Options) -> Vec<u8> {
    let disk = SharedDisk::blank(DISK_BYTES);
    fill(&disk, options).expect("a sound disk can be filled");
    disk.image()
}

/// Options for files that fit a small disk.
pub fn small(more: &[(&'static str, &'static str, i64)]) -> Options {
    let mut options = vec![
        ("db", "database_reserve_bytes", 2 << 20),
        ("db", "wal_reserve_bytes", 1 << 20),
        ("fs", "growth_bytes", 64 << 10),
    ];
    options.extend(more);
    options
}

/// A shop whose database and log have no reserve left: some orders later both must grow. Gives
/// the image, the options to run it with, and the pages of its database.
pub fn without_room() -> (Vec<u8>, Options, i64) {
    let options = |database_bytes, checkpoint_pages| {
        vec![
            ("db", "database_reserve_bytes", database_bytes),
            ("db", "wal_reserve_bytes", 512 << 10),
            ("db", "wal_autocheckpoint_pages", checkpoint_pages),
            ("fs", "growth_bytes", 64 << 10),
        ]
    };
    let roomy = options(2 << 20, 8);
    let probe = SharedDisk::new(filled_image(&roomy));
    let pages = Database::read(&probe, &roomy, 0).expect("a new shop is sound");
    let reserve_bytes = pages.pages * 4096;
    // Checkpoints keep the log short while the shop is filled, and let it grow afterwards.
    let image = filled_image(&options(reserve_bytes, 8));
    (image, options(reserve_bytes, 200), pages.pages)
}

/// The web pipeline at work, with a wire to it.
pub struct Web {
    running: Running,
    pub wire: Wire,
}

impl Web {
    pub fn start(disk: &SharedDisk, options: &Options) -> Outcome<Web> {
        let registry = brigade::registry();
        let mut pipeline = brigade::pipeline("web", &registry).map_err(text)?;
        pipeline.set_kind("nic", "wire", &registry).map_err(text)?;
        set(&mut pipeline, options)?;
        let mut plan = fused(pipeline, disk)?;
        let (end, peer) = wire::pair(WIRE_PACKETS).map_err(text)?;
        plan.resources("nic").put("wire", end);
        Ok(Web {
            running: Running::start(plan).map_err(text)?,
            wire: Wire::new(peer, disk),
        })
    }

    /// Ends the pipeline in order.
    pub fn stop(self) -> Outcome<()> {
        self.running.stop_handle().stop();
        self.running.wait(None).map_err(text)
    }
}
