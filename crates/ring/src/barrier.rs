//! What stands between writing one thing and reading another's: the two sides of Dekker's pattern.

use core::sync::atomic::Ordering::SeqCst;

use crate::sync::fence;

/// Store-load ordering between one side that parks, rarely, and another that rings, often.
///
/// If the parking side writes P, calls [`before_parking`](Self::before_parking) and reads R, and
/// the ringing side writes R, calls [`before_ringing`](Self::before_ringing) and reads P, then at
/// least one of the two reads sees what the other side wrote.
pub trait Barrier {
    /// The parking side's half.
    fn before_parking(&self);

    /// The ringing side's half.
    fn before_ringing(&self);
}

/// A full fence on each side: works everywhere, and is what loom checks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fences;

impl Barrier for Fences {
    #[inline]
    fn before_parking(&self) {
        fence(SeqCst);
    }

    #[inline]
    fn before_ringing(&self) {
        fence(SeqCst);
    }
}
