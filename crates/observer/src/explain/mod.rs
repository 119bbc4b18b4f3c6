//! What limits a Linux machine, in words that its administrator understands.
//!
//! ```text
//!  Profile --> View --> a limit that is no stage? blocked stages? a saturated stage or core?
//!                       a loop with too little under way? --> Explanation
//! ```
//! The first that holds is the verdict; a victim never is. The rules are those of `docs/linux-rules.md`.

mod gain;
mod limits;
mod loops;
mod pressure;
mod remedies;
mod saturated;
mod view;

use brigade_model::explain::{Confidence, Explanation, Gain, Note, Stall, Verdict};
use brigade_model::profile::{Profile, Wait};
use brigade_model::words::percent;

use crate::figures::ROOT_MAY;
use view::View;

/// From this share of the time on a stage counts as saturated.
const SATURATED: f64 = 0.9;
/// From this share on a stage counts as held up.
const HELD: f64 = 0.1;
/// Time on cores that nobody who was seen took is worth a word from this share of a core on, and of
/// what the cores did.
const GONE: f64 = 0.25;
/// How near to a threshold a share is close to it.
const CLOSE: f64 = 0.05;

/// What a rule found.
struct Finding {
    verdict: Verdict,
    /// The rule's number in the list of the Linux rules.
    rule: u32,
    confidence: Confidence,
    headline: String,
    evidence: Vec<String>,
    remedy: Option<String>,
    gain: Option<Gain>,
}

impl Finding {
    fn new(verdict: Verdict, rule: u32, headline: impl Into<String>) -> Finding {
        Finding {
            verdict,
            rule,
            confidence: Confidence::Clear,
            headline: headline.into(),
            evidence: Vec::new(),
            remedy: None,
            gain: None,
        }
    }
}

/// Says what limits the machine of a Linux profile.
pub fn explain(profile: &Profile) -> Explanation {
    let view = View::of(profile);
    let finding = limits::find(&view)
        .or_else(|| pressure::find(&view))
        .or_else(|| saturated::find(&view))
        .or_else(|| loops::find(&view))
        .or_else(|| limits::slow_turns(&view))
        .unwrap_or_else(|| nothing(&view));
    Explanation {
        pipeline: profile.name.clone(),
        stalled: stalled(&view),
        notes: notes(&view),
        verdict: finding.verdict,
        rule: finding.rule,
        confidence: finding.confidence,
        headline: finding.headline,
        evidence: finding.evidence,
        remedy: finding.remedy,
        change: None,
        gain: finding.gain,
    }
}

/// Nothing that can be seen is saturated.
fn nothing(view: &View<'_>) -> Finding {
    let busiest = view.busiest();
    let busiest = busiest.filter(|stage| view.busy(*stage) >= 0.01);
    if let Some(finding) = gone(view, busiest).or_else(|| hidden(view, busiest)) {
        return finding;
    }
    let Some(busiest) = busiest else {
        return idle(view);
    };
    let headline = format!(
        "Nothing is saturated: the offered load is the limit. The busiest stage, {}, is busy {} of \
         the time.",
        view.name(busiest),
        percent(view.busy(busiest))
    );
    let mut finding = Finding::new(Verdict::OfferedLoad, 0, headline);
    finding.evidence = vec![view.line(busiest)];
    finding.remedy = hint(view);
    finding
}

/// That something is hidden which root may see.
fn hint(view: &View<'_>) -> Option<String> {
    let mut unseen = view.linux.iter().flat_map(|linux| &linux.unseen);
    let is_hidden = unseen.any(|text| text.ends_with(ROOT_MAY));
    is_hidden.then(|| {
        "If something is slow nevertheless, run it as root: queues and waits of other users' \
         programs are hidden."
            .into()
    })
}

/// No core works, which says nothing of queues that may not be seen.
fn idle(view: &View<'_>) -> Finding {
    let remedy = hint(view);
    let seen = match remedy.is_some() {
        true => " that may be seen",
        false => "",
    };
    let headline =
        format!("Next to nothing happens: no stage works, and nothing waits in a queue{seen}.");
    let mut finding = Finding::new(Verdict::Idle, 0, headline);
    finding.remedy = remedy;
    finding
}

