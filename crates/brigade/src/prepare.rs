//! Before the pipeline runs: the port is free, and the disk holds a shop.
//!
//! A shop is made under the name `PATH.partial`, by a pipeline of its own (populate, db, fs,
//! block), and gets its name when it is complete and flushed: whatever interrupts it, `PATH` is
//! a whole shop or not there.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use brigade_block::{BlockCounters, TestDisk};
use brigade_bookstore::{CUSTOMERS_PER_BROWSER, Progress as Filling};
use brigade_graph::{Pipeline, Placement};
use brigade_runtime::{CounterSource, Plan, Running};
use brigade_stage::{OptionValue, Registry};
use brigade_tcp::TcpCounters;
use brigade_topology::Machine;

use crate::cli::RunArgs;
use crate::memory::HandedDisk;
use crate::progress::Progress;
use crate::run::stage_of_kind;
use crate::signals::Stopper;
use crate::{Error, pipelines};

/// Books in a new shop unless the command line says otherwise.
const ITEMS: u64 = 1000;
/// Size of a new image: this, or what the books need.
const IMAGE_BYTES_MIN: u64 = 256 << 20;
/// Room for one book with all that belongs to it, and for the orders of a while.
const ITEM_BYTES: u64 = 8 << 10;
/// Room for a customer with addresses and orders.
const CUSTOMER_BYTES: u64 = 4 << 10;

/// The disk of a pipeline, ready to be used.
#[derive(Default)]
pub struct Image {
    /// Books in the shop; 0 for a pipeline without one.
    pub items: u64,
    memory: Option<Vec<u8>>,
}

/// Checks that the address can be listened on, before an image is made.
pub fn check_listen(listen: &str) -> Result<(), Error> {
    let listen = listen.to_owned();
    match TcpListener::bind(&listen) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::AddrInUse => {
            Err(Error::PortInUse { listen })
        }
        Err(source) => Err(Error::Listen { listen, source }),
    }
}

/// Makes sure that the disk of a pipeline with a bookstore holds a shop.
pub fn image(
    args: &RunArgs,
    pipeline: &Pipeline,
    registry: &Registry,
    core: usize,
    stopper: &Stopper,
) -> Result<Image, Error> {
    let bookstore = stage_of_kind(pipeline, "bookstore");
    let block = stage_of_kind(pipeline, "block");
    let (Some(_), Some(block)) = (bookstore, block) else {
        return Ok(Image::default());
    };
    let filler = Filler {
        wanted: args.items,
        customers: args
            .browsers
            .map(|browsers| browsers * CUSTOMERS_PER_BROWSER),
        pipeline,
        registry,
        core,
        stopper,
    };
    let disk = text_option(pipeline, &block, "disk");
    if let Some(size) = disk.strip_prefix("mem:") {
        return filler.in_memory(&disk, size);
    }
    let path = PathBuf::from(&disk);
    if path.exists() {
        let items = filler.fill(&disk, 0, None)?;
        return Ok(Image {
            items,
            memory: None,
        });
    }
    filler.at_new_path(&path)
}

/// One of a stage's counters, with the name it is shown by.
type Named<T> = (&'static str, fn(&T) -> &AtomicU64);

/// Hands the disk and its counters to the block stage.
pub fn hand_in(plan: &mut Plan, image: Image) {
    let Some(block) = stage_of_kind(&plan.pipeline, "block") else {
        return;
    };
    if let Some(memory) = image.memory {
        // Nobody waits for the memory to come back at the end.
        let (disk, _) = HandedDisk::new(memory);
        plan.resources(&block)
            .put("disk", Box::new(disk) as Box<dyn TestDisk>);
    }
    let counters = Arc::new(BlockCounters::default());
    plan.resources(&block)
        .put("block_counters", Arc::clone(&counters));
    let names: [Named<BlockCounters>; 3] = [
        ("block_reads_total", |c| &c.reads),
        ("block_writes_total", |c| &c.writes),
        ("block_flushes_total", |c| &c.flushes),
    ];
    show(plan, &block, &counters, names);
}

/// Hands counters to the tcp stage: whom it sends away would be seen by nobody here otherwise.
pub fn hand_in_counters(plan: &mut Plan) {
    let Some(tcp) = stage_of_kind(&plan.pipeline, "tcp") else {
        return;
    };
    let counters = Arc::new(TcpCounters::default());
    plan.resources(&tcp)
        .put("tcp_counters", Arc::clone(&counters));
    let names: [Named<TcpCounters>; 3] = [
        ("tcp_refused_total", |c| &c.refused),
        ("tcp_half_open_dropped_total", |c| &c.half_open_dropped),
        ("tcp_half_open_ended_total", |c| &c.half_open_ended),
    ];
    show(plan, &tcp, &counters, names);
}

/// Lets `top` show a stage's counters.
fn show<T: Send + Sync + 'static>(
    plan: &mut Plan,
    stage: &str,
    counters: &Arc<T>,
    names: [Named<T>; 3],
) {
    for (name, counter) in names {
        let counters = Arc::clone(counters);
        let source: CounterSource = Arc::new(move || counter(&counters).load(Ordering::Relaxed));
        plan.counters
            .push((stage.to_owned(), name.to_owned(), source));
    }
}

