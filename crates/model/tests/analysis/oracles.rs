//! Random graphs against the enumeration of their cycles and against their own running.

use brigade_model::marked_graph::{GraphError, MarkedGraph, critical_cycle};
use brigade_model::ratio::Ratio;

struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

fn seed() -> u64 {
    let text = std::env::var("BRIGADE_SEED").ok();
    let seed = text.map_or(1, |text| text.parse().expect("BRIGADE_SEED is a number"));
    println!("BRIGADE_SEED={seed}");
    seed
}

/// A strongly connected graph. Edges without tokens only lead to later transitions, so that there
/// is no deadlock; with `any` they lead anywhere.
fn graph(draw: &mut Draw, any: bool) -> MarkedGraph {
    let count = 2 + draw.below(5) as usize;
    let mut graph = MarkedGraph {
        transitions: count,
        edges: Vec::new(),
    };
    let mut edge = |draw: &mut Draw, from: usize, to: usize| {
        let least = u64::from(!any && to <= from);
        let tokens = least + draw.below(3);
        graph.edge(from, to, draw.below(20) as i64, tokens as i64);
    };
    for at in 0..count {
        edge(draw, at, (at + 1) % count);
    }
    for _ in 0..draw.below(8) {
        let (from, to) = (draw.below(count as u64), draw.below(count as u64));
        edge(draw, from as usize, to as usize);
    }
    graph
}

/// The sums of weights and tokens of all simple cycles.
fn cycles(graph: &MarkedGraph) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    for start in 0..graph.transitions {
        walk(graph, start, start, &mut vec![start], (0, 0), &mut found);
    }
    found
}

fn walk(
    graph: &MarkedGraph,
    start: usize,
    at: usize,
    way: &mut Vec<usize>,
    sums: (i64, i64),
    found: &mut Vec<(i64, i64)>,
) {
    for edge in graph.edges.iter().filter(|edge| edge.from == at) {
        let sums = (sums.0 + edge.weight_ps, sums.1 + edge.tokens);
        if edge.to == start {
            found.push(sums);
        } else if edge.to > start && !way.contains(&edge.to) {
            // Each cycle from its smallest transition.
            way.push(edge.to);
            walk(graph, start, edge.to, way, sums, found);
            way.pop();
        }
    }
}

#[test]
fn a_thousand_random_graphs_have_the_ratio_of_their_best_cycle() {
    let mut draw = Draw(seed());
    let (mut deadlocks, mut live) = (0, 0);
    for number in 0..2_000 {
        let graph = graph(&mut draw, number % 2 == 1);
        let all = cycles(&graph);
        match critical_cycle(&graph) {
            Err(GraphError::Deadlock { edges }) => {
                let tokens: i64 = edges.iter().map(|edge| graph.edges[*edge].tokens).sum();
                assert!(tokens <= 0, "graph {number}: {graph:?}");
                deadlocks += 1;
            }
            Ok(Some(cycle)) => {
                assert!(all.iter().all(|(_, tokens)| *tokens > 0), "graph {number}");
                let best = all
                    .iter()
                    .filter_map(|(w, t)| Ratio::new(i128::from(*w), i128::from(*t)))
                    .reduce(|a, b| if a.compare(b).unwrap().is_lt() { b } else { a });
                assert_eq!(Some(cycle.lambda_ps), best, "graph {number}: {graph:?}");
                live += 1;
            }
            other => panic!("graph {number}: {other:?}"),
        }
    }
    assert!(
        live >= 1_000 && deadlocks > 0,
        "{live} live, {deadlocks} deadlocks"
    );
}

/// Runs the graph: each transition happens for the k-th time as soon as all edges into it allow.
/// Its state repeats after some rounds, shifted by a constant: then the rate is exact.
fn rate(graph: &MarkedGraph) -> Ratio {
    let mut times: Vec<Vec<i64>> = Vec::new();
    for round in 0..4_000_usize {
        let mut now = vec![0; graph.transitions];
        // Edges without tokens lead to later transitions only, so this order is right.
        for at in 0..graph.transitions {
            for edge in graph.edges.iter().filter(|edge| edge.to == at) {
                let before = match edge.tokens as usize {
                    0 => now[edge.from],
                    tokens if tokens <= round => times[round - tokens][edge.from],
                    _ => continue,
                };
                now[at] = now[at].max(before + edge.weight_ps);
            }
        }
        times.push(now);
        // Edges have at most three tokens: three equal shifts in a row go on for ever.
        for period in 1..=round / 4 {
            let shift = |back: usize| -> Option<i64> {
                let (a, b) = (&times[round - back], &times[round - back - period]);
                let by = a[0] - b[0];
                a.iter().zip(b).all(|(a, b)| a - b == by).then_some(by)
            };
            if let Some(by) = shift(0)
                && (1..4).all(|back| shift(back) == Some(by))
            {
                return Ratio::new(i128::from(by), period as i128).unwrap();
            }
        }
    }
    panic!("it never became periodic: {graph:?}")
}

#[test]
fn a_thousand_random_graphs_run_at_the_ratio() {
    let mut draw = Draw(seed() + 1);
    for number in 0..1_000 {
        let graph = graph(&mut draw, false);
        let cycle = critical_cycle(&graph).unwrap().unwrap();
        assert_eq!(cycle.lambda_ps, rate(&graph), "graph {number}: {graph:?}");
    }
}
