//! Shares of time as bars: each state has a character of its own, so that colours are not needed.

use super::text::{columns, percent};

/// How a share of time is drawn: its character tells it apart without colours.
#[derive(Clone, Copy)]
pub(crate) struct Ink {
    pub name: &'static str,
    pub character: &'static str,
    pub colour: &'static str,
}

const fn ink(name: &'static str, character: &'static str, colour: &'static str) -> Ink {
    Ink {
        name,
        character,
        colour,
    }
}

pub(crate) const BUSY: Ink = ink("busy", "█", "32");
pub(crate) const BLOCKED: Ink = ink("blocked", "▓", "31");
pub(crate) const READY: Ink = ink("ready", "▒", "33");
pub(crate) const AWAITING: Ink = ink("awaiting", "░", "34");
pub(crate) const STARVED: Ink = ink("starved", "·", "90");
pub(crate) const POLLING: Ink = ink("polling", "▒", "33");
pub(crate) const IDLE: Ink = ink("idle", "·", "90");

pub(crate) const BOLD: &str = "1";
pub(crate) const DIM: &str = "2";
pub(crate) const ALARM: &str = "1;31";

/// A text in a colour, if there are colours.
pub(crate) fn paint(text: &str, colour: &str, colours: bool) -> String {
    match colours {
        true => format!("\x1b[{colour}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// Shares as one bar of `width` columns.
pub(crate) fn bar<const N: usize>(shares: &[(Ink, f64); N], width: usize, colours: bool) -> String {
    let columns = columns(shares.map(|(_, share)| share), width);
    let parts = shares
        .iter()
        .zip(columns)
        .filter(|(_, columns)| *columns > 0);
    parts
        .map(|((ink, _), n)| paint(&ink.character.repeat(n), ink.colour, colours))
        .collect()
}

/// The same shares as figures.
pub(crate) fn legend<const N: usize>(shares: &[(Ink, f64); N], colours: bool) -> String {
    let part = |(ink, share): &(Ink, f64)| {
        let character = paint(ink.character, ink.colour, colours);
        format!("{character} {} {}", ink.name, percent(*share))
    };
    shares.iter().map(part).collect::<Vec<_>>().join("  ")
}
