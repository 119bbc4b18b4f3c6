//! Windows: how many requests may be under way around a loop.

use crate::figures::WindowFigures;

/// The key of a declared window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub(crate) usize);

impl Window {
    pub(crate) fn of(index: usize) -> Window {
        Window(index)
    }
}

/// A window's tokens.
#[derive(Debug, Default)]
pub(crate) struct WindowState {
    pub(crate) figures: WindowFigures,
}

impl WindowState {
    pub(crate) fn new(tokens: usize, now_ns: u64) -> WindowState {
        let figures = WindowFigures {
            tokens: tokens as u64,
            at_ns: now_ns,
            ..Default::default()
        };
        WindowState { figures }
    }

    pub(crate) fn free(&self) -> usize {
        (self.figures.tokens - self.figures.out) as usize
    }

    fn advance(&mut self, now_ns: u64) {
        let figures = &mut self.figures;
        let dt = now_ns.saturating_sub(figures.at_ns);
        let area = figures.out.wrapping_mul(dt);
        figures.integral = figures.integral.wrapping_add(area);
        figures.at_ns = now_ns.max(figures.at_ns);
    }

    pub(crate) fn take(&mut self, now_ns: u64) -> bool {
        if self.free() == 0 {
            self.figures.misses_total += 1;
            return false;
        }
        self.advance(now_ns);
        self.figures.out += 1;
        true
    }

    pub(crate) fn give(&mut self, now_ns: u64, latency_ns: u64) {
        assert!(
            self.figures.out > 0,
            "a token was given back that was not out"
        );
        self.advance(now_ns);
        let figures = &mut self.figures;
        figures.out -= 1;
        figures.completions_total += 1;
        figures.latency_ns_sum = figures.latency_ns_sum.saturating_add(latency_ns);
        figures.latency_ns_max = figures.latency_ns_max.max(latency_ns);
    }
}
