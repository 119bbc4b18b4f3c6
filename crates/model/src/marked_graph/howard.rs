//! The maximum cycle ratio by policy iteration (Howard; Cochet-Terrasson and others 1998; Dasdan 2004),
//! exact: whole numbers of 128 bits, checked.
//!
//! A policy chooses one edge out of each transition, so it leads into cycles. The best of them
//! gives a ratio; with it every transition gets a value, what it is ahead of the cycle; an edge that
//! would make a value larger enters the policy. When none does, the values prove that no cycle has
//! a larger ratio. The ratio never falls and there are finitely many policies; should the
//! values go on changing at one ratio, a search for a positive cycle decides.

use super::{CriticalCycle, GraphError, MarkedGraph};
use crate::ratio::Ratio;

/// Rounds of policy iteration before the search for a positive cycle takes over.
const ROUNDS_MAX: usize = 1_000;

/// The cycle with the largest ratio of weight to tokens; none when there is no cycle at all.
///
/// # Errors
/// [`GraphError::Deadlock`] with a cycle without tokens, [`GraphError::Overflow`] when times are too
/// large.
pub fn critical_cycle(graph: &MarkedGraph) -> Result<Option<CriticalCycle>, GraphError> {
    let known = |edge: &super::Edge| edge.from.max(edge.to) < graph.transitions;
    if let Some(edge) = graph.edges.iter().position(|edge| !known(edge)) {
        return Err(GraphError::Unknown { edge });
    }
    let mut best: Option<CriticalCycle> = None;
    for part in parts(graph) {
        let search = Search::new(graph, &part);
        if search.edges.is_empty() {
            continue;
        }
        search.no_deadlock()?;
        let found = search.best()?;
        let better = match &best {
            None => true,
            Some(best) => {
                let order = found.lambda_ps.compare(best.lambda_ps);
                order.ok_or(GraphError::Overflow)?.is_gt()
            }
        };
        if better {
            best = Some(found);
        }
    }
    Ok(best)
}

/// One strongly connected part; its transitions are numbered anew.
struct Search<'a> {
    graph: &'a MarkedGraph,
    count: usize,
    /// (from, to, the graph's edge).
    edges: Vec<(usize, usize, usize)>,
    /// For each transition the edges into it, as indices of `edges`.
    into: Vec<Vec<usize>>,
}

type Values = Vec<i128>;

