//! What came of a load, as a table or as JSON.

use std::fmt::{self, Display};

use serde_json::{Value, json};

use super::crowd::Habits;
use super::interaction::Interaction;
use super::tally::{Row, Tally};

/// The mean think time, in seconds: with it and no service time, there is one interaction each.
const THINK_MEAN_S: f64 = 7.0;

/// A load and what came of it.
pub struct Report<'r> {
    /// What was done.
    pub habits: &'r Habits,
    /// What came of it.
    pub tally: &'r Tally,
}

/// Whether a run counts by TPC-W's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Interactions whose 90th percentile is beyond its limit.
    pub late: Vec<&'static str>,
    /// Whether EBs/14 < WIPS < EBs/7; none when think times are not those of the specification.
    pub in_range: Option<bool>,
    /// Whether there were no wrong pages.
    pub all_right: bool,
    /// Whether every interaction was sent that was due.
    pub all_sent: bool,
    /// Whether the server refused none.
    pub none_refused: bool,
}

impl Verdict {
    /// Whether everything that can be judged is as it has to be.
    pub fn counts(&self) -> bool {
        let is_whole = self.all_right && self.all_sent && self.none_refused;
        self.late.is_empty() && is_whole && self.in_range != Some(false)
    }
}

impl Report<'_> {
    /// What the specification says.
    pub fn verdict(&self) -> Verdict {
        let limit_ns = |i: Interaction| u64::from(i.limit_s()) * 1_000_000_000;
        let rows = self.tally.rows();
        let late = rows.filter(|(i, row)| row.right.quantile_ns(0.9) > limit_ns(*i));
        let browsers = self.habits.browsers as f64;
        let is_specified = self.habits.rate.is_none() && self.habits.think == 1.0;
        let wips = self.tally.per_second();
        // A fast server gives EBs/7 itself, of which a run of finite length is a sample: three
        // standard deviations of its count are allowed.
        let count = self.tally.right_total() as f64;
        let spread = 3.0 * count.sqrt() / self.tally.elapsed.as_secs_f64().max(1e-9);
        let range = browsers / (2.0 * THINK_MEAN_S)..browsers / THINK_MEAN_S + spread;
        Verdict {
            late: late.map(|(interaction, _)| interaction.name()).collect(),
            in_range: is_specified.then(|| range.contains(&wips)),
            all_right: self.tally.errors_total() == 0,
            all_sent: self.tally.unsent == 0,
            none_refused: self.tally.refused == 0,
        }
    }

    fn measured_share(&self, row: &Row) -> f64 {
        row.right.total() as f64 * 100.0 / self.tally.right_total().max(1) as f64
    }

    /// All figures.
    pub fn json(&self) -> Value {
        let (habits, tally, verdict) = (self.habits, self.tally, self.verdict());
        let rows: Vec<Value> = tally.rows().map(|(i, row)| self.row_json(i, row)).collect();
        let reasons = tally.reasons.iter();
        json!({
            "metric": habits.mix.metric(),
            "interactions_per_s": tally.per_second(),
            "browsers": habits.browsers,
            "think_factor": habits.think,
            "rate_per_s": habits.rate,
            "seed": habits.seed,
            "duration_s": tally.elapsed.as_secs_f64(),
            "right": tally.right_total(),
            "errors": tally.errors_total(),
            "refused": tally.refused,
            "unsent": tally.unsent,
            "requests": tally.requests,
            "right_requests": tally.right_requests,
            "body_bytes": tally.bytes,
            "interactions": rows,
            "reasons": reasons.map(|(text, count)| json!({"reason": text, "count": count})).collect::<Vec<_>>(),
            "verdict": {
                "counts": verdict.counts(),
                "late": verdict.late,
                "in_range": verdict.in_range,
                "all_right": verdict.all_right,
                "all_sent": verdict.all_sent,
                "none_refused": verdict.none_refused,
            },
        })
    }

    fn row_json(&self, interaction: Interaction, row: &Row) -> Value {
        json!({
            "name": interaction.name(),
            "count": row.right.total(),
            "errors": row.errors,
            "mix_percent": self.measured_share(row),
            "mix_percent_specified": f64::from(self.habits.mix.share(interaction)) / 100.0,
            "latency_ns_p50": row.right.quantile_ns(0.5),
            "latency_ns_p90": row.right.quantile_ns(0.9),
            "latency_ns_p99": row.right.quantile_ns(0.99),
            "latency_ns_p90_limit": u64::from(interaction.limit_s()) * 1_000_000_000,
        })
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (habits, tally) = (self.habits, self.tally);
        writeln!(
            f,
            "interaction             count   mix %  wanted       p50       p90       p99   limit  errors"
        )?;
        for (interaction, row) in tally.rows() {
            let ms = |share| format!("{:.2} ms", row.right.quantile_ns(share) as f64 / 1e6);
            writeln!(
                f,
                "{:<21} {:>7} {:>7.2} {:>7.2} {:>9} {:>9} {:>9} {:>5} s {:>7}",
                interaction.name(),
                row.right.total(),
                self.measured_share(row),
                f64::from(habits.mix.share(interaction)) / 100.0,
                ms(0.5),
                ms(0.9),
                ms(0.99),
                interaction.limit_s(),
                row.errors,
            )?;
        }
        writeln!(
            f,
            "\n{:<6} {:.1} right interactions per second in {:.1} s ({:.0} requests/s, {:.1} MB/s)",
            habits.mix.metric(),
            tally.per_second(),
            tally.elapsed.as_secs_f64(),
            tally.requests as f64 / tally.elapsed.as_secs_f64().max(1e-9),
            tally.bytes as f64 / 1e6 / tally.elapsed.as_secs_f64().max(1e-9),
        )?;
        self.write_errors(f)?;
        self.write_verdict(f)
    }
}

