//! A Rust file with what the rules ask of it: matching brackets, functions, and what is test code.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lexer::{Comment, Kind, Lexed, Token, lex};
use super::tree::Tree;

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub path: &'a str,
    pub tokens: Vec<Token<'a>>,
    pub comments: Vec<Comment<'a>>,
    /// Whether all of it is compiled for tests or benchmarks only.
    pub all_test: bool,
    /// The index of the bracket that matches the one at an index.
    partners: Vec<Option<usize>>,
    /// Items under `#[test]` or `#[cfg(test)]`, as ranges of tokens.
    tests: Vec<Range<usize>>,
}

/// A function with a body, by indices of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function {
    /// The word `fn`.
    pub start: usize,
    /// The brace that ends the body.
    pub end: usize,
}

/// Every Rust file of the workspace.
pub(crate) fn all(tree: &Tree) -> Vec<Source<'_>> {
    let files = tree.files().filter(|(path, _)| path.ends_with(".rs"));
    let mut sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).collect();
    let test_modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        source.all_test |= test_modules.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
    sources
}

impl<'a> Source<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let Lexed { tokens, comments } = lex(text);
        let mut source = Self {
            path,
            partners: partners(&tokens),
            tokens,
            comments,
            all_test: path
                .split('/')
                .any(|part| matches!(part, "tests" | "benches")),
            tests: Vec::new(),
        };
        source.tests = source.find_tests();
        source
    }

    /// The text of a token; empty after the last one.
    pub fn text(&self, token: usize) -> &'a str {
        self.tokens.get(token).map_or("", |token| token.text)
    }

    /// Whether the tokens from `first` on read like `texts`.
    pub fn reads(&self, first: usize, texts: &[&str]) -> bool {
        (first..)
            .zip(texts)
            .all(|(token, text)| self.text(token) == *text)
    }

    /// The bracket that matches the one at `token`.
    pub fn partner(&self, token: usize) -> Option<usize> {
        self.partners.get(token).copied().flatten()
    }

    /// Whether a token is in test code.
    pub fn is_test(&self, token: usize) -> bool {
        self.all_test || self.tests.iter().any(|range| range.contains(&token))
    }

    /// The number of lines that hold code, without comments, blank lines and the tests of a file
    /// that also has other code.
    pub fn code_lines(&self) -> usize {
        let counted = |index| {
            !self
                .tests
                .iter()
                .any(|range: &Range<usize>| range.contains(&index))
        };
        let tokens = self.tokens.iter().enumerate();
        let lines: BTreeSet<_> = tokens
            .filter(|(index, _)| self.all_test || counted(*index))
            .flat_map(|(_, token)| token.line..=token.line_last)
            .collect();
        lines.len()
    }

    /// Every function with a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let starts = (0..self.tokens.len()).filter(|&index| {
            self.text(index) == "fn"
                && self
                    .tokens
                    .get(index + 1)
                    .is_some_and(|t| t.kind == Kind::Word)
        });
        starts.filter_map(|start| self.function(start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let end = self.item_end(start);
        (self.text(end) == "}").then_some(Function { start, end })
    }

    /// The last token of the item that begins at `start`: the first `;` outside of brackets, or
    /// the brace that closes the first one that opens there. A field, variant or match arm also
    /// ends with a comma, or before the brace around it.
    fn item_end(&self, start: usize) -> usize {
        let is_item = matches!(
            self.text(start),
            "pub"
                | "fn"
                | "mod"
                | "impl"
                | "use"
                | "struct"
                | "enum"
                | "trait"
                | "const"
                | "static"
                | "type"
                | "unsafe"
                | "async"
                | "extern"
                | "macro_rules"
                | "union"
        );
        let mut at = start;
        while at < self.tokens.len() {
            match self.text(at) {
                ";" => return at,
                "," if !is_item => return at,
                ")" | "]" | "}" => return at.saturating_sub(1),
                "{" => return self.partner(at).unwrap_or(self.tokens.len() - 1),
                _ => at = self.partner(at).unwrap_or(at) + 1,
            }
        }
        self.tokens.len().saturating_sub(1)
    }

    /// The attributes `#[…]` of the file, each as the range between its brackets.
    fn attributes(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.tokens.len()).filter_map(|index| {
            let end = self
                .reads(index, &["#", "["])
                .then(|| self.partner(index + 1))?;
            Some(index + 2..end?)
        })
    }

    fn find_tests(&self) -> Vec<Range<usize>> {
        let attributes = self
            .attributes()
            .filter(|range| self.is_test_attribute(range.start));
        attributes
            .map(|range| range.start - 2..self.item_end(self.after_attributes(range.end + 1)) + 1)
            .collect()
    }

    fn is_test_attribute(&self, inside: usize) -> bool {
        self.reads(inside, &["test", "]"])
            || self.reads(inside, &["cfg", "(", "test", ")"])
            || self.reads(inside, &["cfg", "(", "all", "(", "test", ","])
    }

    /// The first token from `token` on that belongs to no attribute.
    fn after_attributes(&self, mut token: usize) -> usize {
        while self.reads(token, &["#", "["]) {
            token = self
                .partner(token + 1)
                .map_or(self.tokens.len(), |end| end + 1);
        }
        token
    }

    /// The files, without `.rs`, of modules that are declared `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", self.path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
        };
        let declared = self.tests.iter().filter_map(|range| {
            let end = range.end.checked_sub(3)?;
            let is_declaration = self.text(end) == "mod" && self.text(end + 2) == ";";
            is_declaration.then(|| format!("{folder}/{}", self.text(end + 1)))
        });
        declared.collect()
    }
}