/// Cores are busy with threads that were never seen.
fn gone(view: &View<'_>, busiest: Option<usize>) -> Option<Finding> {
    let gone = view.linux.map_or(0.0, |linux| linux.gone_ratio);
    let busy = view.profile.cores.len() as f64 - view.idle_cores();
    if gone < GONE || gone < GONE * busy {
        return None;
    }
    let headline = format!(
        "Cannot know: {} of a core goes to programs that end before they can be looked at, or that \
         /proc hides.",
        percent(gone)
    );
    let remedy = "See who starts programs that live for moments (execsnoop, or `perf trace -e \
                  sched:sched_process_exec`), and let one that stays do the work. If /proc is mounted \
                  with hidepid, run it as root.";
    Some(unknown(view, busiest, headline, remedy))
}

/// Threads that work may not be asked what they wait for.
fn hidden(view: &View<'_>, busiest: Option<usize>) -> Option<Finding> {
    let hidden = view.linux.map_or(0.0, |linux| linux.hidden_ratio);
    let stage = busiest.filter(|_| hidden >= HELD)?;
    let headline = format!(
        "Cannot know: nothing that can be seen is saturated, but not everything can be seen. The \
         busiest stage, {}, is busy {} of the time.",
        view.name(stage),
        percent(view.busy(stage))
    );
    Some(unknown(view, busiest, headline, "Run it as root."))
}

fn unknown(view: &View<'_>, busiest: Option<usize>, headline: String, remedy: &str) -> Finding {
    let mut finding = Finding::new(Verdict::Unknown, 0, headline);
    finding.confidence = Confidence::Unknown;
    finding.evidence = busiest.map(|stage| view.line(stage)).into_iter().collect();
    finding.remedy = Some(remedy.into());
    finding
}

/// Stages that could not work although they had something to do.
fn stalled(view: &View<'_>) -> Vec<Stall> {
    let mut stalls = Vec::new();
    for stage in view.stages() {
        let times = view.times(stage);
        let states = [
            ("blocked", times.blocked_ratio),
            ("ready", times.ready_ratio),
            ("awaiting", times.awaiting_ratio),
        ];
        for (state, ratio) in states.into_iter().filter(|(_, ratio)| *ratio >= HELD) {
            stalls.push(Stall {
                stage: view.name(stage).to_owned(),
                state,
                ratio,
                reason: reason(view, stage, state),
            });
        }
    }
    stalls
}

fn reason(view: &View<'_>, stage: usize, state: &str) -> String {
    let blocks = |wait: Wait| {
        matches!(
            wait,
            Wait::PipeWrite | Wait::SocketSend | Wait::DirtyThrottle
        )
    };
    let slept = |of: &dyn Fn(Wait) -> bool| {
        let waits = view.waits(stage).iter();
        let own: Vec<&str> = waits
            .filter(|share| of(share.wait) && share.ratio >= HELD / 2.0)
            .map(|share| share.wait.words())
            .collect();
        match own.is_empty() {
            true => "it sleeps".to_owned(),
            false => format!("it sleeps in {}", own.join(" and in ")),
        }
    };
    match state {
        "ready" => "it waits for a core".into(),
        "blocked" => slept(&blocks),
        _ => slept(&|wait| {
            let idles = [
                Wait::Futex,
                Wait::PipeRead,
                Wait::Accept,
                Wait::TimedPoll,
                Wait::Other,
            ];
            !blocks(wait) && !idles.contains(&wait)
        }),
    }
}

fn notes(view: &View<'_>) -> Vec<Note> {
    let unseen = view.linux.iter().flat_map(|linux| &linux.unseen);
    let note = |text: &String| Note {
        rule: 0,
        text: format!("not seen: {text}"),
    };
    unseen.map(note).collect()
}

/// Whether a share is so near to its threshold that another look may say otherwise.
fn confidence(share: f64, threshold: f64) -> Confidence {
    match share - threshold < CLOSE / 2.0 {
        true => Confidence::Close,
        false => Confidence::Clear,
    }
}