fn text_option(pipeline: &Pipeline, stage: &str, option: &str) -> String {
    let stage = pipeline.stages().iter().find(|s| s.name == stage);
    let set = stage.and_then(|stage| stage.options.get(option));
    match set {
        Some(OptionValue::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

/// Fills disks with a shop.
struct Filler<'a> {
    wanted: Option<u64>,
    /// Customers; none: as many as belong to the books.
    customers: Option<u64>,
    pipeline: &'a Pipeline,
    registry: &'a Registry,
    core: usize,
    stopper: &'a Stopper,
}

impl Filler<'_> {
    fn items(&self) -> u64 {
        self.wanted.unwrap_or(ITEMS)
    }

    fn in_memory(&self, disk: &str, size: &str) -> Result<Image, Error> {
        let bytes = memory_bytes(size).ok_or_else(|| Error::MemorySize(disk.to_owned()))?;
        let (handed, back) = HandedDisk::new(vec![0; bytes]);
        let items = self.fill(disk, 0, Some(handed))?;
        let memory = back.recv().map_err(|_| Error::Populate {
            disk: disk.to_owned(),
            reason: "the memory disk did not come back".into(),
        })?;
        Ok(Image {
            items,
            memory: Some(memory),
        })
    }

    fn at_new_path(&self, path: &Path) -> Result<Image, Error> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        remove_stale(&partial)?;
        let customers_bytes = self.customers.unwrap_or(0) * CUSTOMER_BYTES;
        let bytes = IMAGE_BYTES_MIN.max(self.items() * ITEM_BYTES + customers_bytes);
        let name = partial.display().to_string();
        let filled = self.fill(&name, bytes, None);
        let file_error = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        match filled {
            Ok(items) => {
                rename_new(&partial, path).map_err(file_error)?;
                sync_folder(path).map_err(file_error)?;
                Ok(Image {
                    items,
                    memory: None,
                })
            }
            Err(error) => {
                // What was begun is of no use, unless it is another Brigade's that came first.
                let _ = remove_stale(&partial);
                Err(error)
            }
        }
    }

    /// Runs the populate pipeline on `disk`; gives the number of books in the shop there.
    fn fill(
        &self,
        disk: &str,
        create_bytes: u64,
        handed: Option<HandedDisk>,
    ) -> Result<u64, Error> {
        let mut pipeline = pipelines::populate(self.registry)?;
        for kind in ["db", "fs", "block"] {
            self.copy_options(&mut pipeline, kind)?;
        }
        let create_bytes = OptionValue::Integer(create_bytes as i64);
        pipeline.set_option("block", "create_bytes", create_bytes)?;
        let handed = handed.map(|disk| Box::new(disk) as Box<dyn TestDisk>);
        if let Some(customers) = self.customers {
            let customers = OptionValue::Integer(customers as i64);
            pipeline.set_option("populate", "customers", customers)?;
        }
        let items = populate(
            pipeline,
            self.items(),
            disk,
            handed,
            self.core,
            self.stopper,
        )?;
        self.check_items(disk, items)
    }

    /// The options of the pipeline's own db, fs and block stages hold for filling, too.
    fn copy_options(&self, into: &mut Pipeline, kind: &str) -> Result<(), Error> {
        let own = self
            .pipeline
            .stages()
            .iter()
            .find(|stage| stage.kind.name() == kind);
        for (name, value) in own.iter().flat_map(|stage| &stage.options) {
            into.set_option(kind, name, value.clone())?;
        }
        Ok(())
    }

    fn check_items(&self, disk: &str, found: u64) -> Result<u64, Error> {
        match self.wanted {
            Some(wanted) if wanted != found => Err(Error::OtherItems {
                disk: disk.to_owned(),
                found,
                wanted,
            }),
            _ => Ok(found),
        }
    }
}

