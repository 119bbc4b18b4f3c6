//! Whatever is in the file, reading it gives a pipeline or one line, and never panics.

mod kinds;

use brigade_graph::{Pipeline, Placement};
use kinds::{OFFICE, registry};
use proptest::prelude::*;

/// Pieces that make a file wrong in interesting ways.
const PIECES: [&str; 16] = [
    "\"",
    "[[",
    "]]",
    "[",
    "{",
    "}",
    "=",
    ".",
    "\n",
    "0",
    "-9223372036854775808",
    "1e9",
    "true",
    "name",
    "edge",
    "\u{e9}",
];

/// Replaces `length` characters at `at` (both modulo what is there) by `piece`.
fn mutate(text: &str, at: usize, length: usize, piece: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = at % (characters.len() + 1);
    let end = (at + length).min(characters.len());
    let (head, tail) = (&characters[..at], &characters[end..]);
    head.iter()
        .copied()
        .chain(piece.chars())
        .chain(tail.iter().copied())
        .collect()
}

fn mutation() -> impl Strategy<Value = (usize, usize, &'static str)> {
    (
        0..OFFICE.len(),
        0..12_usize,
        prop::sample::select(&PIECES[..]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_pipelines(mutations in prop::collection::vec(mutation(), 1..5)) {
        let mut text = OFFICE.to_owned();
        for (at, length, piece) in mutations {
            text = mutate(&text, at, length, piece);
        }
        if let Err(error) = Pipeline::parse(&text, "office.toml", &registry()) {
            let message = error.to_string();
            prop_assert_eq!(message.lines().count(), 1, "{}", message);
            prop_assert!(message.starts_with("office.toml"));
            prop_assert!(error.line <= text.lines().count().max(1));
        }
    }

    #[test]
    fn swapped_words(a in 0..200_usize, b in 0..200_usize) {
        let mut words: Vec<&str> = OFFICE.split_inclusive([' ', '\n', '.', '"']).collect();
        let count = words.len();
        words.swap(a % count, b % count);
        let _ = Pipeline::parse(&words.concat(), "office.toml", &registry());
    }

    #[test]
    fn any_text(text in "\\PC*") {
        let _ = Pipeline::parse(&text, "x", &registry());
    }

    #[test]
    fn mutated_placements(at in 0..200_usize, length in 0..12_usize, piece in prop::sample::select(&PIECES[..])) {
        let office = Pipeline::parse(OFFICE, "office.toml", &registry()).unwrap();
        let text = Placement::spread(&office, &[0, 1]).to_toml(&office);
        if let Err(error) = Placement::parse(&mutate(&text, at, length, piece), "p", &office) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}
