//! Figures, bars and paragraphs as text.

use std::fmt::Write as _;

pub(crate) use brigade_model::words::{percent, plain, rate, three, time};

/// A span of seconds, minutes or hours.
pub(crate) fn span(time_ns: u64) -> String {
    let s = time_ns / 1_000_000_000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

/// `text` in exactly `width` columns, cut with a dot where it is too long.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// Columns for each share, `width` together: every share gets its whole columns, and those with the
/// largest remainders the rest.
pub(crate) fn columns<const N: usize>(shares: [f64; N], width: usize) -> [usize; N] {
    let exact = shares.map(|share| share.clamp(0.0, 1.0) * width as f64);
    let mut columns = exact.map(|columns| columns as usize);
    let mut order: [usize; N] = std::array::from_fn(|i| i);
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let missing = width.saturating_sub(columns.iter().sum());
    for i in order
        .into_iter()
        .cycle()
        .take(if N == 0 { 0 } else { missing })
    {
        columns[i] += 1;
    }
    columns
}

/// A bar of `width` columns, filled to `ratio` in eighths of a column.
pub(crate) fn gauge(ratio: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let filled = (ratio.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    let mut bar = "█".repeat(filled / 8);
    if filled < width * 8 {
        bar.push(EIGHTHS[filled % 8]);
    }
    fit(&bar, width)
}

/// `text` in lines of at most `width` columns, broken at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        let _ = write!(wrapped, "{word}");
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_three_digits_and_a_unit() {
        let times = [
            0.0,
            812.4,
            999.6,
            12_345.0,
            999_600.0,
            4_560_000.0,
            1.5e9,
            120e9,
        ];
        let texts = times.map(|ns| time(Some(ns)));
        let wanted = [
            "0 ns", "812 ns", "1.00 us", "12.3 us", "1.00 ms", "4.56 ms", "1.50 s", "120 s",
        ];
        assert_eq!(texts, wanted);
        assert_eq!(time(None), "-");
        let rates = [0.0, 0.5, 12.34, 999.6, 1234.0, 4.56e6].map(rate);
        assert_eq!(
            rates,
            [
                "0/s", "0.50/s", "12.3/s", "1.00 k/s", "1.23 k/s", "4.56 M/s"
            ]
        );
        assert_eq!(
            [5, 75, 3_725].map(|s| span(s * 1_000_000_000)),
            ["5 s", "1 min 15 s", "1 h 02 min"]
        );
    }

    #[test]
    fn columns_fill_the_width() {
        assert_eq!(columns([0.5, 0.5], 10), [5, 5]);
        assert_eq!(columns([1.0 / 3.0; 3], 10).iter().sum::<usize>(), 10);
        assert_eq!(columns([0.96, 0.01, 0.03], 10), [10, 0, 0]);
        assert_eq!(columns([0.0, f64::NAN], 3).iter().sum::<usize>(), 3);
    }

    #[test]
    fn gauges_count_eighths() {
        assert_eq!(gauge(0.0, 3), "   ");
        assert_eq!(gauge(0.5, 3), "█▌ ");
        assert_eq!(gauge(7.0, 3), "███");
        assert_eq!(gauge(f64::NAN, 3), "   ");
    }

    #[test]
    fn texts_are_cut_wrapped_and_made_harmless() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(wrap("one two three", 8), "one two\nthree");
        assert_eq!(plain("a\u{1b}[2J"), "a?[2J");
    }
}
