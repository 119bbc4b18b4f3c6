//! Which lane of an output a message takes: a port has one lane for each replica on its other
//! side.
//!
//! ```text
//!                 lane 0   +-----------+
//!   +-------+  /---------->| shop/0    |    any:    the lane with the most room
//!   | stage |--            +-----------+    keyed:  one key, one lane
//!   +-------+  \---------->| shop/1    |    reply:  the lane to the replica that asked
//!                 lane 1   +-----------+
//! ```
//!
//! With one replica there, there is one lane, and all three are the same.

/// How the messages of an output find their replica; declared once, so that what a message
/// needs can be reserved before anybody knows its lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Routing {
    /// Any replica will do.
    #[default]
    Any,
    /// All messages with one key go to one replica, in order.
    Keyed,
    /// A message goes to the replica that sent what it answers.
    Reply {
        /// The input that brought what is answered.
        input: String,
    },
}

/// The replica that sent a message; see [`crate::Message::origin`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Origin(pub(crate) u16);

impl Origin {
    /// The replica's number, from 0.
    pub fn replica(self) -> usize {
        usize::from(self.0)
    }
}

/// Where one message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the replica with the shortest queue, in turn among equals.
    Any,
    /// To the replica that has all messages with this key.
    Keyed(u64),
    /// To the replica that sent the message with this origin.
    Reply(Origin),
}

impl Route {
    pub(crate) fn is_of(self, routing: &Routing) -> bool {
        matches!(
            (self, routing),
            (Route::Any, Routing::Any)
                | (Route::Keyed(_), Routing::Keyed)
                | (Route::Reply(_), Routing::Reply { .. })
        )
    }
}

/// The lane of `lanes` that has all messages with `key`. Keys are often addresses or small
/// numbers, so their bits are mixed first (the finalizer of SplitMix64: Steele, Lea and Flood,
/// OOPSLA 2014); the high bits then choose (Lemire, 2019), without a division.
pub(crate) fn lane_of_key(key: u64, lanes: usize) -> usize {
    let mut bits = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    ((u128::from(bits) * lanes as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_shape_spread_over_the_lanes() {
        for lanes in [1, 2, 3, 8, 64] {
            for shift in [0, 4, 12, 32, 56] {
                let keys = 256_u64;
                let mut counts = vec![0; lanes];
                for key in 0..keys {
                    counts[lane_of_key(key << shift, lanes)] += 1;
                }
                // Twice the mean and some more; without mixing one lane would have them all.
                let most = counts.iter().max().copied().unwrap_or(0);
                assert!(most <= 2 * 256 / lanes + 10, "{lanes} {shift} {counts:?}");
            }
        }
    }
}
