//! A curve as a drawing that is legible on light and on dark ground.

use std::fmt::Write as _;

use super::CurvePoint;
use crate::words::rate;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// A grey and a blue that stand out from white and from black.
const GREY: &str = "#808080";
const BLUE: &str = "#2f81d7";

/// Predicted throughput, with its interval, over the number of cores (logarithmic).
pub fn curve_svg(points: &[CurvePoint], title: &str) -> String {
    let high = |point: &CurvePoint| point.prediction.requests_per_s.high;
    let most = points.iter().map(high).fold(1.0, f64::max) * 1.05;
    let plot = Plot { points, most };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    plot.axes(&mut svg);
    plot.band(&mut svg);
    plot.line(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

struct Plot<'a> {
    points: &'a [CurvePoint],
    most: f64,
}

impl Plot<'_> {
    fn x(&self, cores: usize) -> f64 {
        let share = (cores.max(1) as f64).log2() / 7.0;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, per_s: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - (per_s / self.most).clamp(0.0, 1.0))
    }

    fn axes(&self, svg: &mut String) {
        for power in 0..=7 {
            let (cores, foot) = (1 << power, HEIGHT - BOTTOM);
            let x = self.x(cores);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{foot}\" stroke=\"{GREY}\" stroke-opacity=\"0.25\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{cores}</text>",
                foot + 18.0
            );
        }
        for quarter in 0..=4 {
            let per_s = self.most * f64::from(quarter) / 4.0;
            let y = self.y(per_s);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{GREY}\" stroke-opacity=\"0.25\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                rate(per_s)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">cores</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 12.0
        );
    }

    /// From the lower to the upper end of each interval.
    fn band(&self, svg: &mut String) {
        let ends = |of: fn(&CurvePoint) -> f64| {
            let at = move |p: &CurvePoint| format!("{:.1},{:.1}", self.x(p.cores), self.y(of(p)));
            self.points.iter().map(at).collect::<Vec<_>>()
        };
        let mut around = ends(|p| p.prediction.requests_per_s.high);
        around.extend(ends(|p| p.prediction.requests_per_s.low).into_iter().rev());
        let _ = writeln!(
            svg,
            "<polygon points=\"{}\" fill=\"{BLUE}\" fill-opacity=\"0.18\"/>",
            around.join(" ")
        );
    }

    fn line(&self, svg: &mut String) {
        let at = |p: &CurvePoint| (self.x(p.cores), self.y(p.prediction.requests_per_s.mean));
        let line: Vec<String> = self
            .points
            .iter()
            .map(|p| format!("{:.1},{:.1}", at(p).0, at(p).1))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{BLUE}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for point in self.points {
            let (x, y) = at(point);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{BLUE}\"/>"
            );
        }
    }
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
