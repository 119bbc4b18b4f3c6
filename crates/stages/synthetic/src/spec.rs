//! Pipelines of synthetic stages, made by programs.

use std::fmt::Write as _;

/// A chain: a source, stages, and a sink that answers the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The pipeline's name.
    pub name: String,
    /// Tokens of the source's window; without one nothing is answered, and rings fill up.
    pub window: Option<u64>,
    /// Whether the source sends by key.
    pub keyed: bool,
    /// Options of the source, as in a file: `("rate_per_s", "1000.0")`.
    pub source: Vec<(String, String)>,
    /// The stages between source and sink.
    pub stages: Vec<StageSpec>,
}

/// One stage of work, and the edge to it.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// Its name.
    pub name: String,
    /// Messages that the ring to it takes; no less than the window.
    pub ring: u64,
    /// Pages that it may hold.
    pub hold: u64,
    /// Its options, as in a file: `("service_ns", "1000")`.
    pub options: Vec<(String, String)>,
}

impl StageSpec {
    /// A stage that burns so long for a message, with room for `room` messages on its way.
    pub fn burning(name: &str, service_ns: u64, room: u64) -> StageSpec {
        StageSpec {
            name: name.into(),
            ring: room,
            hold: room,
            options: vec![("service_ns".into(), service_ns.to_string())],
        }
    }

    /// The same with one more option.
    pub fn with(mut self, option: &str, value: impl ToString) -> StageSpec {
        self.options.push((option.into(), value.to_string()));
        self
    }
}

impl Spec {
    /// A source that keeps a window of so many messages full.
    pub fn closed(name: &str, window: u64, stages: Vec<StageSpec>) -> Spec {
        Spec {
            name: name.into(),
            window: Some(window),
            keyed: false,
            source: Vec::new(),
            stages,
        }
    }

    /// A source that sends whenever there is room, and a drain.
    pub fn open(name: &str, stages: Vec<StageSpec>) -> Spec {
        Spec {
            window: None,
            ..Spec::closed(name, 1, stages)
        }
    }

    /// The same with one more option of the source.
    pub fn source(mut self, option: &str, value: impl ToString) -> Spec {
        self.source.push((option.into(), value.to_string()));
        self
    }

    /// The pipeline as a file's text.
    pub fn toml(&self) -> String {
        let kind = match (self.window, self.keyed) {
            (None, _) => "synthetic-source-open",
            (_, true) => "synthetic-source-keyed",
            (_, false) => "synthetic-source",
        };
        let mut text = format!(
            "name = \"{}\"\n\n[bank.items]\npage_bytes = 4096\n\n\
             [[stage]]\nname = \"source\"\nkind = \"{kind}\"\n",
            self.name
        );
        if let Some(tokens) = self.window {
            let _ = writeln!(text, "windows = {{ requests = {tokens} }}");
        }
        options(&mut text, &self.source);
        for stage in &self.stages {
            let name = &stage.name;
            let _ = write!(
                text,
                "\n[[stage]]\nname = \"{name}\"\nkind = \"synthetic-work\"\n"
            );
            options(&mut text, &stage.options);
        }
        let sink = self.window.map_or("synthetic-drain", |_| "synthetic-sink");
        let _ = write!(text, "\n[[stage]]\nname = \"sink\"\nkind = \"{sink}\"\n");
        let mut from = "source.requests".to_owned();
        for stage in &self.stages {
            edge(
                &mut text,
                &from,
                &format!("{}.input", stage.name),
                stage.ring,
                stage.hold,
            );
            from = format!("{}.output", stage.name);
        }
        let room = self.window.unwrap_or(0).max(8);
        edge(&mut text, &from, "sink.input", room, room);
        if self.window.is_some() {
            edge(&mut text, "sink.replies", "source.replies", room, room);
        }
        text
    }
}

fn options(text: &mut String, options: &[(String, String)]) {
    for (option, value) in options {
        let _ = writeln!(text, "{option} = {value}");
    }
}

fn edge(text: &mut String, from: &str, to: &str, ring: u64, hold: u64) {
    let _ = write!(
        text,
        "\n[[edge]]\nfrom = \"{from}\"\nto = \"{to}\"\nring = {ring}\nhold = {hold}\n"
    );
}
