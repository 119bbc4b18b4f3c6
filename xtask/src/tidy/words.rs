//! What must not stand in the code: leftovers, panics without a reason, traces of one machine.

use super::Violation;
use super::lexer::Kind;
use super::source::Source;
use super::tree::Tree;

const LEFTOVERS: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// An `expect` gives its reason in at least so many words.
const REASON_WORDS_MIN: usize = 3;
/// The one source of packages that a build may name.
const PUBLIC_INDEX: &str = concat!(
    "registry+https://github.com/rust-lang/",
    "crates",
    ".io-index"
);

/// Hosts of package registries. In pieces, so that this file does not name them.
const HOSTS: [(&str, &str); 6] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("proxy.golang", ".org"),
    ("deb.debian", ".org"),
];

/// The beginnings of absolute paths that exist on one machine only, in pieces too.
const MACHINE_PATHS: [(&str, &str); 5] = [
    ("/wo", "rk"),
    ("/ro", "ot"),
    ("/ho", "me"),
    ("/Us", "ers"),
    ("/tmp/", "target"),
];

/// Checks one file for calls that do not belong there.
pub(crate) fn calls(source: &Source<'_>) -> Vec<Violation> {
    (0..source.tokens.len())
        .filter_map(|index| {
            let (what, remedy) = call(source, index)?;
            let line = source.tokens[index].line;
            Some(Violation::new(source.path, line, what, remedy))
        })
        .collect()
}

/// What is wrong with the call at a token.
fn call(source: &Source<'_>, token: usize) -> Option<(String, &'static str)> {
    let word = source.text(token);
    if LEFTOVERS.contains(&word) && source.text(token + 1) == "!" {
        return Some((format!("{word}! is left over"), "write what it stands for"));
    }
    if source.is_test(token) {
        return None;
    }
    if source.reads(token, &[".", "unwrap", "(", ")"]) {
        let remedy = "return the error, or `expect` with the invariant that rules it out";
        return Some(("unwrap() outside of tests".into(), remedy));
    }
    if is_expect(source, token) && !gives_reason(source, token + 3) {
        let what = "expect() without a reason".into();
        return Some((
            what,
            "give the invariant that rules it out, as a literal of some words",
        ));
    }
    None
}

/// The `expect`s of a file outside of tests.
pub(crate) fn expects(source: &Source<'_>) -> usize {
    let tokens = 0..source.tokens.len();
    tokens
        .filter(|&token| is_expect(source, token) && !source.is_test(token))
        .count()
}

fn is_expect(source: &Source<'_>, token: usize) -> bool {
    source.reads(token, &[".", "expect", "("])
}

fn gives_reason(source: &Source<'_>, argument: usize) -> bool {
    let token = source
        .tokens
        .get(argument)
        .filter(|token| token.kind == Kind::Text);
    token.is_some_and(|token| token.text.split_whitespace().count() >= REASON_WORDS_MIN)
}

/// Whether a file is a lock file: the workspace's, or that of a workspace inside it.
fn is_lock(path: &str) -> bool {
    path.rsplit('/').next() == Some("Cargo.lock")
}

/// Names of registries and of this or that machine's folders, in any file but the lock files.
pub(crate) fn traces(tree: &Tree) -> Vec<Violation> {
    let files = tree.files().filter(|(path, _)| !is_lock(path));
    let lines =
        files.flat_map(|(path, text)| text.lines().enumerate().map(move |line| (path, line)));
    lines
        .filter_map(|(path, (index, line))| {
            let trace = trace(line)?;
            let remedy = "say it without a name that means nothing elsewhere";
            Some(Violation::new(
                path,
                index + 1,
                format!("names {trace}"),
                remedy,
            ))
        })
        .collect()
}

fn trace(line: &str) -> Option<String> {
    let hosts = HOSTS
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .find(|host| line.contains(host));
    let mut paths = MACHINE_PATHS.iter().map(|(a, b)| format!("{a}{b}"));
    hosts.or_else(|| paths.find(|path| names_path(line, path)))
}

