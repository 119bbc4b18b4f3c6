//! Edges and windows: what passes between the parts.

use std::collections::BTreeSet;

use super::{Checked, Checker, littles_law_holds};
use crate::profile::{Edge, Profile, Ring, Window};

impl Checker<'_> {
    pub(super) fn edges(&self, profile: &Profile) -> Checked {
        let mut ends = BTreeSet::new();
        for (i, edge) in profile.edges.iter().enumerate() {
            let field = format!("edges[{i}]");
            for (key, end) in [("from", &edge.from), ("to", &edge.to)] {
                let field = format!("{field}.{key}");
                self.holds(profile.stage_of(end).is_some(), &field, || {
                    let end = end.escape_debug();
                    format!("`{end}` names no stage; give `stage.port` with one of stages")
                })?;
                self.holds(ends.insert((key, end)), &field, || {
                    format!("`{end}` has two edges; give its rings in one edge")
                })?;
            }
            self.edge(profile, edge, &field)?;
        }
        self.intake(profile)
    }

    fn edge(&self, profile: &Profile, edge: &Edge, field: &str) -> Checked {
        self.amounts(field, &[("latency_ns", edge.latency_ns)])?;
        self.holds(
            edge.capacity_messages > 0,
            &format!("{field}.capacity_messages"),
            || "is 0; a ring takes at least 1".into(),
        )?;
        self.holds(!edge.rings.is_empty(), &format!("{field}.rings"), || {
            "is empty; give at least one ring".into()
        })?;
        let mut seen = BTreeSet::new();
        for (i, ring) in edge.rings.iter().enumerate() {
            let field = format!("{field}.rings[{i}]");
            self.ring_ends(profile, edge, ring, &field)?;
            let new = seen.insert((ring.from_replica, ring.to_replica));
            self.holds(new, &field, || {
                "joins the same replicas as a ring before it; give each pair once".into()
            })?;
            self.ring(profile, edge, ring, &field)?;
        }
        Ok(())
    }

    fn ring_ends(&self, profile: &Profile, edge: &Edge, ring: &Ring, field: &str) -> Checked {
        let ends = [
            ("from_replica", &edge.from, ring.from_replica),
            ("to_replica", &edge.to, ring.to_replica),
        ];
        for (key, end, replica) in ends {
            let stage = profile
                .stage_of(end)
                .and_then(|stage| profile.stages.get(stage));
            let replicas = stage.map_or(0, |stage| stage.replicas.len());
            self.holds(replica < replicas, &format!("{field}.{key}"), || {
                format!("is {replica}; `{end}` has {replicas} replicas, counted from 0")
            })?;
        }
        Ok(())
    }

    fn ring(&self, profile: &Profile, edge: &Edge, ring: &Ring, field: &str) -> Checked {
        let mean = ring.occupancy_mean_messages;
        self.amounts(
            field,
            &[
                ("messages_per_s", Some(ring.messages_per_s)),
                ("occupancy_mean_messages", Some(mean)),
                ("wait_mean_ns", ring.wait_mean_ns),
                ("full_events_per_s", ring.full_events_per_s),
            ],
        )?;
        let capacity = edge.capacity_messages as f64;
        let fits = mean <= capacity * 1.05 + 1.0;
        self.holds(fits, &format!("{field}.occupancy_mean_messages"), || {
            format!("is {mean}, more than capacity_messages {capacity}")
        })?;
        let (min, max) = (
            ring.occupancy_min_sampled_messages,
            ring.occupancy_max_sampled_messages,
        );
        if let (Some(min), Some(max)) = (min, max) {
            let field = format!("{field}.occupancy_min_sampled_messages");
            self.holds(min <= max, &field, || {
                format!("is {min}, more than occupancy_max_sampled_messages {max}")
            })?;
        }
        let Some(wait_ns) = ring.wait_mean_ns else {
            return Ok(());
        };
        let lawful = littles_law_holds(mean, ring.messages_per_s, wait_ns, profile.duration_ns);
        self.holds(lawful, &format!("{field}.wait_mean_ns"), || {
            let little = ring.messages_per_s * wait_ns / 1e9;
            format!("breaks Little's law: messages_per_s * wait_mean_ns is {little:.3} messages, occupancy_mean_messages is {mean:.3}; one of the three is wrong")
        })
    }

    /// A replica takes at least what its rings delivered (and what comes from outside besides).
    fn intake(&self, profile: &Profile) -> Checked {
        for (s, stage) in profile.stages.iter().enumerate() {
            for (r, replica) in stage.replicas.iter().enumerate() {
                let edges = profile.edges.iter();
                let inputs = edges.filter(|edge| profile.stage_of(&edge.to) == Some(s));
                let rings = inputs.flat_map(|edge| &edge.rings);
                let delivered: f64 = rings
                    .filter(|ring| ring.to_replica == r)
                    .map(|ring| ring.messages_per_s)
                    .sum();
                let taken = replica.messages_per_s;
                let ends = 4.0 * profile.cohort_messages.max(stage.batch_messages) as f64
                    / (profile.duration_ns as f64 / 1e9);
                let field = format!("stages[{s}].replicas[{r}].messages_per_s");
                self.holds(delivered <= taken * 1.05 + ends, &field, || {
                    format!("is {taken:.1}, but its rings delivered {delivered:.1}/s; one of them is wrong")
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn windows(&self, profile: &Profile) -> Checked {
        for (i, window) in profile.windows.iter().enumerate() {
            self.window(profile, window, &format!("windows[{i}]"))?;
        }
        Ok(())
    }

    fn window(&self, profile: &Profile, window: &Window, field: &str) -> Checked {
        let stage = profile.stage_named(&window.stage);
        self.holds(stage.is_some(), &format!("{field}.stage"), || {
            format!("`{}` is none of stages", window.stage.escape_debug())
        })?;
        let replicas = stage.map_or(0, |stage| profile.stages[stage].replicas.len());
        self.holds(
            window.replica < replicas,
            &format!("{field}.replica"),
            || {
                format!(
                    "is {}; `{}` has {replicas} replicas, counted from 0",
                    window.replica, window.stage
                )
            },
        )?;
        self.window_ends(profile, window, field)?;
        self.holds(window.tokens > 0, &format!("{field}.tokens"), || {
            "is 0; nothing could ever pass".into()
        })?;
        self.window_figures(profile, window, field)
    }

    fn window_ends(&self, profile: &Profile, window: &Window, field: &str) -> Checked {
        let there = profile.edges.iter().any(|edge| edge.from == window.out);
        self.holds(there, &format!("{field}.out"), || {
            let end = window.out.escape_debug();
            format!("`{end}` is the `from` of no edge")
        })?;
        let back = profile.edges.iter().any(|edge| edge.to == window.back);
        self.holds(back, &format!("{field}.back"), || {
            let end = window.back.escape_debug();
            format!("`{end}` is the `to` of no edge")
        })
    }

    fn window_figures(&self, profile: &Profile, window: &Window, field: &str) -> Checked {
        let (mean, tokens) = (window.in_flight_mean_tokens, window.tokens as f64);
        self.amounts(
            field,
            &[
                ("in_flight_mean_tokens", Some(mean)),
                ("completions_per_s", Some(window.completions_per_s)),
                ("misses_per_s", window.misses_per_s),
                ("latency_mean_ns", window.latency_mean_ns),
            ],
        )?;
        let fits = mean <= tokens * 1.01;
        self.holds(fits, &format!("{field}.in_flight_mean_tokens"), || {
            format!("is {mean}, more than tokens {tokens}")
        })?;
        let Some(latency_ns) = window.latency_mean_ns else {
            return Ok(());
        };
        let rate = window.completions_per_s;
        let lawful = littles_law_holds(mean, rate, latency_ns, profile.duration_ns);
        self.holds(lawful, &format!("{field}.latency_mean_ns"), || {
            let little = rate * latency_ns / 1e9;
            format!("breaks Little's law: completions_per_s * latency_mean_ns is {little:.3} tokens, in_flight_mean_tokens is {mean:.3}; one of the three is wrong")
        })
    }
}
