//! In which order a core visits its stages, and how long a cohort is.

/// The order and the cohort of visits.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    cohort: usize,
    /// State of a xorshift generator: `Some` visits at random, for tests.
    random: Option<u64>,
    /// A permutation of the stages, shuffled anew each round. Every stage is visited in every
    /// round, as the core loop's decision to park requires.
    order: Vec<usize>,
}

impl Schedule {
    /// Data order with cohorts of `cohort` messages; with a seed, a random order with random
    /// cohorts up to that.
    pub(crate) fn new(cohort: usize, seed: Option<u64>) -> Schedule {
        Schedule {
            cohort: cohort.max(1),
            random: seed.map(|s| s | 1),
            order: Vec::new(),
        }
    }

    /// The stage to visit at `turn` of a round over `stages`, and its cohort.
    pub(crate) fn next(&mut self, turn: usize, stages: usize) -> (usize, usize) {
        if self.random.is_none() {
            return (turn, self.cohort);
        }
        if turn == 0 {
            self.shuffle(stages);
        }
        let cohort = 1 + self.draw() % self.cohort;
        (self.order[turn], cohort)
    }

    fn shuffle(&mut self, stages: usize) {
        self.order = (0..stages).collect();
        for last in (1..stages).rev() {
            let other = self.draw() % (last + 1);
            self.order.swap(last, other);
        }
    }

    fn draw(&mut self) -> usize {
        let Some(state) = &mut self.random else {
            return 0;
        };
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 16) as usize
    }
}
