//! The ways of requests, from the rates of edges.
//!
//! An edge with a partner that leads straight back is a *call*: the request goes there, on from
//! there, and comes back. An edge without one *passes on*. Where a stage passes on over several
//! edges, each request takes one of them, and there are several routes.

use super::Edge;

/// Edges with fewer messages for one request are left out: credits, rare events.
const MESSAGES_MIN: f64 = 0.02;

/// A step of a way: over which edge, to which stage, how many messages for one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Leg {
    pub stage: usize,
    pub edge: Option<usize>,
    pub messages: f64,
}

/// One way and the share of requests that take it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    pub share_ratio: f64,
    pub legs: Vec<Leg>,
}

/// The ways from stage `source`, given the messages of each edge for one request.
pub(super) fn ways(edges: &[Edge], messages: &[f64], source: usize) -> Vec<Way> {
    let walk = Walk {
        edges,
        messages,
        source,
    };
    let begin = Way {
        share_ratio: 1.0,
        legs: vec![Leg {
            stage: source,
            edge: None,
            messages: 0.0,
        }],
    };
    let mut ways = walk.from(source, begin, &mut vec![false; edges.len()]);
    share_out(&mut ways, messages);
    ways
}

/// Each edge's messages go to the requests that pass it.
fn share_out(ways: &mut [Way], messages: &[f64]) {
    let mut passes = vec![0.0; messages.len()];
    for way in ways.iter() {
        for edge in way.legs.iter().filter_map(|leg| leg.edge) {
            passes[edge] += way.share_ratio;
        }
    }
    for leg in ways.iter_mut().flat_map(|way| &mut way.legs) {
        if let Some(edge) = leg.edge {
            leg.messages = messages[edge] / passes[edge];
        }
    }
}

struct Walk<'a> {
    edges: &'a [Edge],
    messages: &'a [f64],
    source: usize,
}

impl Walk<'_> {
    /// All continuations of `way`, which has just come to `stage`.
    fn from(&self, stage: usize, mut way: Way, used: &mut Vec<bool>) -> Vec<Way> {
        while let Some((there, back)) = self.next_call(stage, used) {
            (used[there], used[back]) = (true, true);
            let called = self.edges[there].to;
            self.step(&mut way, there);
            let mut inner = self.from(called, way, used);
            // What is called answers: its inner ways have come together again.
            way = inner.swap_remove(0);
            self.step(&mut way, back);
        }
        self.passed_on(stage, way, used)
    }

    fn passed_on(&self, stage: usize, way: Way, used: &mut [bool]) -> Vec<Way> {
        let on: Vec<usize> = (0..self.edges.len())
            .filter(|e| !used[*e] && self.edges[*e].from == stage && self.counts(*e))
            .collect();
        let all: f64 = on.iter().map(|e| self.messages[*e]).sum();
        let is_back = stage == self.source && way.legs.len() > 1;
        if on.is_empty() || is_back {
            return vec![way];
        }
        let mut ways = Vec::new();
        for edge in on {
            let mut used = used.to_vec();
            used[edge] = true;
            let mut longer = way.clone();
            longer.share_ratio *= self.messages[edge] / all;
            self.step(&mut longer, edge);
            ways.extend(self.from(self.edges[edge].to, longer, &mut used));
        }
        ways
    }

    /// The first unused pair of edges there and back from `stage` to a later one.
    fn next_call(&self, stage: usize, used: &[bool]) -> Option<(usize, usize)> {
        let fits = |e: usize, from, to| {
            let edge = &self.edges[e];
            !used[e] && edge.from == from && edge.to == to && self.counts(e)
        };
        (0..self.edges.len()).find_map(|there| {
            let to = self.edges[there].to;
            let back = (0..self.edges.len()).find(|back| fits(*back, to, stage))?;
            (to > stage && fits(there, stage, to)).then_some((there, back))
        })
    }

    fn counts(&self, edge: usize) -> bool {
        self.messages[edge] >= MESSAGES_MIN
    }

    fn step(&self, way: &mut Way, edge: usize) {
        way.legs.push(Leg {
            stage: self.edges[edge].to,
            edge: Some(edge),
            messages: 0.0,
        });
    }
}

/// Messages that stage `stage` takes for one request, over all ways.
pub(super) fn messages_at(ways: &[Way], stage: usize) -> f64 {
    let at = |way: &Way| {
        let legs = way.legs.iter().filter(|leg| leg.stage == stage);
        way.share_ratio * legs.map(|leg| leg.messages).sum::<f64>()
    };
    ways.iter().map(at).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(pairs: &[(usize, usize)]) -> Vec<Edge> {
        let edge = |(from, to): &(usize, usize)| Edge {
            name: format!("{from}.{to}"),
            from: *from,
            to: *to,
            capacity_messages: 64,
            latency_ps: None,
        };
        pairs.iter().map(edge).collect()
    }

    fn stages(way: &Way) -> Vec<usize> {
        way.legs.iter().map(|leg| leg.stage).collect()
    }

    #[test]
    fn there_and_back_is_nested() {
        let edges = edges(&[(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]);
        let ways = ways(&edges, &[3.0, 3.0, 1.0, 1.0, 20.0, 20.0], 0);
        assert_eq!(stages(&ways[0]), [0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(ways[0].legs[3].messages, 20.0);
        assert_eq!(messages_at(&ways, 2), 21.0);
    }

    #[test]
    fn a_chain_with_a_way_back_is_one_round() {
        let edges = edges(&[(0, 1), (1, 2), (2, 0)]);
        let ways = ways(&edges, &[1.0, 1.0, 1.0], 0);
        assert_eq!(stages(&ways[0]), [0, 1, 2, 0]);
    }

    #[test]
    fn a_fork_becomes_routes_with_shares() {
        let edges = edges(&[(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)]);
        let ways = ways(&edges, &[0.25, 0.75, 0.25, 0.75, 1.0], 0);
        assert_eq!(ways.len(), 2);
        assert_eq!((ways[0].share_ratio, ways[1].share_ratio), (0.25, 0.75));
        assert_eq!(stages(&ways[1]), [0, 2, 3, 0]);
        assert!((messages_at(&ways, 3) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rare_edges_are_left_out() {
        let edges = edges(&[(0, 1), (1, 0), (0, 2), (2, 0)]);
        let ways = ways(&edges, &[1.0, 1.0, 0.001, 0.001], 0);
        assert_eq!(stages(&ways[0]), [0, 1, 0]);
    }
}
