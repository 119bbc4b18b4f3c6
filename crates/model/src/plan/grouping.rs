//! Contiguous groups of stages on cores, by dynamic programming.

/// The contiguous grouping in `count` groups (1 to the number of stages) whose largest load is the
/// least. A group's load is the work of its stages, and `receive` where messages come from another
/// group, and `send` where they go to one:
///
/// ```text
///   f(j, m) = min over i of max(f(i, m - 1), load of i..j)
/// ```
/// It takes O(n^2 k) steps for n stages in k groups.
pub fn groups(works: &[f64], count: usize, receive: f64, send: f64) -> Vec<Vec<usize>> {
    let stages = works.len();
    let mut best: Vec<f64> = (0..=stages)
        .map(|end| load(works, 0..end, receive, send))
        .collect();
    let mut cuts: Vec<Vec<usize>> = Vec::new();
    for _ in 1..count.min(stages) {
        let mut next = vec![f64::INFINITY; stages + 1];
        let mut from = vec![0; stages + 1];
        for end in 1..=stages {
            for (begin, before) in best.iter().enumerate().take(end).skip(1) {
                let own = load(works, begin..end, receive, send);
                let largest = before.max(own);
                if largest < next[end] {
                    (next[end], from[end]) = (largest, begin);
                }
            }
        }
        best = next;
        cuts.push(from);
    }
    let mut groups = Vec::new();
    let mut end = stages;
    for from in cuts.iter().rev() {
        groups.push((from[end]..end).collect());
        end = from[end];
    }
    groups.push((0..end).collect());
    groups.reverse();
    groups
}

/// The load of a group.
pub fn load(works: &[f64], group: std::ops::Range<usize>, receive: f64, send: f64) -> f64 {
    let first = if group.start > 0 { receive } else { 0.0 };
    let last = if group.end < works.len() { send } else { 0.0 };
    works[group].iter().sum::<f64>() + first + last
}
