//! A pipeline that was read and found right.

use std::collections::HashMap;

use brigade_stage::{Kind, OptionValue, PortDeclaration, Registry, WindowDeclaration};

use crate::{Error, Placement, Problem, check, read, suggest::hint};

/// A pipeline: stages in data order, edges, banks, windows.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The file that it was read from, for messages.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) banks: Vec<Bank>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) windows: Vec<Window>,
}

/// A bank: pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// Its name.
    pub name: String,
    /// The size of a page.
    pub page_bytes: usize,
    pub(crate) line: usize,
}

/// A stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// What it is made from.
    pub kind: Kind,
    /// The options that the file or a caller set; the kind's defaults are not in here.
    pub options: HashMap<String, OptionValue>,
    pub(crate) line: usize,
}

/// A port of a stage: indices into [`Pipeline::stages`] and into the inputs or outputs of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortIndex {
    /// The stage.
    pub stage: usize,
    /// The port, among the kind's outputs for an edge's `from`, among its inputs for its `to`.
    pub port: usize,
}

/// An edge: a ring of full pages from an output to an input, and one of empty pages back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The output.
    pub from: PortIndex,
    /// The input.
    pub to: PortIndex,
    /// The bank of its pages, an index into [`Pipeline::banks`].
    pub bank: usize,
    /// Messages that the ring takes; also the producer's pages.
    pub ring: usize,
    /// Pages that the consumer has for exchange: so many full ones may it hold.
    pub hold: usize,
    pub(crate) line: usize,
}

/// A window of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The stage that holds the tokens.
    pub stage: usize,
    /// Which one, an index into the windows of the stage's kind.
    pub window: usize,
    /// How many messages may be on their way.
    pub tokens: usize,
    pub(crate) line: usize,
}

impl Pipeline {
    /// Reads and checks a pipeline. `file` is only used in messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and what to do.
    pub fn parse(text: &str, file: &str, registry: &Registry) -> Result<Pipeline, Error> {
        let pipeline = read::pipeline(text, file, registry)?;
        check::pipeline(&pipeline)?;
        Ok(pipeline)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file it was read from, as it was given to [`parse`](Self::parse).
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The banks, in the order of the file.
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }

    /// The stages, in data order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The edges, in the order of the file.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// All windows, by stage and in the order of the stage's kind.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The pages of bank `bank`: those of all producers and consumers of its edges, each of which
    /// is there once.
    pub fn bank_pages(&self, bank: usize) -> usize {
        self.bank_pages_of(bank, |_| 1)
    }

    /// The pages of bank `bank` when the stages are placed so: an edge between a and b replicas
    /// has a times b lanes, each with the pages of an edge.
    pub fn bank_pages_placed(&self, bank: usize, placement: &Placement) -> usize {
        self.bank_pages_of(bank, |edge| {
            placement.replicas(edge.from.stage) * placement.replicas(edge.to.stage)
        })
    }

    fn bank_pages_of(&self, bank: usize, lanes: impl Fn(&Edge) -> usize) -> usize {
        let edges = self.edges.iter().filter(|edge| edge.bank == bank);
        edges
            .map(|edge| (edge.ring + edge.hold) * lanes(edge))
            .sum()
    }

