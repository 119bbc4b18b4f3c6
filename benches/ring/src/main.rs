//! Brigade's ring beside the other queues. See README.md.
#![allow(dead_code)]
mod candidates;
mod cell;
mod error;
mod measure;
mod payload;
mod peers;
mod placement;
mod queue;
mod random;
mod sides;
mod stats;
mod watch;
use std::time::Duration;
fn main() {
    let filter = std::env::args().nth(1).unwrap_or("nopause+cap1024".into());
    let secs: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(10);
    let plan = measure::Plan {
        cells: cell::all().into_iter().filter(|c| c.is_chosen(&filter)).collect(),
        candidates: candidates::all(),
        pairs: vec![[0, 1]],
        limits: placement::Limits::default(),
        time: Duration::from_secs(secs),
        seed: 1,
    };
    let out = measure::run(&plan).unwrap();
    println!("moved {} preempted {} slices {}", out.moved, out.preempted, out.slices.len());
    for (i, cell) in plan.cells.iter().enumerate() {
        for class in placement::Class::ALL {
            let f: Vec<f64> = out.slices.iter().filter(|s| s.cell == i && s.class == class).map(|s| s.floor_ns).collect();
            if f.is_empty() { continue }
            println!("{cell} {class} floor {:?}", stats::Quartiles::of(&f));
            for (j, c) in plan.candidates.iter().enumerate() {
                let v: Vec<f64> = out.slices.iter().filter(|s| s.cell == i && s.candidate == j && s.class == class).map(|s| s.ns).collect();
                if let Some(q) = stats::Quartiles::of(&v) {
                    println!("   {:18} n {:3}  {:8.2} ns ({:.2}-{:.2})  {:7.1} M/s", c.name, v.len(), q.median, q.q1, q.q3, 1000.0 / q.median);
                }
            }
        }
    }
}
