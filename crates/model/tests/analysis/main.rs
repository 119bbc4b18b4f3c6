//! Exact analysis: the numbers of the tables, and random graphs against two oracles.

mod cycles;
mod oracles;
mod queues;
