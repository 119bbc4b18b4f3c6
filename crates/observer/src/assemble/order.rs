//! Data order: who feeds stands above who is fed.

use super::queues::{End, Queue};

/// The stages in data order; answers go against it.
pub fn order(shown: &[usize], queues: &[Queue]) -> Vec<usize> {
    let mut left: Vec<usize> = shown.to_vec();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // The fewest bytes per second from stages that are not placed yet; the first one of equals,
        // which is the most important.
        let fed = |stage: usize| -> f64 {
            let own = queues
                .iter()
                .filter(|queue| queue.to == End::Group(stage) && !queue.answers);
            let unplaced = own.filter(|queue| match queue.from {
                End::Group(from) => left.contains(&from),
                End::Outside | End::Device(_) => false,
            });
            unplaced.map(weight).sum()
        };
        let feeds = |stage: usize| -> f64 {
            let own = queues
                .iter()
                .filter(|queue| queue.from == End::Group(stage) && !queue.answers);
            own.map(weight).sum()
        };
        // Where stages feed each other in a circle, the one that is fed least for what it feeds.
        let share = |stage: usize| fed(stage) / (fed(stage) + feeds(stage)).max(1e-9);
        let next = left
            .iter()
            .enumerate()
            .min_by(|a, b| share(*a.1).total_cmp(&share(*b.1)))
            .map_or(0, |(i, _)| i);
        ordered.push(left.remove(next));
    }
    ordered
}

fn weight(queue: &Queue) -> f64 {
    queue.messages_per_s.max(1.0)
}
