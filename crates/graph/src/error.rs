//! What can be wrong with a pipeline or a placement: one line with file, line and remedy.

use std::fmt;

use crate::{PAGE_BYTES_MAX, PAGE_BYTES_MIN, RING_MAX};

/// A problem and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", Place(file, *line))]
pub struct Error {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub problem: Box<Problem>,
}

/// `file:line`, or `file` alone.
struct Place<'a>(&'a str, usize);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place(file, 0) => f.write_str(file),
            Place(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

/// What is wrong with a pipeline or a placement. Fields named `hint` hold a whole sentence that
/// says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The messages say what the fields are.
#[non_exhaustive]
pub enum Problem {
    #[error("this is not TOML: {message}")]
    NotToml { message: String },
    #[error("`{key}` is not known in {place}; {hint}")]
    UnknownKey {
        key: String,
        place: String,
        hint: String,
    },
    #[error("{place} lacks `{key}`; add {example}")]
    MissingKey {
        key: String,
        place: String,
        example: String,
    },
    #[error("`{key}` of {place} must be {wanted}, not {found}")]
    WrongType {
        key: String,
        place: String,
        wanted: String,
        found: String,
    },
    #[error("`{name}` cannot be a name; use letters, digits, `_` and `-`")]
    BadName { name: String },
    #[error("{what} `{name}` is there twice (first in line {first}); give one another name")]
    DuplicateName {
        what: &'static str,
        name: String,
        first: usize,
    },
    #[error("the pipeline has no stage; add a [[stage]]")]
    NoStages,
    #[error("kind `{kind}` of stage `{stage}` is not known; {hint}")]
    UnknownKind {
        stage: String,
        kind: String,
        hint: String,
    },
    #[error("stage `{stage}` is not known; {hint}")]
    UnknownStage { stage: String, hint: String },
    #[error("bank `{bank}` is not known; {hint}")]
    UnknownBank { bank: String, hint: String },
    #[error("the edge does not say which bank its pages are from; add bank = {banks}")]
    NoBank { banks: String },
    #[error("`{text}` is not a port; write stage.port")]
    BadPort { text: String },
    #[error("stage `{stage}` (kind `{kind}`) has no {direction} `{port}`; {hint}")]
    UnknownPort {
        stage: String,
        kind: String,
        direction: &'static str,
        port: String,
        hint: String,
    },
    #[error(
        "{direction} `{port}` is joined twice (first in line {first}); remove one of the edges"
    )]
    PortJoinedTwice {
        direction: &'static str,
        port: String,
        first: usize,
    },
    #[error("{direction} `{port}` is not joined to anything; add an [[edge]] {side} = \"{port}\"")]
    PortNotJoined {
        direction: &'static str,
        side: &'static str,
        port: String,
    },
    #[error("`{from}` sends {sent} but `{to}` takes {taken}; join ports for the same messages")]
    TypesDiffer {
        from: String,
        sent: &'static str,
        to: String,
        taken: &'static str,
    },
    #[error("{key} = {value} is not possible; choose 1 to {RING_MAX}")]
    Capacity { key: &'static str, value: i64 },
    #[error(
        "page_bytes = {value} is not possible; choose a power of two from {PAGE_BYTES_MIN} to {PAGE_BYTES_MAX}"
    )]
    PageBytes { value: i64 },
    #[error(
        "`{input}` needs room for {needed} messages on `{output}`, whose ring takes {ring}; make ring at least {needed}"
    )]
    NeedTooLarge {
        input: String,
        output: String,
        needed: usize,
        ring: usize,
    },
    #[error("stage `{stage}` (kind `{kind}`) has no window `{window}`; {hint}")]
    UnknownWindow {
        stage: String,
        kind: String,
        window: String,
        hint: String,
    },
    #[error("window `{window}` of stage `{stage}` must have 1 to {RING_MAX} tokens, not {tokens}")]
    WindowTokens {
        stage: String,
        window: String,
        tokens: i64,
    },
    #[error(
        "window `{window}` of stage `{stage}` has {tokens} tokens, but the ring from `{from}` to `{to}` on its way takes {ring}; make that ring at least {tokens} or the window at most {ring}"
    )]
    WindowTooLarge {
        stage: String,
        window: String,
        tokens: usize,
        from: String,
        to: String,
        ring: usize,
    },
    #[error(
        "these ports wait for each other and would deadlock when their rings are full: {cycle}; declare a window on one of them, or a `needs` fewer"
    )]
    Deadlock { cycle: String },
    #[error("kind `{kind}` of stage `{stage}` has no option `{option}`; {hint}")]
    UnknownOption {
        stage: String,
        kind: String,
        option: String,
        hint: String,
    },
    #[error("option `{option}` of stage `{stage}` must be {wanted}, not {found}")]
    OptionType {
        stage: String,
        option: String,
        wanted: &'static str,
        found: String,
    },
    #[error(
        "kind `{kind}` declares a {what} on `{port}`, which is not one of its ports; correct the kind"
    )]
    KindContradictsItself {
        kind: String,
        what: &'static str,
        port: String,
    },
    #[error("the placement has no core; add a [[core]] with id and stages")]
    NoCores,
    #[error("core {core} is there twice (first in line {first}); put its stages into one list")]
    CoreTwice { core: usize, first: usize },
    #[error("core {core} has no stages; give it some or leave it out")]
    CoreEmpty { core: usize },
    #[error(
        "stage `{stage}` is there twice on core {core} (first in line {first}); remove it once, or put it on another core for a replica"
    )]
    StageTwice {
        stage: String,
        core: usize,
        first: usize,
    },
    #[error(
        "stage `{stage}` is placed on several cores, but kind `{kind}` may run only once: what it keeps cannot be divided; leave it on one core"
    )]
    NotReplicable { stage: String, kind: String },
    #[error(
        "window `{window}` of stage `{stage}` cannot have replicas: its answers come from `{output}`, which does not reply to who asked; declare that output with Kind::output_reply, or leave `{stage}` on one core"
    )]
    AnswerGoesAstray {
        stage: String,
        window: String,
        output: String,
    },
    #[error(
        "`{output}` replies to `{told}`, but what it answers comes from `{asker}`; join both to one stage, or leave both on one core each"
    )]
    ReplyElsewhere {
        output: String,
        told: String,
        asker: String,
    },
    #[error("stage `{stage}` is not placed; add it to the stages of a [[core]]")]
    StageNotPlaced { stage: String },
}
