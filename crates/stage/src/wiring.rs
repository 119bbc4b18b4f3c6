//! Joining the ports of two stages by an edge. For runtimes and harnesses, not for stages.

use brigade_bank::{Bank, page_ring};
use brigade_ring::RingError;

use crate::lanes::{InputLane, OutputLane};
use crate::ports::Ports;
use crate::{EdgeEndFigures, clock_ns};

pub use crate::io::RunOutcome;

/// One end of an edge: which port of which stage, on which core slot.
pub struct End<'a> {
    /// The stage's ports.
    pub ports: &'a mut Ports,
    /// Index of the port among the stage's inputs or outputs.
    pub port: usize,
    /// Core slot (0 to 63) of the stage, for waking its core.
    pub core: usize,
}

/// How large an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeSize {
    /// Messages that can be under way: slots of the ring, and pages of the sender.
    pub ring: usize,
    /// Full pages that the receiver may hold: its own pages for the exchange.
    pub hold: usize,
}

/// An edge could not be joined.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The ring's capacity is not one a ring can have.
    #[error(transparent)]
    Capacity(#[from] RingError),
    /// A stage has more lanes than a page's label can name.
    #[error("a stage has more than {max} rings; place fewer replicas of its neighbours")]
    TooManyLanes {
        /// The most that it can have.
        max: usize,
    },
    /// The bank has fewer pages than its edges need.
    #[error(
        "bank {bank} has {pages} pages, too few for its edges; a bank holds `ring` + `hold` pages of each of its edges"
    )]
    BankTooSmall {
        /// The bank's number.
        bank: u16,
        /// Its pages.
        pages: usize,
    },
}

/// Joins output `from` to input `to` over `bank` by one more lane: a ring of full pages forward,
/// one of empty pages back, the sender's `ring` pages and the receiver's `hold` pages.
///
/// Lanes count in the order in which they are joined: lane n of a port belongs to replica n on
/// its other side, which is what lets a reply find who asked.
pub fn join(bank: &Bank, size: EdgeSize, from: End<'_>, to: End<'_>) -> Result<(), WiringError> {
    let (full_in, full_out) = page_ring(bank, size.ring)?;
    let (back_in, back_out) = page_ring(bank, size.ring)?;
    let (sender, receiver) = (from.ports.holder, to.ports.holder);
    let label = from.ports.lane_label()?;
    let pages_out = bank.issue(size.ring, sender, label);
    let pages_in = bank.issue(size.hold, receiver, to.port as u16);
    if pages_out.len() < size.ring || pages_in.len() < size.hold {
        return Err(WiringError::BankTooSmall {
            bank: bank.number(),
            pages: bank.pages(),
        });
    }
    let pool = from.ports.pool_index(bank);
    from.ports.pools[pool].pages.extend(pages_out);
    let figures = EdgeEndFigures {
        at_ns: clock_ns(),
        ..Default::default()
    };
    let output = &mut from.ports.outputs[from.port];
    output.pool = pool;
    from.ports.labels.push((from.port, output.lanes.len()));
    output.lanes.push(OutputLane {
        full: full_in,
        back: back_out,
        receiver,
        receiver_core: to.core,
        label,
        stock: size.ring,
        reserved: 0,
        wanted_beyond: None,
        figures,
    });
    let pool = to.ports.pool_index(bank);
    to.ports.pools[pool].pages.extend(pages_in);
    let input = &mut to.ports.inputs[to.port];
    input.pool = pool;
    input.stock += size.hold;
    input.lanes.push(InputLane {
        full: full_out,
        back: back_in,
        sender,
        sender_core: from.core,
        figures,
    });
    Ok(())
}
