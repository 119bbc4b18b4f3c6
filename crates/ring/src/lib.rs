//! The FastForward ring: a single-producer single-consumer queue of non-null words.
#![no_std]

extern crate alloc;

mod consumer;
pub mod doorbell;
mod error;
mod item;
mod line;
mod prefetch;
mod producer;
mod shared;
mod sync;

pub use consumer::Consumer;
pub use error::CapacityError;
pub use item::Item;
pub use line::{CacheLine, LINE_BYTES};
pub use producer::Producer;

/// The most slots a ring can have: 2^24, which is 128 MiB of them.
pub const CAPACITY_MAX: usize = 1 << 24;

/// Makes a ring that holds exactly `capacity` items, 1 to [`CAPACITY_MAX`] (any number, not only
/// powers of two).
///
/// # Errors
/// [`CapacityError`] when the capacity is 0 or too large.
///
/// # Example
/// ```
/// let (mut producer, mut consumer) = brigade_ring::ring::<Box<&str>>(2)?;
/// assert!(producer.push(Box::new("full")).is_ok());
/// assert_eq!(consumer.pop().as_deref(), Some(&"full"));
/// assert!(consumer.pop().is_none());
/// # Ok::<(), brigade_ring::CapacityError>(())
/// ```
pub fn ring<T: Item>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), CapacityError> {
    match capacity {
        0 => Err(CapacityError::Zero),
        1..=CAPACITY_MAX => {
            let (producer, consumer) = shared::End::pair(capacity);
            Ok((Producer::new(producer), Consumer::new(consumer)))
        }
        _ => Err(CapacityError::TooLarge { capacity }),
    }
}
