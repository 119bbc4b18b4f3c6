//! What a port is made of: lanes, one for each replica on its other side, and the stocks of empty
//! pages that keep their rings from overflowing.
//!
//! ```text
//!   output            lane 0: stock, ring -->            input
//!   (routing)  -----<                          >-----    (one stock for all lanes)
//!                     lane 1: stock, ring -->
//! ```
//!
//! # Why lanes cannot deadlock
//! A lane is drained only while there is room on the outputs that its receiver *needs* for it.
//! Where any lane will do, that is room on one of them; where a key chooses, on all of them; for
//! a reply, on the lane to the replica that asked. So a lane waits only for lanes of those edges
//! that its own edge would wait for without replicas: a circle of waiting lanes is a circle of
//! waiting edges, and the graph refuses a pipeline with one, but for edges on a window's way.
//! Those always have room. A window's tokens are those of one replica. Each ring takes them all,
//! and a lane that has them at its one end or gets the replies at the other carries no other
//! replica's: the graph refuses replicas whose answers do not come by reply.

use brigade_bank::{Holder, PageConsumer, PageProducer};

use crate::Routing;
use crate::figures::EdgeEndFigures;

/// The receiving end of one ring of an edge, with the ring that takes empty pages back.
pub(crate) struct InputLane {
    pub(crate) full: PageConsumer,
    pub(crate) back: PageProducer,
    /// Holder and core slot of the stage that sends.
    pub(crate) sender: Holder,
    pub(crate) sender_core: usize,
    pub(crate) figures: EdgeEndFigures,
}

/// The sending end of one ring of an edge, with the ring that brings empty pages back.
pub(crate) struct OutputLane {
    pub(crate) full: PageProducer,
    pub(crate) back: PageConsumer,
    /// Holder and core slot of the stage that receives.
    pub(crate) receiver: Holder,
    pub(crate) receiver_core: usize,
    /// What the pages of this lane's stock are labelled with.
    pub(crate) label: u16,
    /// Began as large as the ring: what is in the ring, with the receiver, on its way back and
    /// in the stock is as much as the ring takes, so it never overflows.
    pub(crate) stock: usize,
    /// Room that replies to messages taken in this run may still need.
    pub(crate) reserved: usize,
    /// The stage found too little room on this lane in its last run, as in [`OutputPort`].
    pub(crate) wanted_beyond: Option<usize>,
    pub(crate) figures: EdgeEndFigures,
}

/// A need as indices: `messages` free on output `output`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NeedIndex {
    pub(crate) output: usize,
    pub(crate) messages: usize,
    /// The output replies to the very input that needs it: only the lane to the replica that
    /// sent the message must have room.
    pub(crate) replies: bool,
}

#[derive(Default)]
pub(crate) struct InputPort {
    pub(crate) lanes: Vec<InputLane>,
    pub(crate) lane_next: usize,
    pub(crate) stock: usize,
    pub(crate) pool: usize,
    pub(crate) needs: Vec<NeedIndex>,
    /// The stage asked for input in its last run: an arrival makes it runnable.
    pub(crate) wanted: bool,
}

#[derive(Default)]
pub(crate) struct OutputPort {
    pub(crate) lanes: Vec<OutputLane>,
    /// The lane that comes first among equals.
    pub(crate) lane_next: usize,
    pub(crate) routing: Routing,
    pub(crate) pool: usize,
    /// Room that messages taken in this run may still need, on whatever lane.
    pub(crate) reserved: usize,
    /// The stage found too little room here in its last run: room makes it runnable. The number
    /// is the room that it found.
    pub(crate) wanted_beyond: Option<usize>,
}

impl OutputPort {
    /// Messages that certainly have room. Where any lane will do, the room of all lanes counts;
    /// where a key or a sender chooses, nobody knows the lane yet, so only what every one of
    /// them has.
    pub(crate) fn room(&self) -> usize {
        self.least(|lane| lane.stock)
    }

    /// As [`OutputPort::room`], less what replies may still need.
    pub(crate) fn room_unreserved(&self) -> usize {
        self.least(|lane| lane.stock.saturating_sub(lane.reserved))
    }

    fn least(&self, stock: impl Fn(&OutputLane) -> usize) -> usize {
        let stocks = self.lanes.iter().map(stock);
        match self.routing {
            Routing::Any => stocks.sum(),
            Routing::Keyed | Routing::Reply { .. } => stocks.min().unwrap_or(0),
        }
    }
}