impl Report<'_> {
    fn write_errors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.tally;
        if tally.refused > 0 {
            writeln!(
                f,
                "refused {} interactions with 503 and Retry-After",
                tally.refused
            )?;
        }
        if tally.unsent > 0 {
            writeln!(
                f,
                "unsent {} interactions were due and never sent",
                tally.unsent
            )?;
        }
        if tally.errors_total() > 0 {
            writeln!(f, "errors {}", tally.errors_total())?;
        }
        let mut reasons: Vec<_> = tally.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut reasons = reasons.into_iter();
        reasons.try_for_each(|(reason, count)| writeln!(f, "       {count:>8}  {reason}"))
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict();
        let says = |right: bool| if right { "yes" } else { "NO" };
        writeln!(f, "all pages right        {}", says(verdict.all_right))?;
        match verdict.late.as_slice() {
            [] => writeln!(f, "p90 within all limits  yes")?,
            late => writeln!(f, "p90 within all limits  NO: {}", late.join(", "))?,
        }
        match verdict.in_range {
            Some(right) => writeln!(
                f,
                "EBs/14 < WIPS < EBs/7  {} (the sampling error of this run is allowed)",
                says(right)
            ),
            None => writeln!(
                f,
                "EBs/14 < WIPS < EBs/7  not judged: only with --think 1 and without --rate"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::emulated::Mix;
    use crate::emulated::visit::Shop;

    fn habits() -> Habits {
        Habits {
            browsers: 2,
            mix: Mix::Shopping,
            think: 0.0,
            rate: Some(10.0),
            seed: 1,
            patience: Duration::from_secs(1),
            host: "shop.example".into(),
            shop: Shop {
                items: 10,
                customers: 10,
                browsers: 2,
                pictures: false,
            },
        }
    }

    /// One interaction of two requests in a second, and so many that were refused.
    fn tally(refused: u64) -> Tally {
        let mut tally = Tally {
            refused,
            requests: 2 + refused,
            right_requests: 2,
            elapsed: Duration::from_secs(1),
            ..Tally::default()
        };
        tally.right(Interaction::ShoppingCart, Duration::from_millis(1));
        tally
    }

    #[test]
    fn refusals_have_a_line_and_fields_of_their_own() {
        let (habits, tally) = (habits(), tally(3));
        let report = Report {
            habits: &habits,
            tally: &tally,
        };
        let text = report.to_string();
        let line = "\nrefused 3 interactions with 503 and Retry-After\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("all pages right        yes"), "{text}");
        let json = report.json();
        assert_eq!((&json["refused"], &json["errors"]), (&json!(3), &json!(0)));
        assert_eq!(
            (&json["requests"], &json["right_requests"]),
            (&json!(5), &json!(2))
        );
        assert_eq!(json["verdict"]["none_refused"], false);
        assert_eq!(json["verdict"]["counts"], false);
    }

    #[test]
    fn without_refusals_there_is_no_line_of_them() {
        let (habits, tally) = (habits(), tally(0));
        let report = Report {
            habits: &habits,
            tally: &tally,
        };
        assert!(!report.to_string().contains("refused"));
        assert_eq!(report.json()["refused"], 0);
        assert!(report.verdict().counts());
    }
}
