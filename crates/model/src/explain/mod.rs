//! What limits a profile's pipeline, in plain words: the thirteen rules from symptom to remedy.
//!
//! ```text
//!  Profile --> View --> stopped? deadlock? saturated? blocked? windows full? --> Explanation
//!                       (the first that holds is the verdict; a victim never is)
//! ```
//! What the figures do not show is said to be unknown.

mod bounds;
mod finding;
mod halted;
mod notes;
mod parts;
mod saturated;
mod stalls;
mod text;
mod unlimited;
mod victims;
mod view;
mod windows;

use serde::Serialize;

use crate::profile::Profile;
use finding::Finding;
use view::View;

/// From this share on a stage or a core counts as saturated.
const SATURATED: f64 = 0.9;
/// How near to [`SATURATED`] a share is close to it.
const CLOSE: f64 = 0.05;
/// From this share on a stage counts as blocked.
const BLOCKED: f64 = 0.1;
/// From this share of its capacity on a queue counts as full, and a window as used up.
const FULL: f64 = 0.9;
/// Fewer messages tell nothing.
const MESSAGES_MIN: f64 = 20.0;

/// What limits the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    /// A stage that panicked or failed.
    Stopped {
        /// The stage.
        stage: String,
    },
    /// Messages wait and none moves (rule 9).
    Deadlock {
        /// The stages whose inputs are full.
        stages: Vec<String>,
    },
    /// One stage is busy nearly always (rule 1), or the first busy one behind victims (rule 2).
    Stage {
        /// The stage.
        stage: String,
    },
    /// Stages on one core are busy nearly always together (rule 1).
    Core {
        /// The core's number.
        core: usize,
        /// The stage to move.
        stage: String,
    },
    /// One replica has more than its share (rule 12).
    HashSkew {
        /// The stage.
        stage: String,
        /// The replica.
        replica: usize,
    },
    /// A stage has no empty pages (rule 8).
    EmptyBank {
        /// The stage.
        stage: String,
        /// Who holds the pages, where it is known.
        holder: Option<String>,
    },
    /// All tokens of a window are under way: the critical loop (rule 4).
    Window {
        /// The stage that holds the tokens.
        stage: String,
        /// The window.
        window: String,
        /// The largest part of the loop's latency.
        part: Option<Part>,
    },
    /// A core whose stages have work does not come to it: it is slow to wake, or others use it.
    LateCore {
        /// The core's number.
        core: usize,
    },
    /// Messages wait for a batch to fill (rule 7).
    Batch {
        /// The stage that collects it.
        stage: String,
    },
    /// A queue is kept longer than the loop allows (rule 10).
    Slip {
        /// The consumer's end of the edge.
        edge: String,
    },
    /// Nothing is saturated: the offered load is the limit.
    OfferedLoad,
    /// Nothing passes and nothing waits.
    Idle,
    /// The profile does not show it.
    Unknown,
}

/// A part of a loop or of a request's way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Part {
    /// The work of a stage.
    Service {
        /// The stage.
        stage: String,
    },
    /// Waiting in a stage's queue.
    Queue {
        /// The consumer's end of the edge.
        edge: String,
    },
    /// Held in a stage whose reply is under way.
    Held {
        /// The stage.
        stage: String,
    },
    /// Between two cores.
    Hop {
        /// The consumer's end of the edge.
        edge: String,
    },
    /// In none of the queues and stages that the profile shows.
    Elsewhere,
}

/// How sure a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The figures are clear of every threshold.
    Clear,
    /// A figure is close to its threshold, or within its error of it.
    Close,
    /// The figures do not tell.
    Unknown,
}

/// A stage that could not work although it was not at rest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stall {
    /// The stage (with its replica's number, when there are several).
    pub stage: String,
    /// `blocked`, `starved`, `ready` or `awaiting`.
    pub state: &'static str,
    /// The share of the time.
    pub ratio: f64,
    /// Why.
    pub reason: String,
}

/// The remedy as a change of the pipeline that a model can apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// One more replica.
    Replicate {
        /// The stage.
        stage: String,
        /// The new replica's core.
        core: usize,
    },
    /// Another core.
    Move {
        /// The stage.
        stage: String,
        /// The replica.
        replica: usize,
        /// Its core from then on.
        core: usize,
    },
    /// A larger window.
    Tokens {
        /// The stage that holds them.
        stage: String,
        /// The window.
        window: String,
        /// Its tokens from then on.
        tokens: u64,
    },
}

/// What the model predicts for the remedy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gain {
    /// Throughput with the remedy over throughput now, as predicted; absent without a prediction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_ratio: Option<f64>,
    /// The same at most, by the utilisation law and the windows; absent when nothing bounds it.
    pub throughput_ratio_max: Option<f64>,
    /// The same in words, with what limits then.
    pub text: String,
}

/// Something that is no limit and still worth knowing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    /// The rule's number in the list of rules.
    pub rule: u32,
    /// The sentence.
    pub text: String,
}

/// What limits a pipeline, why, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The pipeline's name.
    pub pipeline: String,
    /// What limits it.
    pub verdict: Verdict,
    /// The number of the rule; 0 when none applies.
    pub rule: u32,
    /// How sure that is.
    pub confidence: Confidence,
    /// The verdict in one sentence.
    pub headline: String,
    /// The figures it rests on.
    pub evidence: Vec<String>,
    /// The stages that are held up, and why.
    pub stalled: Vec<Stall>,
    /// What to do.
    pub remedy: Option<String>,
    /// The same for a model, where it is a change that a model can apply.
    pub change: Option<Change>,
    /// What that would bring.
    pub gain: Option<Gain>,
    /// Other observations.
    pub notes: Vec<Note>,
}

/// Says what limits the pipeline of a checked profile.
pub fn explain(profile: &Profile) -> Explanation {
    let view = View::of(profile);
    let finding = halted::find(&view)
        .or_else(|| saturated::find(&view))
        .or_else(|| victims::find(&view))
        .or_else(|| windows::find(&view))
        .unwrap_or_else(|| unlimited::find(&view));
    finding.explanation(&view)
}

/// As [`explain`]; `predict` says what throughput a change brings, as a ratio to now, where it can.
pub fn explain_with(
    profile: &Profile,
    predict: impl Fn(&Profile, &Change) -> Option<f64>,
) -> Explanation {
    let mut explanation = explain(profile);
    let change = explanation.change.as_ref();
    let predicted = change.and_then(|change| predict(profile, change));
    if let (Some(gain), Some(ratio)) = (&mut explanation.gain, predicted) {
        gain.throughput_ratio = Some(ratio);
        gain.text = format!("x{ratio:.2} as simulated; {}", gain.text);
    }
    explanation
}

impl Finding {
    fn explanation(self, view: &View<'_>) -> Explanation {
        let stalled = stalls::stalled(view, &self);
        Explanation {
            pipeline: view.profile.name.clone(),
            rule: self.rule,
            confidence: self.confidence,
            headline: self.headline,
            evidence: self.evidence,
            stalled,
            remedy: self.remedy,
            change: self.change,
            gain: self.gain,
            notes: notes::notes(view, &self.verdict),
            verdict: self.verdict,
        }
    }
}
