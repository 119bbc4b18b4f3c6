//! A verdict on its way to an explanation.

use super::{Change, Confidence, Gain, Verdict};

/// What a rule found.
pub(super) struct Finding {
    pub verdict: Verdict,
    pub rule: u32,
    pub confidence: Confidence,
    pub headline: String,
    pub evidence: Vec<String>,
    pub remedy: Option<String>,
    pub change: Option<Change>,
    pub gain: Option<Gain>,
}

impl Finding {
    pub fn new(verdict: Verdict, rule: u32, headline: impl Into<String>) -> Finding {
        Finding {
            verdict,
            rule,
            confidence: Confidence::Clear,
            headline: headline.into(),
            evidence: Vec::new(),
            remedy: None,
            change: None,
            gain: None,
        }
    }

    pub fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Finding {
        self.evidence.extend(lines);
        self
    }

    pub fn remedy(mut self, text: impl Into<String>) -> Finding {
        self.remedy = Some(text.into());
        self
    }

    pub fn change(mut self, change: Change) -> Finding {
        self.change = Some(change);
        self
    }

    pub fn gain(mut self, gain: Gain) -> Finding {
        self.gain = Some(gain);
        self
    }

    pub fn confidence(mut self, confidence: Confidence) -> Finding {
        self.confidence = confidence;
        self
    }

    /// What the stalled stages wait for, in words; none when nothing is limited.
    pub fn culprit(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Stopped { stage }
            | Verdict::Stage { stage }
            | Verdict::EmptyBank { stage, .. }
            | Verdict::Batch { stage } => Some(stage.clone()),
            Verdict::HashSkew { stage, replica } => Some(format!("{stage}/{replica}")),
            Verdict::Core { core, .. } | Verdict::LateCore { core } => Some(format!("core {core}")),
            Verdict::Window { stage, window, .. } => Some(format!("window {stage}.{window}")),
            Verdict::Slip { edge } => Some(edge.clone()),
            Verdict::Deadlock { .. } | Verdict::OfferedLoad | Verdict::Idle | Verdict::Unknown => {
                None
            }
        }
    }
}
