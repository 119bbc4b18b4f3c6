//! Which figures the charts show.

use crate::cell::{Cell, Mode};
use crate::placement::Class;
use crate::report::{Report, Row};
use crate::svg::{Bar, Chart, Panel};
use crate::table::shown;

/// The panels of a class: heading, mode, words per operation, payload.
const PANELS: [(&str, Mode, usize, usize); 6] = [
    ("single words, M/s", Mode::Stream, 1, 0),
    ("slices of 32, M/s", Mode::Stream, 32, 0),
    ("slices of 128, M/s", Mode::Stream, 128, 0),
    ("single words with 64 bytes, M/s", Mode::Stream, 1, 64),
    ("slices of 32 with 64 bytes each, M/s", Mode::Stream, 32, 64),
    ("round trip, ns: less is better", Mode::Trip, 1, 0),
];

/// The chart of a class, if it was seen: capacity 1024, without PAUSE.
pub fn chart(report: &Report, class: Class) -> Option<Chart> {
    let panels: Vec<Panel> = PANELS
        .into_iter()
        .filter_map(|(title, mode, slice_words, payload_bytes)| {
            let cell = Cell {
                mode,
                slice_words,
                capacity_words: 1024,
                payload_bytes,
                pause: false,
            };
            let row = report.of(class).find(|row| row.cell == cell)?;
            Some(panel(title, row))
        })
        .collect();
    let probed = report.probes.iter().find(|probed| probed.class == class)?;
    let floor = probed.floor_ns?.median;
    (!panels.is_empty()).then(|| Chart {
        title: format!("Queues between two cores: {class}"),
        subtitle: format!(
            "8-byte words, capacity 1024, median and quartiles of slices of 3 ms; a plain atomic \
             ping-pong takes {floor:.0} ns"
        ),
        columns: 3,
        panel_width: 330.0,
        panels,
    })
}

fn panel(title: &str, row: &Row) -> Panel {
    let mode = row.cell.mode;
    let bars = row.candidates.iter().map(|measured| Bar {
        name: measured.name.into(),
        value: shown(mode, measured.ns),
        own: measured.name == "brigade",
    });
    Panel {
        title: title.into(),
        log: false,
        bars: bars.collect(),
        mark: (mode == Mode::Trip).then(|| (row.floor_ns.median, "the probe".into())),
    }
}

/// A class as part of a file's name.
pub fn file_name(class: Class) -> String {
    format!("{}.svg", class.to_string().to_lowercase().replace(' ', "-"))
}
