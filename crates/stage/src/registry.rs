//! The kinds of stages that a program knows.

use std::collections::BTreeMap;

use crate::Kind;

/// The kinds of stages that a program knows, by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<String, Kind>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Adds a kind; one of the same name is replaced, so that a program can put its own stage
    /// in the place of one of Brigade's.
    pub fn add(&mut self, kind: Kind) -> &mut Registry {
        self.kinds.insert(kind.name().to_owned(), kind);
        self
    }

    /// The kind called `name`.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// All kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }
}