/// Whether a line names an absolute path inside of `folder`. A longer word, a part of another
/// path or of an address, and a bare `/name` (the path of a page) are not it.
fn names_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + folder.len()..];
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && !"./_-}".contains(c));
        let continues = after.starts_with('/') || folder.matches('/').count() > 1;
        begins && continues
    })
}

/// Packages that a lock file takes from elsewhere than the public index.
pub(crate) fn foreign_sources(tree: &Tree) -> Vec<Violation> {
    let locks = tree.files().filter(|(path, _)| is_lock(path));
    let lines =
        locks.flat_map(|(path, text)| text.lines().enumerate().map(move |line| (path, line)));
    let foreign = lines.filter(|(_, (_, line))| {
        line.strip_prefix("source = ")
            .is_some_and(|source| source.trim_matches('"') != PUBLIC_INDEX)
    });
    foreign
        .map(|(path, (index, line))| {
            let what = format!("a package from elsewhere: {line}");
            Violation::new(path, index + 1, what, "use the public index only")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        calls(&Source::new("crates/x/src/lib.rs", text))
            .into_iter()
            .map(|v| v.what)
            .collect()
    }

    #[test]
    fn leftovers_are_found_even_in_tests() {
        let text = "fn a() { todo!() } #[test] fn b() { dbg!(c); unimplemented!() } fn todo() {}";
        assert_eq!(
            found(text),
            [
                "todo! is left over",
                "dbg! is left over",
                "unimplemented! is left over"
            ]
        );
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "fn a() { assert!(b.unwrap()); c.unwrap_or(d) } #[test] fn e() { f.unwrap() }";
        assert_eq!(found(text), ["unwrap() outside of tests"]);
        assert_eq!(calls(&Source::new("crates/x/tests/a.rs", text)), []);
    }

    #[test]
    fn expect_gives_a_reason() {
        let text = "fn a() { b.expect(\"the ring has room\"); c.expect(\"no\"); d.expect(e); f.expect_err(\"g\") }";
        assert_eq!(found(text), ["expect() without a reason"; 2]);
        assert_eq!(expects(&Source::new("crates/x/src/lib.rs", text)), 3);
    }

    #[test]
    fn traces_of_a_machine_are_found() {
        let path = |pieces: (&str, &str), rest: &str| format!("{}{}{rest}", pieces.0, pieces.1);
        for pieces in MACHINE_PATHS {
            assert!(
                trace(&format!("cp \"{}\"", path(pieces, "/a"))).is_some(),
                "{pieces:?}"
            );
        }
        for pieces in HOSTS {
            assert!(
                trace(&format!("at https://{}", path(pieces, "/a"))).is_some(),
                "{pieces:?}"
            );
        }
        let home = path(MACHINE_PATHS[2], "");
        for line in [
            format!("GET {home} HTTP/1.1"),
            format!("http://a{home}/b"),
            format!("{home}ly/"),
        ] {
            assert_eq!(trace(&line), None, "{line}");
        }
    }

    #[test]
    fn traces_are_looked_for_in_every_file() {
        let text = format!("a\n#{}{}/b\n", MACHINE_PATHS[0].0, MACHINE_PATHS[0].1);
        let locks = [("Cargo.lock", &*text), ("benches/a/Cargo.lock", &*text)];
        let violations = traces(&Tree::of(&[(".ci/run", &text), locks[0], locks[1]]));
        assert_eq!(violations.len(), 1);
        assert_eq!((&*violations[0].path, violations[0].line), (".ci/run", 2));
    }

    #[test]
    fn packages_come_from_the_public_index() {
        let lock =
            format!("source = \"{PUBLIC_INDEX}\"\nsource = \"registry+https://mirror.example/\"\n");
        for path in ["Cargo.lock", "benches/a/Cargo.lock"] {
            let violations = foreign_sources(&Tree::of(&[(path, &lock)]));
            assert_eq!(violations.len(), 1);
            assert_eq!((&*violations[0].path, violations[0].line), (path, 2));
        }
    }
}
