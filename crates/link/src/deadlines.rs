//! Deadlines of many things: a heap that knows where each thing stands in it.

/// Deadlines of things that are numbered from 0, at most one each.
///
/// An indexed binary heap: to move or remove a deadline costs the logarithm of their number and
/// allocates nothing, however often it happens (a connection's moves with every segment).
#[derive(Debug, Default)]
pub struct Deadlines {
    /// (when, whose), smallest first in the order of a binary heap.
    heap: Vec<(u64, u32)>,
    /// For each thing its place in the heap, or [`NOWHERE`].
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Deadlines {
    /// None yet, with memory for those of `things` things.
    pub fn new(things: usize) -> Deadlines {
        Deadlines {
            heap: Vec::with_capacity(things),
            places: vec![NOWHERE; things],
        }
    }

    /// Sets, moves or (with `None`) removes the deadline of `thing`, in nanoseconds.
    pub fn set(&mut self, thing: u32, at_ns: Option<u64>) {
        let index = thing as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, NOWHERE);
        }
        match (self.places[index], at_ns) {
            (NOWHERE, None) => {}
            (NOWHERE, Some(at_ns)) => {
                self.heap.push((at_ns, thing));
                self.settle(self.heap.len() - 1);
            }
            (place, Some(at_ns)) => {
                self.heap[place as usize].0 = at_ns;
                self.settle(place as usize);
            }
            (place, None) => self.remove(place as usize),
        }
    }

    /// The earliest deadline, in nanoseconds.
    pub fn first_ns(&self) -> Option<u64> {
        self.heap.first().map(|&(at_ns, _)| at_ns)
    }

    /// Removes the earliest deadline if it has come, and tells whose it was.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<u32> {
        let &(at_ns, thing) = self.heap.first()?;
        if at_ns > now_ns {
            return None;
        }
        self.remove(0);
        Some(thing)
    }

    fn remove(&mut self, place: usize) {
        let (_, thing) = self.heap.swap_remove(place);
        self.places[thing as usize] = NOWHERE;
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        while let Some(child) = self.smaller_child(place)
            && self.heap[child] < self.heap[place]
        {
            self.swap(place, child);
            place = child;
        }
        self.note(place);
    }

    fn smaller_child(&self, place: usize) -> Option<usize> {
        (2 * place + 1..2 * place + 3)
            .filter(|&c| c < self.heap.len())
            .min_by_key(|&c| self.heap[c])
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: usize) {
        // As many entries as things at most, and those are numbered by u32.
        self.places[self.heap[place].1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A small generator, so that the test is the same everywhere.
    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn behaves_like_a_sorted_map() {
        let mut random = 7;
        let mut deadlines = Deadlines::new(4);
        let mut map: BTreeMap<u32, u64> = BTreeMap::new();
        for step in 0..20_000 {
            let thing = (next(&mut random) % 40) as u32;
            match next(&mut random) % 4 {
                0 => {
                    map.remove(&thing);
                    deadlines.set(thing, None);
                }
                1 => {
                    let now = next(&mut random) % 1000;
                    let due = deadlines.pop_due(now);
                    let first = map
                        .iter()
                        .map(|(&k, &v)| (v, k))
                        .min()
                        .filter(|&(v, _)| v <= now);
                    assert_eq!(due, first.map(|(_, k)| k), "step {step}");
                    due.map(|thing| map.remove(&thing));
                }
                _ => {
                    let at = next(&mut random) % 1000;
                    map.insert(thing, at);
                    deadlines.set(thing, Some(at));
                }
            }
            assert_eq!(
                deadlines.first_ns(),
                map.values().min().copied(),
                "step {step}"
            );
        }
    }
}
