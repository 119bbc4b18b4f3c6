//! All candidates, Brigade first.

use crate::peers::{
    Brigade, CrossbeamChannel, CrossbeamQueue, Disruptor, Gil, Heapless, Omango, Ringbuf, Rtrb,
    StdChannel, WithFences, WithMembarrier,
};
use crate::sides::Candidate;

/// Brigade's place among the candidates.
pub const BRIGADE: usize = 0;

/// In the order of the tables.
pub fn all() -> Vec<Candidate> {
    vec![
        Candidate::of::<Brigade>(),
        Candidate::of::<Rtrb>(),
        Candidate::of::<Gil>(),
        Candidate::of::<Ringbuf>(),
        Candidate::of::<Disruptor>(),
        Candidate::of::<Omango>(),
        Candidate::of::<CrossbeamQueue>(),
        Candidate::of::<CrossbeamChannel>(),
        Candidate::of::<Heapless>(),
        Candidate::of::<StdChannel>(),
    ]
}

/// The ring itself, with ends that can sleep, and with one trick taken away or put in.
pub fn variants() -> Vec<Candidate> {
    let mut all = vec![
        Candidate::of::<Brigade>(),
        Candidate::of::<WithFences>(),
        Candidate::of::<WithMembarrier>(),
    ];
    all.extend(crate::variants::all());
    all
}