impl Search<'_> {
    fn new<'a>(graph: &'a MarkedGraph, part: &[usize]) -> Search<'a> {
        let mut place = vec![usize::MAX; graph.transitions];
        for (own, transition) in part.iter().enumerate() {
            place[*transition] = own;
        }
        let mut edges = Vec::new();
        let mut into = vec![Vec::new(); part.len()];
        for (index, edge) in graph.edges.iter().enumerate() {
            let (from, to) = (place[edge.from], place[edge.to]);
            if from != usize::MAX && to != usize::MAX {
                into[to].push(edges.len());
                edges.push((from, to, index));
            }
        }
        Search {
            graph,
            count: part.len(),
            edges,
            into,
        }
    }

    /// A cycle has no token if the sum of tokens * (n + 1) - 1 over it is below 0: it has at most n
    /// edges.
    fn no_deadlock(&self) -> Result<(), GraphError> {
        let scale = self.count as i128 + 1;
        let cost = |edge: usize| {
            let tokens = i128::from(self.tokens(edge)).checked_mul(scale);
            tokens.map(|tokens| 1 - tokens).ok_or(GraphError::Overflow)
        };
        match self.positive_cycle(cost, &mut vec![0; self.count])? {
            None => Ok(()),
            Some(cycle) => Err(GraphError::Deadlock {
                edges: self.named(&cycle),
            }),
        }
    }

    fn tokens(&self, edge: usize) -> i64 {
        self.graph.edges[self.edges[edge].2].tokens
    }

    fn weight(&self, edge: usize) -> i64 {
        self.graph.edges[self.edges[edge].2].weight_ps
    }

    fn named(&self, cycle: &[usize]) -> Vec<usize> {
        cycle.iter().map(|edge| self.edges[*edge].2).collect()
    }

    fn best(&self) -> Result<CriticalCycle, GraphError> {
        let mut policy = vec![usize::MAX; self.count];
        for (index, (from, _, _)) in self.edges.iter().enumerate() {
            let better =
                policy[*from] == usize::MAX || self.weight(index) > self.weight(policy[*from]);
            if better {
                policy[*from] = index;
            }
        }
        let (mut cycle, mut lambda) = self.best_of(&policy)?;
        for _ in 0..ROUNDS_MAX {
            let mut values = self.values(&mut policy, &cycle, lambda)?;
            if !self.improve(&mut policy, &mut values, lambda)? {
                return Ok(self.critical(&cycle, lambda));
            }
            (cycle, lambda) = self.best_of(&policy)?;
        }
        self.climb(cycle, lambda)
    }

    /// From cycle to better cycle, until there is none: certain to end, for each is better.
    fn climb(&self, mut cycle: Vec<usize>, mut lambda: Ratio) -> Result<CriticalCycle, GraphError> {
        loop {
            let values = &mut vec![0; self.count];
            match self.positive_cycle(|edge| self.gain(edge, lambda), values)? {
                None => return Ok(self.critical(&cycle, lambda)),
                Some(better) => {
                    lambda = self.ratio(&better)?;
                    cycle = better;
                }
            }
        }
    }

    fn critical(&self, cycle: &[usize], lambda_ps: Ratio) -> CriticalCycle {
        CriticalCycle {
            lambda_ps,
            edges: self.named(cycle),
        }
    }

    /// The best cycle that a policy leads into.
    fn best_of(&self, policy: &[usize]) -> Result<(Vec<usize>, Ratio), GraphError> {
        let mut seen = vec![0; self.count];
        let mut best: Option<(Vec<usize>, Ratio)> = None;
        for start in 0..self.count {
            let mut at = start;
            while seen[at] == 0 {
                seen[at] = start + 1;
                at = self.edges[policy[at]].1;
            }
            if seen[at] != start + 1 {
                continue;
            }
            let mut cycle = vec![policy[at]];
            let mut next = self.edges[policy[at]].1;
            while next != at {
                cycle.push(policy[next]);
                next = self.edges[policy[next]].1;
            }
            let ratio = self.ratio(&cycle)?;
            let better = match &best {
                None => true,
                Some((_, best)) => ratio.compare(*best).ok_or(GraphError::Overflow)?.is_gt(),
            };
            if better {
                best = Some((cycle, ratio));
            }
        }
        // A part has an edge out of each transition, so a policy leads into a cycle.
        best.ok_or(GraphError::Overflow)
    }

    fn ratio(&self, cycle: &[usize]) -> Result<Ratio, GraphError> {
        let weight: i128 = cycle.iter().map(|e| i128::from(self.weight(*e))).sum();
        let tokens: i128 = cycle.iter().map(|e| i128::from(self.tokens(*e))).sum();
        Ratio::new(weight, tokens).ok_or(GraphError::Overflow)
    }

    /// What passing an edge gains on a cycle of ratio `lambda`, times its denominator.
    fn gain(&self, edge: usize, lambda: Ratio) -> Result<i128, GraphError> {
        let weight = i128::from(self.weight(edge)).checked_mul(lambda.denominator());
        let tokens = i128::from(self.tokens(edge)).checked_mul(lambda.numerator());
        let gain = weight.zip(tokens).and_then(|(w, t)| w.checked_sub(t));
        gain.ok_or(GraphError::Overflow)
    }

    /// Each transition's value: the gain of its way to the cycle. Those whose policy leads
    /// elsewhere are led to it.
    fn values(
        &self,
        policy: &mut [usize],
        cycle: &[usize],
        lambda: Ratio,
    ) -> Result<Values, GraphError> {
        let mut values = vec![0; self.count];
        let mut known = vec![false; self.count];
        let root = self.edges[cycle[0]].0;
        known[root] = true;
        let mut open = vec![root];
        // First along the policy, then along any edge.
        for by_policy in [true, false] {
            let mut from: Vec<usize> = match by_policy {
                true => std::mem::take(&mut open),
                false => (0..self.count).filter(|at| known[*at]).collect(),
            };
            while let Some(at) = from.pop() {
                for edge in &self.into[at] {
                    let before = self.edges[*edge].0;
                    if known[before] || (by_policy && policy[before] != *edge) {
                        continue;
                    }
                    known[before] = true;
                    policy[before] = *edge;
                    let value = values[at] + self.gain(*edge, lambda)?;
                    values[before] = value;
                    from.push(before);
                }
            }
        }
        Ok(values)
    }

    /// Lets edges that make a value larger into the policy; whether there was one.
    fn improve(
        &self,
        policy: &mut [usize],
        values: &mut Values,
        lambda: Ratio,
    ) -> Result<bool, GraphError> {
        let mut improved = false;
        for (index, (from, to, _)) in self.edges.iter().enumerate() {
            let gain = self.gain(index, lambda)?;
            let value = values[*to].checked_add(gain).ok_or(GraphError::Overflow)?;
            if value > values[*from] {
                (values[*from], policy[*from], improved) = (value, index, true);
            }
        }
        Ok(improved)
    }

    /// A cycle with a sum above 0 (Bellman and Ford), if there is one.
    fn positive_cycle(
        &self,
        gain: impl Fn(usize) -> Result<i128, GraphError>,
        values: &mut Values,
    ) -> Result<Option<Vec<usize>>, GraphError> {
        let mut by = vec![usize::MAX; self.count];
        let mut last = None;
        for _ in 0..=self.count {
            last = None;
            for (index, (from, to, _)) in self.edges.iter().enumerate() {
                let value = values[*from].checked_add(gain(index)?);
                let value = value.ok_or(GraphError::Overflow)?;
                if value > values[*to] {
                    (values[*to], by[*to]) = (value, index);
                    last = Some(*to);
                }
            }
            if last.is_none() {
                return Ok(None);
            }
        }
        Ok(last.map(|at| self.cycle_behind(at, &by)))
    }

    /// The cycle that the last changes go round.
    fn cycle_behind(&self, mut at: usize, by: &[usize]) -> Vec<usize> {
        for _ in 0..self.count {
            at = self.edges[by[at]].0;
        }
        let begin = at;
        let mut cycle = Vec::new();
        loop {
            cycle.push(by[at]);
            at = self.edges[by[at]].0;
            if at == begin {
                break;
            }
        }
        cycle.reverse();
        cycle
    }
}

