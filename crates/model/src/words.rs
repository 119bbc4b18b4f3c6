//! Figures as words: three significant digits and a unit.

/// A time; a dash when there is none.
pub fn time(time_ns: Option<f64>) -> String {
    match time_ns {
        None => "-".into(),
        Some(ns) if ns < 999.5 => format!("{ns:.0} ns"),
        Some(ns) if ns < 999.5e3 => format!("{} us", three(ns / 1e3)),
        Some(ns) if ns < 999.5e6 => format!("{} ms", three(ns / 1e6)),
        Some(ns) => format!("{} s", three(ns / 1e9)),
    }
}

/// A rate.
pub fn rate(per_s: f64) -> String {
    match per_s {
        r if r < 0.0005 => "0/s".into(),
        r if r < 999.5 => format!("{}/s", three(r)),
        r if r < 999.5e3 => format!("{} k/s", three(r / 1e3)),
        r => format!("{} M/s", three(r / 1e6)),
    }
}

/// Three significant digits of a number from 0 up.
pub fn three(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

/// A share in percent.
pub fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// A foreign text without what would upset a terminal, or turn its lines around.
pub fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let upsets = |c: char| c.is_control() || turns(c);
    text.chars()
        .map(|c| if upsets(c) { '?' } else { c })
        .collect()
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
