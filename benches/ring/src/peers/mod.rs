//! The candidates, one file each: how it is used at its best.

mod brigade;
mod crossbeam;
mod disruptor;
mod gil;
mod heapless;
mod omango;
mod ringbuf;
mod rtrb;
mod stdlib;
mod waiting;

pub use brigade::Brigade;
pub use crossbeam::{CrossbeamChannel, CrossbeamQueue};
pub use disruptor::Disruptor;
pub use gil::Gil;
pub use heapless::Heapless;
pub use omango::Omango;
pub use ringbuf::Ringbuf;
pub use rtrb::Rtrb;
pub use stdlib::StdChannel;
pub use waiting::{WithFences, WithMembarrier};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Queue, Receiver, Sender, Word};

    /// Everything a queue is used for here, on one thread: it gives back what it was given, in
    /// order, by every operation, all around the ring several times.
    fn gives_back_in_order<Q: Queue>() {
        for capacity in [64, 1024, 16384] {
            let (mut sender, mut receiver) = Q::pair(capacity);
            let word = |n: u64| Word::new(n).unwrap();
            let (mut sent, mut received) = (0, 0);
            let mut out = [Word::MIN; 32];
            while received < 3 * capacity as u64 {
                let words: [Word; 32] = std::array::from_fn(|i| word(sent + 1 + i as u64));
                sent += sender.push_slice(&words) as u64;
                sent += u64::from(sender.push(word(sent + 1)));
                for _ in 0..2 {
                    let count = receiver.pop_slice(&mut out[..15]);
                    for (n, popped) in (received + 1..).zip(&out[..count]) {
                        assert_eq!(popped.get(), n, "{} of {capacity}", Q::NAME);
                    }
                    received += count as u64;
                }
                receiver.drain(|popped| {
                    received += 1;
                    assert_eq!(popped.get(), received, "{} of {capacity}", Q::NAME);
                });
                assert!(received <= sent && sent - received <= capacity as u64);
            }
            while let Some(popped) = receiver.pop() {
                received += 1;
                assert_eq!(popped.get(), received, "{} of {capacity}", Q::NAME);
            }
            assert_eq!(received, sent, "{} of {capacity}", Q::NAME);
        }
    }

    #[test]
    fn every_candidate_gives_back_in_order() {
        gives_back_in_order::<Brigade>();
        gives_back_in_order::<Rtrb>();
        gives_back_in_order::<Gil>();
        gives_back_in_order::<Ringbuf>();
        gives_back_in_order::<Disruptor>();
        gives_back_in_order::<Omango>();
        gives_back_in_order::<CrossbeamQueue>();
        gives_back_in_order::<CrossbeamChannel>();
        gives_back_in_order::<Heapless>();
        gives_back_in_order::<StdChannel>();
        gives_back_in_order::<WithFences>();
        gives_back_in_order::<WithMembarrier>();
    }
}