/// The strongly connected parts (Tarjan 1972, with a stack of its own).
fn parts(graph: &MarkedGraph) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); graph.transitions];
    for edge in &graph.edges {
        out[edge.from].push(edge.to);
    }
    let mut walk = Walk {
        index: vec![usize::MAX; graph.transitions],
        low: vec![0; graph.transitions],
        on_stack: vec![false; graph.transitions],
        stack: Vec::new(),
        next: 0,
        parts: Vec::new(),
    };
    for start in 0..graph.transitions {
        if walk.index[start] == usize::MAX {
            walk.from(start, &out);
        }
    }
    walk.parts
}

struct Walk {
    index: Vec<usize>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    parts: Vec<Vec<usize>>,
}

impl Walk {
    fn enter(&mut self, at: usize) {
        (self.index[at], self.low[at]) = (self.next, self.next);
        self.next += 1;
        self.stack.push(at);
        self.on_stack[at] = true;
    }

    fn from(&mut self, start: usize, out: &[Vec<usize>]) {
        self.enter(start);
        let mut open = vec![(start, 0)];
        while let Some((at, turn)) = open.pop() {
            if let Some(next) = out[at].get(turn) {
                open.push((at, turn + 1));
                if self.index[*next] == usize::MAX {
                    self.enter(*next);
                    open.push((*next, 0));
                } else if self.on_stack[*next] {
                    self.low[at] = self.low[at].min(self.index[*next]);
                }
                continue;
            }
            if let Some((before, _)) = open.last() {
                self.low[*before] = self.low[*before].min(self.low[at]);
            }
            if self.low[at] == self.index[at] {
                self.leave(at);
            }
        }
    }

    fn leave(&mut self, root: usize) {
        let mut part = Vec::new();
        while let Some(at) = self.stack.pop() {
            self.on_stack[at] = false;
            part.push(at);
            if at == root {
                break;
            }
        }
        self.parts.push(part);
    }
}
