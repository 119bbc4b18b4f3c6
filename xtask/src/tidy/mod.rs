//! The habits of the house, checked. Each rule is a function from the workspace's texts to the
//! places where it is broken, so that its tests plant a violation in a text and see it found.

use std::fmt;

mod docs;
mod edges;
mod lexer;
mod links;
mod rooms;
mod sizes;
mod source;
mod tree;
mod unsafety;
mod words;

pub use tree::Tree;

use source::Source;

/// A place where a habit is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the workspace.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Violation {
    fn new(
        path: impl Into<String>,
        line: usize,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.path, self.line, self.what, self.remedy
        )
    }
}

/// What `tidy` found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The broken habits, by file and line.
    pub violations: Vec<Violation>,
    figures: Figures,
}

/// Figures about the code, for the summary.
#[derive(Debug, Clone, Default)]
struct Figures {
    files: usize,
    code_lines: usize,
    functions: usize,
    function_lines_median: usize,
    unsafes: usize,
    expects: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        let Figures {
            files,
            code_lines,
            functions,
            function_lines_median,
            unsafes,
            expects,
        } = self.figures;
        writeln!(
            f,
            "tidy: {} violations; outside tests {files} Rust files, {code_lines} code lines, \
             {functions} functions (median {function_lines_median} lines), {unsafes} unsafe, \
             {expects} expect",
            self.violations.len()
        )
    }
}

/// Checks every rule.
pub fn check(tree: &Tree) -> Report {
    let sources = source::all(tree);
    let mut violations = rooms::check(tree);
    violations.extend(docs::stage_files(tree));
    violations.extend(links::check(tree));
    violations.extend(words::traces(tree));
    violations.extend(words::foreign_sources(tree));
    violations.extend(unsafety::idle_edges(&sources));
    for source in &sources {
        violations.extend(unsafety::check(source));
        violations.extend(sizes::check(source));
        violations.extend(docs::module_doc(source));
        violations.extend(words::calls(source));
    }
    violations.sort();
    Report {
        violations,
        figures: figures(&sources),
    }
}

fn figures(sources: &[Source<'_>]) -> Figures {
    let shipped: Vec<_> = sources.iter().filter(|s| !s.all_test).collect();
    let mut function_lines: Vec<usize> = shipped.iter().flat_map(|s| sizes::shipped(s)).collect();
    function_lines.sort_unstable();
    Figures {
        files: shipped.len(),
        code_lines: shipped.iter().map(|s| s.code_lines()).sum(),
        functions: function_lines.len(),
        function_lines_median: function_lines
            .get(function_lines.len() / 2)
            .copied()
            .unwrap_or(0),
        unsafes: shipped.iter().map(|s| unsafety::count(s)).sum(),
        expects: shipped.iter().map(|s| words::expects(s)).sum(),
    }
}