/// Fills `disk` with a shop of `items` books, through the populate pipeline; gives the number of
/// books that it has then. For tests, which hand the same disk to a web pipeline afterwards.
///
/// # Errors
/// When the disk fails, or holds something else.
pub fn fill_disk(registry: &Registry, disk: Box<dyn TestDisk>, items: u64) -> Result<u64, Error> {
    let pipeline = pipelines::populate(registry)?;
    let core = Machine::read()?.ids()[0];
    populate(
        pipeline,
        items,
        "the disk handed in",
        Some(disk),
        core,
        &Stopper::default(),
    )
}

/// Runs a populate pipeline to its end; gives the number of books in the shop.
fn populate(
    mut pipeline: Pipeline,
    items: u64,
    disk: &str,
    handed: Option<Box<dyn TestDisk>>,
    core: usize,
    stopper: &Stopper,
) -> Result<u64, Error> {
    pipeline.set_option("populate", "items", OptionValue::Integer(items as i64))?;
    pipeline.set_option("fs", "disk", OptionValue::text(disk))?;
    pipeline.set_option("block", "disk", OptionValue::text(disk))?;
    let placement = Placement::fused(&pipeline, core);
    let mut plan = Plan::new(pipeline, placement);
    let (sender, progress) = channel::<Filling>();
    plan.resources("populate")
        .put::<Sender<Filling>>("progress", sender);
    if let Some(handed) = handed {
        plan.resources("block").put("disk", handed);
    }
    let running = Running::start(plan)?;
    let stop = running.stop_handle();
    stopper.set(stop.clone());
    let watcher = std::thread::spawn(move || {
        let result = watch(&progress);
        stop.stop();
        result
    });
    let ended = running.wait(None);
    let result = watcher.join().unwrap_or(Err("its watcher panicked".into()));
    ended?;
    result.map_err(|reason| {
        let disk = disk.to_owned();
        match stopper.stopped() {
            true => Error::Interrupted { disk },
            false => Error::Populate { disk, reason },
        }
    })
}

/// Follows the filling to its end and shows it; gives the number of books.
fn watch(progress: &Receiver<Filling>) -> Result<u64, String> {
    let mut bar = None;
    while let Ok(report) = progress.recv() {
        match report {
            Filling::AlreadyThere { items } => return Ok(items),
            Filling::Filling { done, total } => {
                bar.get_or_insert_with(|| Progress::new("filling the shop"))
                    .show(done, total);
            }
            Filling::Done { items } => {
                bar.into_iter().for_each(Progress::finish);
                return Ok(items);
            }
            Filling::Failed(error) => return Err(error.to_string()),
        }
    }
    Err("it ended before the shop was complete; start again".into())
}

/// Removes what an interrupted start left behind, unless another Brigade is at it.
fn remove_stale(partial: &Path) -> Result<(), Error> {
    let Ok(file) = File::options().read(true).write(true).open(partial) else {
        return Ok(());
    };
    if brigade_block::lock(&partial.to_string_lossy(), &file).is_err() {
        return Err(Error::InTheMaking {
            path: partial.to_owned(),
        });
    }
    std::fs::remove_file(partial).map_err(|source| Error::File {
        path: partial.to_owned(),
        source,
    })
}

/// Gives the finished image its name, unless another Brigade was faster with one of that name.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that do not know the flag: the image was not there a moment ago.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(from, to),
        result => Ok(result?),
    }
}

/// Makes a rename in the folder of `path` durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// `256M` and the like.
fn memory_bytes(text: &str) -> Option<usize> {
    let (digits, unit) = match text.char_indices().next_back()? {
        (at, 'K') => (&text[..at], 1 << 10),
        (at, 'M') => (&text[..at], 1 << 20),
        (at, 'G') => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let bytes = digits.parse::<usize>().ok()?.checked_mul(unit)?;
    // What fits an ext4 with a journal, and what a process can have.
    ((16 << 20)..=(1 << 40))
        .contains(&bytes)
        .then_some(bytes / 4096 * 4096)
}

#[cfg(test)]
mod tests {
    use super::memory_bytes;

    #[test]
    fn sizes_of_memory_disks() {
        assert_eq!(memory_bytes("64M"), Some(64 << 20));
        assert_eq!(memory_bytes("1G"), Some(1 << 30));
        assert_eq!(memory_bytes("16777216"), Some(16 << 20));
        for wrong in [
            "",
            "M",
            "1",
            "5K",
            "-1M",
            "64m",
            "99999999999999999999G",
            "64MB",
            "é",
        ] {
            assert_eq!(memory_bytes(wrong), None, "{wrong}");
        }
    }
}
