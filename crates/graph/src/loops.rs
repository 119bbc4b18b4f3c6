//! Loops through a pipeline: the way of a window's messages, and loops of waiting.

use std::collections::BTreeSet;

use crate::{Error, Pipeline, Problem, Window};

/// The edges that a window's messages can pass, from its output to its input: the first, the last,
/// and all between them that do not pass the window's own stage.
pub(crate) fn way(pipeline: &Pipeline, window: &Window) -> Vec<usize> {
    let declaration = pipeline.window_declaration(window);
    let there = pipeline.edge_of_output(window.stage, &declaration.output);
    let back = pipeline.edge_of_input(window.stage, &declaration.input);
    let (Some(there), Some(back)) = (there, back) else {
        return Vec::new();
    };
    let first = pipeline.edges[there].to.stage;
    let last = pipeline.edges[back].from.stage;
    let mut way = vec![there];
    if first != last {
        way.extend(between(pipeline, first, last, window.stage));
    }
    way.push(back);
    way
}

/// The edges on walks from stage `first` to stage `last` that avoid stage `avoided`.
fn between(pipeline: &Pipeline, first: usize, last: usize, avoided: usize) -> Vec<usize> {
    let edges = || {
        pipeline
            .edges
            .iter()
            .filter(|e| ![e.from.stage, e.to.stage].contains(&avoided))
    };
    let forward = reachable(first, edges().map(|e| (e.from.stage, e.to.stage)).collect());
    let backward = reachable(last, edges().map(|e| (e.to.stage, e.from.stage)).collect());
    let lies_between = |edge: &&crate::Edge| {
        forward.contains(&edge.from.stage) && backward.contains(&edge.to.stage)
    };
    let index = |edge: &crate::Edge| pipeline.edges.iter().position(|other| other == edge);
    edges().filter(lies_between).filter_map(index).collect()
}

fn reachable(start: usize, arcs: Vec<(usize, usize)>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        let next = arcs
            .iter()
            .filter(|(from, _)| *from == node)
            .map(|(_, to)| *to);
        open.extend(next.filter(|to| seen.insert(*to)));
    }
    seen
}

/// No edges may wait for each other in a circle.
///
/// An edge is drained only while there is room on the edges that its consumer's kind *needs* for
/// it. An edge on a window's way always has room, because its ring takes all tokens; so nothing
/// waits for it.
pub(crate) fn no_deadlock(pipeline: &Pipeline) -> Result<(), Error> {
    let count = pipeline.edges.len();
    let windows = pipeline.windows.iter();
    let roomy: BTreeSet<usize> = windows.flat_map(|window| way(pipeline, window)).collect();
    let waits: Vec<Vec<usize>> = (0..count)
        .map(|edge| {
            waits_for(pipeline, edge)
                .filter(|on| !roomy.contains(on))
                .collect()
        })
        .collect();
    let Some(cycle) = (0..count).find_map(|edge| cycle_through(edge, &waits)) else {
        return Ok(());
    };
    let mut names: Vec<String> = cycle
        .iter()
        .map(|edge| pipeline.from_name(&pipeline.edges[*edge]))
        .collect();
    names.push(names[0].clone());
    let line = pipeline.edges[cycle[0]].line;
    Err(pipeline.error(
        line,
        Problem::Deadlock {
            cycle: names.join(" -> "),
        },
    ))
}

/// The edges that must have room before a message is taken from `edge`.
fn waits_for(pipeline: &Pipeline, edge: usize) -> impl Iterator<Item = usize> {
    let stage = pipeline.edges[edge].to.stage;
    let input = &pipeline.input(&pipeline.edges[edge]).name;
    let needs = pipeline.stages[stage].kind.need_list().iter();
    let needs = needs.filter(move |need| need.input == *input && need.messages > 0);
    needs.filter_map(move |need| pipeline.edge_of_output(stage, &need.output))
}

/// A shortest cycle through `start`, beginning with it.
fn cycle_through(start: usize, arcs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut paths = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            for next in &arcs[*path.last()?] {
                if *next == start {
                    return Some(path);
                }
                if seen.insert(*next) {
                    longer.push([path.as_slice(), &[*next]].concat());
                }
            }
        }
        paths = longer;
    }
    None
}
