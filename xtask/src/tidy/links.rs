//! The relative links of the documents lead to files.

use super::Violation;
use super::tree::Tree;

const REQUIRED: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

/// Checks every Markdown file.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let required = REQUIRED.iter().filter(|path| tree.text(path).is_none());
    let missing = required.map(|path| Violation::new(*path, 1, "the file is missing", "write it"));
    let documents = tree.files().filter(|(path, _)| path.ends_with(".md"));
    let broken = documents.flat_map(|(path, text)| broken(tree, path, text));
    missing.chain(broken).collect()
}

fn broken(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, target) in links(text) {
        let resolved = resolve(path, target);
        if !resolved.is_some_and(|file| file.is_empty() || tree.has(&file)) {
            let what = format!("the link leads to {target}, which is not there");
            violations.push(Violation::new(path, line, what, "correct or remove it"));
        }
    }
    violations
}

/// The relative targets of `[text](target)` and `[label]: target` with their lines, without
/// fragments; not in code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let targets = inline_targets(line).into_iter().chain(label_target(line));
            let files =
                targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
            let paths = files.map(|target| target.split(['#', ' ']).next().unwrap_or_default());
            links.extend(
                paths
                    .filter(|path| !path.is_empty())
                    .map(|path| (index + 1, path)),
            );
        }
    }
    links
}

fn inline_targets(line: &str) -> Vec<&str> {
    // Every second piece between backticks is code.
    let prose = line.split('`').step_by(2);
    let after = prose.flat_map(|piece| piece.split("](").skip(1));
    after
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect()
}

fn label_target(line: &str) -> Option<&str> {
    let (_, target) = line.strip_prefix('[')?.split_once("]: ")?;
    Some(target.trim())
}

/// A target as a path from the workspace; `None` if it leads out of it.
fn resolve(document: &str, target: &str) -> Option<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/ring/src/lib.rs", ""), ("a/c.md", "")]);
        broken(&tree, path, text)
            .into_iter()
            .map(|v| format!("{}: {}", v.line, v.what))
            .collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text = "# A\nsee [b](crates/ring) and [c](crates/rung/) `[d](e)`.\n\n[f]: g.md";
        let expected = [
            "2: the link leads to crates/rung/, which is not there",
            "4: the link leads to g.md, which is not there",
        ];
        assert_eq!(found("README.md", text), expected);
        assert_eq!(found("README.md", "[out](../x)").len(), 1);
    }

    #[test]
    fn links_are_relative_to_their_document() {
        assert_eq!(
            found(
                "a/b.md",
                "[c](c.md#part) [r](../crates/ring/src/lib.rs) [top](..)"
            ),
            [""; 0]
        );
    }

    #[test]
    fn addresses_fragments_and_code_are_not_checked() {
        let text = "[a](https://x.y/z) [b](#part) [c](mailto:a@b)\n```\n[d](e)\n```";
        assert_eq!(found("README.md", text), [""; 0]);
    }

    #[test]
    fn the_documents_must_be_there() {
        let tree = Tree::of(&[("README.md", "")]);
        let missing: Vec<_> = check(&tree).into_iter().map(|v| v.path).collect();
        assert_eq!(missing, ["ARCHITECTURE.md", "CHANGELOG.md"]);
    }
}
