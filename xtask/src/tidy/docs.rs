//! Every file says what it is, and every stage has the same files.

use std::collections::BTreeSet;

use super::Violation;
use super::source::Source;
use super::tree::Tree;

/// A stage's files; one of each list.
const STAGE_FILES: [&[&str]; 4] = [
    &["lib.rs"],
    &["stage.rs"],
    &["state.rs", "state/mod.rs"],
    &["error.rs"],
];

/// Checks that a file begins with its documentation.
pub(crate) fn module_doc(source: &Source<'_>) -> Option<Violation> {
    let begins = source
        .comments
        .first()
        .is_some_and(|comment| comment.before == 0 && comment.text.starts_with("//!"));
    (!begins).then(|| {
        let remedy = "begin the file with `//!` and what it is for";
        Violation::new(source.path, 1, "no module documentation", remedy)
    })
}

/// Checks that each stage has the files that every stage has.
pub(crate) fn stage_files(tree: &Tree) -> Vec<Violation> {
    let inside = tree
        .files()
        .filter_map(|(path, _)| path.strip_prefix("crates/stages/"));
    let stages: BTreeSet<&str> = inside
        .filter_map(|path| Some(path.split_once('/')?.0))
        .collect();
    let required = stages
        .iter()
        .flat_map(|stage| STAGE_FILES.map(|names| (stage, names)));
    required
        .filter_map(|(stage, names)| missing(tree, &format!("crates/stages/{stage}"), names))
        .collect()
}

fn missing(tree: &Tree, stage: &str, names: &[&str]) -> Option<Violation> {
    let is_there = names
        .iter()
        .any(|name| tree.has(&format!("{stage}/src/{name}")));
    (!is_there).then(|| {
        let what = format!("the stage has no {}", names.join(" or "));
        let remedy = "stages share one layout: lib, stage, state, error";
        Violation::new(format!("{stage}/src/lib.rs"), 1, what, remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_begin_with_its_documentation_is_found() {
        let doc = |text| module_doc(&Source::new("crates/x/src/lib.rs", text));
        assert_eq!(doc("//! A.\nuse a;"), None);
        for text in ["", "use a;", "// A.\nuse a;", "use a;\n//! A."] {
            assert!(doc(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_stage_that_lacks_a_file_is_found() {
        let tree = Tree::of(&[
            ("crates/stages/tcp/src/lib.rs", ""),
            ("crates/stages/tcp/src/stage.rs", ""),
            ("crates/stages/tcp/src/state/mod.rs", ""),
            ("crates/stages/tcp/src/error.rs", ""),
            ("crates/stages/nic/src/lib.rs", ""),
            ("crates/stages/nic/src/error.rs", ""),
        ]);
        let found: Vec<_> = stage_files(&tree).into_iter().map(|v| v.what).collect();
        assert_eq!(
            found,
            [
                "the stage has no stage.rs",
                "the stage has no state.rs or state/mod.rs"
            ]
        );
    }
}
