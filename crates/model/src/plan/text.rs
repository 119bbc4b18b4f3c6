//! Placements and curves as text.

use std::fmt::Write as _;

use super::CurvePoint;
use crate::network::{Network, Placement};
use crate::words::{rate, time};

/// Columns of a curve's bars.
const WIDTH: usize = 40;

/// A placement's groups: `nic tcp | http x2 | db`.
pub fn name_of(network: &Network, placement: &Placement) -> String {
    let mut groups: Vec<(&[usize], usize)> = Vec::new();
    for core in &placement.cores {
        match groups.iter_mut().find(|(stages, _)| *stages == core.stages) {
            Some((_, count)) => *count += 1,
            None => groups.push((&core.stages, 1)),
        }
    }
    let group = |(stages, count): &(&[usize], usize)| {
        let names: Vec<&str> = stages
            .iter()
            .map(|stage| network.stages[*stage].name.as_str())
            .collect();
        let names = names.join(" ");
        match count {
            1 => names,
            _ => format!("{names} x{count}"),
        }
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    groups.join(" | ")
}

/// A placement as the file that `brigade run --placement` takes.
pub fn placement_toml(network: &Network, placement: &Placement) -> String {
    let mut text = String::new();
    for core in &placement.cores {
        let names: Vec<String> = core
            .stages
            .iter()
            .map(|stage| format!("\"{}\"", network.stages[*stage].name))
            .collect();
        let names = names.join(", ");
        let _ = writeln!(text, "[[core]]\nid = {}\nstages = [{names}]\n", core.core);
    }
    text
}

/// A curve as lines with bars.
pub fn curve_text(points: &[CurvePoint], network: &Network) -> String {
    let throughput = |point: &CurvePoint| point.prediction.requests_per_s.mean;
    let most = points.iter().map(throughput).fold(1.0, f64::max);
    let mut text = String::from("cores  used  requests      latency\n");
    for point in points {
        let bar = (throughput(point) / most * WIDTH as f64).round() as usize;
        let _ = writeln!(
            text,
            "{:>5} {:>5}  {:>9} {:>9}  {:<WIDTH$}  {}",
            point.cores,
            point.cores_used,
            rate(throughput(point)),
            time(Some(point.prediction.latency_ns.mean)),
            "█".repeat(bar),
            name_of(network, &point.placement),
        );
    }
    text
}
