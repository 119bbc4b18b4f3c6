//! Alternatives as a table.

use brigade_model::words::{rate, time};
use brigade_model::{Estimate, Limit, Prediction};

/// One line of a table.
pub(crate) struct Row<'a> {
    /// The placement's groups.
    pub name: String,
    /// What is special about it.
    pub note: String,
    /// What it will bring.
    pub prediction: &'a Prediction,
}

/// The table of some alternatives.
pub(crate) fn table(rows: &[Row<'_>]) -> String {
    let mut cells = vec![[
        "placement".to_owned(),
        "requests".into(),
        "interval".into(),
        "latency".into(),
        "interval".into(),
        "limit".into(),
        String::new(),
    ]];
    cells.extend(rows.iter().map(|row| {
        let prediction = row.prediction;
        [
            row.name.clone(),
            rate(prediction.requests_per_s.mean),
            interval(&prediction.requests_per_s, rate),
            time(Some(prediction.latency_ns.mean)),
            interval(&prediction.latency_ns, |ns| time(Some(ns))),
            limit(&prediction.limit),
            row.note.clone(),
        ]
    }));
    aligned(&cells)
}

fn interval(estimate: &Estimate, word: impl Fn(f64) -> String) -> String {
    format!("{} - {}", word(estimate.low), word(estimate.high))
}

/// What a placement runs into first, in words.
pub(crate) fn limit(limit: &Limit) -> String {
    match limit {
        Limit::Core { core } => format!("core {core}"),
        Limit::Stage { stage } => stage.clone(),
        Limit::Window { window } => format!("window {window}"),
        Limit::Clients => "the clients".into(),
        Limit::OfferedLoad => "the offered load".into(),
    }
}

/// Columns as wide as their widest cell.
fn aligned<const N: usize>(cells: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let padded = cells.map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let cells = [["a".to_owned(), "bb".into()], ["ccµ".into(), "d".into()]];
        assert_eq!(aligned(&cells), "a    bb\nccµ  d\n");
    }

    #[test]
    fn limits_are_said_in_words() {
        assert_eq!(limit(&Limit::Core { core: 3 }), "core 3");
        let window = "http.bookstore".to_owned();
        assert_eq!(limit(&Limit::Window { window }), "window http.bookstore");
    }
}
