//! What a simulation counts.

/// What a seat is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeatState {
    Starved,
    Busy,
    Blocked,
    Ready,
    Awaiting,
}

/// Time spent in each state.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    pub state: SeatState,
    since_ps: u64,
    spent_ps: [u64; 5],
}

impl Clock {
    pub fn new(state: SeatState) -> Clock {
        Clock {
            state,
            since_ps: 0,
            spent_ps: [0; 5],
        }
    }

    /// A state that begins now (or, being reported late, when the one before it began).
    pub fn enter(&mut self, state: SeatState, now_ps: u64) {
        self.spent_ps[self.state as usize] += now_ps.saturating_sub(self.since_ps);
        self.since_ps = now_ps.max(self.since_ps);
        self.state = state;
    }

    /// A seat that waited for messages was ready from `seen_ps` on, when the first could be seen.
    pub fn ready_since(&mut self, seen_ps: u64, now_ps: u64) {
        if matches!(self.state, SeatState::Starved | SeatState::Awaiting) {
            self.enter(SeatState::Ready, seen_ps.min(now_ps));
        }
    }

    pub fn reset(&mut self, now_ps: u64) {
        self.enter(self.state, now_ps);
        self.spent_ps = [0; 5];
    }

    /// The shares of all states, which sum to one.
    pub fn ratios(&mut self, now_ps: u64) -> [f64; 5] {
        self.enter(self.state, now_ps);
        let all: u64 = self.spent_ps.iter().sum();
        if all == 0 {
            let mut ratios = [0.0; 5];
            ratios[self.state as usize] = 1.0;
            return ratios;
        }
        self.spent_ps.map(|spent| spent as f64 / all as f64)
    }
}

/// A number and its integral over time.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub value: u64,
    pub max: u64,
    pub min: u64,
    since_ps: u64,
    area: u128,
}

impl Level {
    pub fn set(&mut self, value: u64, now_ps: u64) {
        self.area += u128::from(self.value) * u128::from(now_ps.saturating_sub(self.since_ps));
        self.since_ps = now_ps.max(self.since_ps);
        self.value = value;
        self.max = self.max.max(value);
        self.min = self.min.min(value);
    }

    pub fn reset(&mut self, now_ps: u64) {
        self.set(self.value, now_ps);
        (self.area, self.max, self.min) = (0, self.value, self.value);
    }

    /// The mean over `elapsed_ps` up to `now_ps`.
    pub fn mean(&mut self, now_ps: u64, elapsed_ps: u64) -> f64 {
        self.set(self.value, now_ps);
        self.area as f64 / elapsed_ps.max(1) as f64
    }
}
