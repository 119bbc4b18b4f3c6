//! An explanation for people.

use std::fmt::Write as _;

use super::{Confidence, Explanation};
use crate::words::{percent, plain};

/// Columns of the labels.
const LABEL: usize = 10;

impl Explanation {
    /// The explanation as lines of text: headline, then figures, each with its unit.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", plain(&self.headline));
        if self.confidence == Confidence::Close {
            out.push_str("(Close to the threshold, or to a rival: measure longer, or again.)\n");
        }
        out.push('\n');
        block(&mut out, "evidence", &self.evidence);
        block(&mut out, "stalled", &self.stalls());
        block(&mut out, "remedy", self.remedy.as_slice());
        let gain = self
            .gain
            .as_ref()
            .map(|gain| format!("throughput {}", gain.text));
        block(&mut out, "gain", gain.as_slice());
        let notes: Vec<String> = self.notes.iter().map(|note| note.text.clone()).collect();
        block(&mut out, "also", &notes);
        out
    }

    /// The explanation as JSON.
    pub fn to_json(&self) -> String {
        // Only texts and numbers: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The headline and the remedy: the verdict in two sentences.
    pub fn sentence(&self) -> String {
        let sentence = match &self.remedy {
            Some(remedy) => format!("{} {remedy}", self.headline),
            None => self.headline.clone(),
        };
        plain(&sentence)
    }

    /// Stages that are held up for the same reason share a line.
    fn stalls(&self) -> Vec<String> {
        let mut lines: Vec<(&str, &str, Vec<String>)> = Vec::new();
        for s in &self.stalled {
            let name = format!("{} {}", s.stage, percent(s.ratio));
            let same =
                |line: &&mut (&str, &str, Vec<String>)| (line.0, line.1) == (s.state, &s.reason);
            match lines.iter_mut().find(same) {
                Some(line) => line.2.push(name),
                None => lines.push((s.state, &s.reason, vec![name])),
            }
        }
        let line = |(state, reason, names): &(&str, &str, Vec<String>)| {
            format!("{state} {}: {reason}", names.join(", "))
        };
        lines.iter().map(line).collect()
    }
}

fn block(out: &mut String, label: &str, lines: &[String]) {
    for (i, line) in lines.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        // Names and sentences may be from a file, or of somebody who wants to upset a terminal.
        let _ = writeln!(out, "{label:LABEL$}{}", plain(line));
    }
}
