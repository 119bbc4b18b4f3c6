//! A web pipeline of this process on a filled disk, with a wire to it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use brigade_block::SharedDisk;
use brigade_graph::{Pipeline, Placement};
use brigade_nic::wire::{WirePeer, pair};
use brigade_runtime::{Plan, Running, RuntimeError};
use brigade_stage::{OptionValue, Registry};
use brigade_telemetry::{EdgeDescription, Interval, Reader, Snapshot};

use crate::street::Street;

/// Books in the shop.
pub const ITEMS: u64 = 50;
/// Size of the disk.
const DISK_BYTES: usize = 64 << 20;
/// Packets that the wire holds each way.
const WIRE_PACKETS: usize = 1024;
/// Nothing in these tests takes so long, on any machine, unless it hangs.
pub const WATCHDOG: Duration = Duration::from_secs(120);
/// A core that has published nothing for so long has nothing to say: it is parked.
const SETTLE: Duration = Duration::from_millis(5);

/// A disk with a shop of [`ITEMS`] books. It is filled once for all tests.
pub fn shop_disk() -> SharedDisk {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let disk = SharedDisk::blank(DISK_BYTES);
        let items = brigade::fill_disk(&brigade::registry(), disk.resource(), ITEMS);
        assert_eq!(items.expect("the disk is filled"), ITEMS);
        disk.image()
    });
    SharedDisk::new(image.clone())
}

/// The web pipeline with the wire in the place of the portal.
pub fn web(registry: &Registry) -> Pipeline {
    let mut pipeline = brigade::pipeline("web", registry).expect("web.toml is right");
    let changed = pipeline.set_kind("nic", "wire", registry);
    changed.expect("the wire fits where the portal was");
    pipeline
}

/// The web pipeline with whole-number options of its stages set: stage, option, value.
pub fn web_with(options: &[(&str, &str, i64)]) -> Pipeline {
    let mut pipeline = web(&brigade::registry());
    for &(stage, option, value) in options {
        let set = pipeline.set_option(stage, option, OptionValue::Integer(value));
        set.expect("a known option");
    }
    pipeline
}

/// All stages on one core.
pub fn fused(pipeline: Pipeline) -> Plan {
    let core = cores()[0];
    let placement = Placement::fused(&pipeline, core);
    Plan::new(pipeline, placement)
}

/// The stages in groups on all cores.
pub fn spread(pipeline: Pipeline) -> Plan {
    let placement = Placement::spread(&pipeline, &cores());
    Plan::new(pipeline, placement)
}

/// Every stage that allows it on each core, the others on the first.
pub fn replicated(pipeline: Pipeline) -> Plan {
    let placement = Placement::replicated(&pipeline, &cores());
    Plan::new(pipeline, placement)
}

pub fn cores() -> Vec<usize> {
    let machine = brigade_topology::Machine::read();
    machine.expect("the machine can be read").ids()
}

/// A running pipeline.
pub struct House {
    running: Running,
    reader: Reader,
}

impl House {
    /// Starts the plan on a disk with a shop, with a wire to its nic.
    pub fn open(mut plan: Plan) -> (House, WirePeer) {
        let (end, peer) = pair(WIRE_PACKETS).expect("a wire");
        plan.resources("nic").put("wire", end);
        plan.resources("block").put("disk", shop_disk().resource());
        let running = Running::start(plan).expect("the pipeline starts");
        let reader = running.reader().expect("its telemetry can be read");
        (House { running, reader }, peer)
    }

    /// All figures now.
    pub fn snapshot(&self) -> Snapshot {
        self.reader.snapshot().expect("a snapshot")
    }

    /// Messages that each stage has taken since the start, by its name; replica by replica.
    pub fn messages(&self) -> Vec<(String, u64)> {
        let names = self.reader.description().stages.iter();
        let stages = self.snapshot().stages;
        names
            .zip(stages)
            .map(|(stage, figures)| (stage.label(), figures.messages_total))
            .collect()
    }

    /// Waits until nothing is under way anywhere, then checks that nothing is held either: every
    /// consumer has all its pages again and every window all its tokens.
    pub fn assert_at_rest(&self, street: &mut Street) {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let before = self.snapshot();
            street.pass(SETTLE);
            let after = self.snapshot();
            let held = self.what_is_held(&after.since(&before));
            if held.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "never at rest: {held:?}");
        }
    }

    fn what_is_held(&self, interval: &Interval) -> Vec<String> {
        let d = self.reader.description();
        let mut held = Vec::new();
        for (edge, figures) in d.edges.iter().zip(&interval.edges) {
            // All lanes of an input share its stock, to which each has added its pages.
            let same =
                |e: &&EdgeDescription| e.to_stage == edge.to_stage && e.to_port == edge.to_port;
            let hold: u64 = d.edges.iter().filter(same).map(|e| e.hold).sum();
            let missing = hold.wrapping_sub(figures.consumer_stock);
            if missing != 0 || figures.occupancy_now != 0 {
                let name = d.edge_to(edge);
                let waiting = figures.occupancy_now;
                held.push(format!("{name}: {missing} pages kept, {waiting} waiting"));
            }
        }
        for (window, figures) in d.windows.iter().zip(&interval.windows) {
            if figures.in_flight_now != 0 {
                held.push(format!("{}: {} out", window.name, figures.in_flight_now));
            }
        }
        for (stage, figures) in d.stages.iter().zip(&interval.stages) {
            if figures.held != 0 {
                held.push(format!("{} holds {}", stage.name, figures.held));
            }
        }
        held
    }

    /// Ends the pipeline in order while the street looks on (clients must acknowledge the end of
    /// their connections).
    pub fn close(self, street: &mut Street) -> Result<(), RuntimeError> {
        self.running.stop_handle().stop();
        self.ends(street)
    }

    /// Waits until the pipeline ends by itself while the street looks on.
    pub fn ends(self, street: &mut Street) -> Result<(), RuntimeError> {
        let running = self.running;
        let ending = std::thread::spawn(move || running.wait(None));
        while !ending.is_finished() {
            street.pass(Duration::from_millis(1));
        }
        ending.join().expect("waiting does not panic")
    }
}
