//! Charts as SVG: panels of horizontal bars with quartile whiskers.
//!
//! A chart stands on a card of its own, light or dark as the reader's system is, so it is legible
//! whatever the page around it looks like.

use std::fmt::{Arguments, Write};

use crate::stats::Quartiles;

/// A chart.
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// Panels next to each other.
    pub columns: usize,
    /// How wide each is.
    pub panel_width: f64,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

/// A panel: one figure of several candidates.
pub struct Panel {
    /// Its heading.
    pub title: String,
    /// Whether the axis is logarithmic.
    pub log: bool,
    /// One bar for each candidate, from top to bottom.
    pub bars: Vec<Bar>,
    /// A line across all bars: a bound, and what it is called.
    pub mark: Option<(f64, String)>,
}

/// A bar.
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Median and whiskers.
    pub value: Quartiles,
    /// Whether it is Brigade's.
    pub own: bool,
}

const MARGIN: f64 = 20.0;
const HEAD: f64 = 58.0;
const PANEL_HEAD: f64 = 26.0;
const PANEL_FOOT: f64 = 22.0;
const BAR_STEP: f64 = 19.0;
const BAR_HEIGHT: f64 = 12.0;
const NAMES: f64 = 128.0;
const FIGURES: f64 = 56.0;

const STYLE: &str = "\
  .card { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; font: 12px system-ui, sans-serif; }
  .title { font-size: 16px; font-weight: 600; } .head { font-weight: 600; } .dim { fill: #59636e; }
  .bar { fill: #a3b3c4; } .own { fill: #d9541e; } .mine { font-weight: 600; }
  .whisker { stroke: #1f2328; stroke-width: 1.2; } .mark { stroke: #1a7f37; stroke-width: 1.5; \
stroke-dasharray: 4 3; } .note { fill: #1a7f37; font-size: 11px; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #161b22; stroke: #3d444d; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
    .bar { fill: #55677a; } .own { fill: #f0743e; } .whisker { stroke: #e6edf3; }
    .mark { stroke: #3fb950; } .note { fill: #3fb950; }
  }
";

impl Chart {
    /// The file's text.
    pub fn svg(&self) -> String {
        let columns = self.columns.max(1);
        let rows = self.panels.chunks(columns);
        let heights: Vec<f64> = rows.clone().map(row_height).collect();
        let width = 2.0 * MARGIN + columns as f64 * self.panel_width;
        let height = HEAD + heights.iter().sum::<f64>() + MARGIN;
        let mut text = String::new();
        put(
            &mut text,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
                 viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n\
                 <style>\n{STYLE}</style>\n\
                 <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
                escape(&self.title),
                width - 1.0,
                height - 1.0
            ),
        );
        label(&mut text, "title", "start", [MARGIN, 28.0], &self.title);
        label(&mut text, "dim", "start", [MARGIN, 46.0], &self.subtitle);
        let mut y = HEAD;
        for (row, height) in rows.zip(heights) {
            for (column, panel) in row.iter().enumerate() {
                let x = MARGIN + column as f64 * self.panel_width;
                panel.draw(&mut text, self.panel_width, [x, y]);
            }
            y += height;
        }
        text.push_str("</svg>\n");
        text
    }
}

fn row_height(panels: &[Panel]) -> f64 {
    let bars = panels.iter().map(|panel| panel.bars.len()).max();
    PANEL_HEAD + bars.unwrap_or(0) as f64 * BAR_STEP + PANEL_FOOT
}

impl Panel {
    fn draw(&self, text: &mut String, width: f64, [x, y]: [f64; 2]) {
        label(text, "head", "start", [x, y + 14.0], &self.title);
        let scale = Scale::of(self, width - NAMES - FIGURES - MARGIN);
        let left = x + NAMES;
        for (place, bar) in self.bars.iter().enumerate() {
            let top = y + PANEL_HEAD + place as f64 * BAR_STEP;
            bar.draw(text, &scale, [left, top]);
        }
        if let Some((value, name)) = &self.mark {
            let at = left + scale.place(*value);
            let (top, bottom) = (
                y + PANEL_HEAD - 3.0,
                y + PANEL_HEAD + self.bars.len() as f64 * BAR_STEP,
            );
            put(
                text,
                format_args!(
                    "<line class=\"mark\" x1=\"{at:.1}\" y1=\"{top:.1}\" x2=\"{at:.1}\" \
                     y2=\"{bottom:.1}\"/>"
                ),
            );
            label(text, "note", "middle", [at, bottom + 11.0], name);
        }
    }
}

impl Bar {
    fn draw(&self, text: &mut String, scale: &Scale, [left, top]: [f64; 2]) {
        let Quartiles { q1, median, q3 } = self.value;
        let (bar, name) = if self.own {
            ("own", "mine")
        } else {
            ("bar", "other")
        };
        let (width, baseline) = (scale.place(median), top + 10.5);
        label(text, name, "end", [left - 6.0, baseline], &self.name);
        put(
            text,
            format_args!(
                "<rect class=\"{bar}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{BAR_HEIGHT}\" rx=\"1.5\"/>"
            ),
        );
        let (from, to) = (left + scale.place(q1), left + scale.place(q3));
        let middle = top + BAR_HEIGHT / 2.0;
        put(
            text,
            format_args!(
                "<path class=\"whisker\" fill=\"none\" d=\"M{from:.1} {middle:.1}H{to:.1}\
                 M{from:.1} {:.1}v6M{to:.1} {:.1}v6\"/>",
                middle - 3.0,
                middle - 3.0
            ),
        );
        let at = to.max(left + width) + 6.0;
        label(text, name, "start", [at, baseline], &figure(median));
    }
}

/// From values to places on the axis.
struct Scale {
    least: f64,
    greatest: f64,
    width: f64,
    log: bool,
}

impl Scale {
    fn of(panel: &Panel, width: f64) -> Self {
        let values = panel.bars.iter().map(|bar| bar.value);
        let marks = panel.mark.iter().map(|(value, _)| *value);
        let greatest = values.clone().map(|value| value.q3).chain(marks);
        let least = values.map(|value| value.q1).fold(f64::INFINITY, f64::min);
        Self {
            // Half of the least value, so that its bar can be seen.
            least: least / 2.0,
            greatest: greatest.fold(f64::MIN_POSITIVE, f64::max),
            width,
            log: panel.log,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.log {
            (value / self.least).ln() / (self.greatest / self.least).ln()
        } else {
            value / self.greatest
        };
        self.width * part.clamp(0.0, 1.0)
    }
}

/// Three digits, as far as they matter.
fn figure(value: f64) -> String {
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    if value < 10_000.0 {
        format!("{value:.digits$}")
    } else {
        format!("{:.0}k", value / 1000.0)
    }
}

fn label(text: &mut String, class: &str, anchor: &str, [x, y]: [f64; 2], content: &str) {
    let content = escape(content);
    put(
        text,
        format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">\
             {content}</text>"
        ),
    );
}

/// Writing to a `String` never fails.
fn put(text: &mut String, line: Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

/// A text as it stands in XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(log: bool) -> Panel {
        let bar = |name: &str, median: f64| Bar {
            name: name.into(),
            value: Quartiles {
                q1: median * 0.9,
                median,
                q3: median * 1.1,
            },
            own: false,
        };
        Panel {
            title: "a < b".into(),
            log,
            bars: vec![bar("x & y", 1.0), bar("\"z\"", 100.0)],
            mark: Some((50.0, "bound".into())),
        }
    }

    #[test]
    fn what_xml_reserves_is_escaped() {
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
        let chart = Chart {
            title: "R&D".into(),
            subtitle: String::new(),
            columns: 2,
            panel_width: 300.0,
            panels: vec![panel(false), panel(true)],
        };
        let svg = chart.svg();
        assert!(svg.contains("R&amp;D") && svg.contains("x &amp; y") && svg.contains("a &lt; b"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn bars_keep_proportion_and_stay_inside() {
        let linear = Scale::of(&panel(false), 200.0);
        assert!((linear.place(55.0) - 100.0).abs() < 1e-9);
        assert_eq!(linear.place(1e9), 200.0);
        let log = Scale::of(&panel(true), 200.0);
        let decade = log.place(10.0) - log.place(1.0);
        assert!((log.place(100.0) - log.place(10.0) - decade).abs() < 1e-9);
        assert!(log.place(0.9) > 0.0);
    }

    #[test]
    fn figures_have_three_digits() {
        let figures = [0.25, 2.345, 23.45, 234.5, 23456.0].map(figure);
        assert_eq!(
            figures,
            ["0.25", "2.35", "23.4", "234", "23k"].map(String::from)
        );
    }
}