    /// The index of the stage called `name`.
    pub fn stage_index(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    /// The declaration of an edge's output.
    pub fn output(&self, edge: &Edge) -> &PortDeclaration {
        &self.stages[edge.from.stage].kind.outputs()[edge.from.port]
    }

    /// The declaration of an edge's input.
    pub fn input(&self, edge: &Edge) -> &PortDeclaration {
        &self.stages[edge.to.stage].kind.inputs()[edge.to.port]
    }

    /// `stage.port` of an edge's output.
    pub fn from_name(&self, edge: &Edge) -> String {
        format!(
            "{}.{}",
            self.stages[edge.from.stage].name,
            self.output(edge).name
        )
    }

    /// `stage.port` of an edge's input.
    pub fn to_name(&self, edge: &Edge) -> String {
        format!(
            "{}.{}",
            self.stages[edge.to.stage].name,
            self.input(edge).name
        )
    }

    /// The declaration of a window.
    pub fn window_declaration(&self, window: &Window) -> &WindowDeclaration {
        &self.stages[window.stage].kind.windows()[window.window]
    }

    /// The edge at output `port` of stage `stage`.
    pub fn edge_of_output(&self, stage: usize, port: &str) -> Option<usize> {
        self.edges
            .iter()
            .position(|e| e.from.stage == stage && self.output(e).name == port)
    }

    /// The edge at input `port` of stage `stage`.
    pub fn edge_of_input(&self, stage: usize, port: &str) -> Option<usize> {
        self.edges
            .iter()
            .position(|e| e.to.stage == stage && self.input(e).name == port)
    }

    /// Sets an option of a stage, as the command line does.
    ///
    /// # Errors
    /// When there is no such stage or option, or the value is of another type.
    pub fn set_option(
        &mut self,
        stage: &str,
        option: &str,
        value: OptionValue,
    ) -> Result<(), Error> {
        let index = self.known_stage(stage)?;
        let line = self.stages[index].line;
        let value = check::option(&self.stages[index], option, value)
            .map_err(|problem| self.error(line, problem))?;
        self.stages[index].options.insert(option.to_owned(), value);
        Ok(())
    }

    /// Makes a stage from another kind, as `--nic wire` does. Options that the new kind does not
    /// have are dropped.
    ///
    /// # Errors
    /// When there is no such stage or kind, or the pipeline would not be right with it; then it is
    /// as before.
    pub fn set_kind(&mut self, stage: &str, kind: &str, registry: &Registry) -> Result<(), Error> {
        let index = self.known_stage(stage)?;
        let known = registry.get(kind).ok_or_else(|| {
            let hint = hint(kind, registry.kinds().map(Kind::name));
            let (stage, kind) = (stage.to_owned(), kind.to_owned());
            self.error(
                self.stages[index].line,
                Problem::UnknownKind { stage, kind, hint },
            )
        })?;
        let mut changed = self.clone();
        read::change_kind(&mut changed, index, known)?;
        check::pipeline(&changed)?;
        *self = changed;
        Ok(())
    }

    /// Gives a window of a stage so many tokens, as the command line does.
    ///
    /// # Errors
    /// When there is no such stage or window, or a ring on the window's way takes fewer; then the
    /// pipeline is as before.
    pub fn set_tokens(&mut self, stage: &str, window: &str, tokens: usize) -> Result<(), Error> {
        let index = self.known_stage(stage)?;
        let mut changed = self.clone();
        let kind = &self.stages[index].kind;
        let own = |w: &&mut Window| w.stage == index && kind.windows()[w.window].name == window;
        let Some(found) = changed.windows.iter_mut().find(own) else {
            let names = kind.windows().iter().map(|declared| declared.name.as_str());
            let problem = Problem::UnknownWindow {
                stage: stage.to_owned(),
                kind: kind.name().to_owned(),
                window: window.to_owned(),
                hint: hint(window, names),
            };
            return Err(self.error(self.stages[index].line, problem));
        };
        found.tokens = tokens.max(1);
        check::pipeline(&changed)?;
        *self = changed;
        Ok(())
    }

    /// The smallest legal sizes: every window has at most `tokens` tokens, every ring just takes
    /// what windows and needs demand of it, every consumer may hold one page. What runs so under
    /// random schedules without deadlock has no hidden demand for room.
    pub fn minimum(&self, tokens: usize) -> Pipeline {
        let mut minimum = self.clone();
        for window in &mut minimum.windows {
            window.tokens = window.tokens.min(tokens).max(1);
        }
        for edge in 0..minimum.edges.len() {
            minimum.edges[edge].ring = check::ring_min(&minimum, edge);
            minimum.edges[edge].hold = 1;
        }
        minimum
    }

    pub(crate) fn error(&self, line: usize, problem: Problem) -> Error {
        Error {
            file: self.file.clone(),
            line,
            problem: Box::new(problem),
        }
    }

    fn known_stage(&self, name: &str) -> Result<usize, Error> {
        self.stage_index(name).ok_or_else(|| {
            let hint = hint(name, self.stages.iter().map(|stage| stage.name.as_str()));
            self.error(
                0,
                Problem::UnknownStage {
                    stage: name.to_owned(),
                    hint,
                },
            )
        })
    }
}