/// Matches brackets; what does not match has no partner (in a file that does not compile).
fn partners(tokens: &[Token<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => open.push(index),
            ")" | "]" | "}" => {
                if let Some(start) = open.pop() {
                    partners[start] = Some(index);
                    partners[index] = Some(start);
                }
            }
            _ => {}
        }
    }
    partners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(source: &Source<'a>) -> Vec<&'a str> {
        let functions = source.functions();
        functions
            .iter()
            .map(|function| source.text(function.start + 1))
            .collect()
    }

    #[test]
    fn functions_are_those_with_a_body() {
        let text = "trait T { fn declared(&self) -> [u8; 2]; fn given() where Self: Sized { fn inner() {} } }
                    type P = fn(u8) -> u8; const fn last<const N: usize>() -> [u8; N] { [0; N] }";
        let source = Source::new("crates/x/src/lib.rs", text);
        assert_eq!(names(&source), ["given", "inner", "last"]);
    }

    #[test]
    fn tests_are_told_from_what_is_shipped() {
        let text = "fn a() { x } #[cfg(test)] #[allow(y)] mod tests { fn b() { x } }
                    #[cfg(not(test))] fn c() { x } #[test] fn d() { x }
                    struct S { #[cfg(test)] e: [x; 1], f: x } #[cfg(all(test, g))] use x::{y}; fn h() { x }";
        let source = Source::new("crates/x/src/lib.rs", text);
        let is_test = |(index, token): (usize, &Token<'_>)| {
            (token.text == "x").then(|| source.is_test(index))
        };
        let found: Vec<_> = source
            .tokens
            .iter()
            .enumerate()
            .filter_map(is_test)
            .collect();
        assert_eq!(found, [false, true, false, true, true, false, true, false]);
    }

    #[test]
    fn code_lines_are_without_comments_blanks_and_tests() {
        let text =
            "//! Doc.\n\nuse a; // b\nconst C: &str = \"d\n\ne\";\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(Source::new("crates/x/src/lib.rs", text).code_lines(), 4);
        assert_eq!(Source::new("crates/x/tests/a.rs", text).code_lines(), 7);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_test_code() {
        let tree = Tree::of(&[
            ("crates/x/src/lib.rs", "#[cfg(test)] mod checks; mod a;"),
            ("crates/x/src/a.rs", "#[cfg(test)]\nmod checks;"),
            ("crates/x/src/checks.rs", ""),
            ("crates/x/src/checks/deep.rs", ""),
            ("crates/x/src/checkser.rs", ""),
            ("crates/x/src/a/checks.rs", ""),
            ("crates/x/tests/b/mod.rs", ""),
        ]);
        let sources = all(&tree);
        let tests = sources.iter().filter(|source| source.all_test);
        let paths: Vec<_> = tests
            .map(|source| source.path.trim_start_matches("crates/x/"))
            .collect();
        assert_eq!(
            paths,
            [
                "src/a/checks.rs",
                "src/checks.rs",
                "src/checks/deep.rs",
                "tests/b/mod.rs"
            ]
        );
    }
}
