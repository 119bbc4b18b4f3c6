//! The ports of one stage: sets of rings, stocks of empty pages, and their figures.

use std::marker::PhantomData;

use brigade_bank::{Bank, Holder, Page};

use crate::figures::{CopyFigures, EdgeEndFigures, VisitState};
use crate::lanes::{InputPort, NeedIndex, OutputPort};
use crate::window::WindowState;
use crate::wiring::WiringError;
use crate::{Header, Kind, Routing, clock_ns};

/// The key of a declared input.
pub struct Input<H>(pub(crate) usize, PhantomData<fn() -> H>);
/// The key of a declared output.
pub struct Output<H>(pub(crate) usize, PhantomData<fn(H)>);

impl<H: Header> Input<H> {
    pub(crate) fn of(index: usize) -> Self {
        Input(index, PhantomData)
    }
}
impl<H: Header> Output<H> {
    pub(crate) fn of(index: usize) -> Self {
        Output(index, PhantomData)
    }
}
impl<H> Clone for Input<H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Input<H> {}
impl<H> Clone for Output<H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Output<H> {}

/// The empty pages of one bank that a stage has at hand. Last in, first out: the page used last
/// is the one that is still in the cache.
pub(crate) struct Pool {
    pub(crate) bank: Bank,
    pub(crate) pages: Vec<Page>,
    dropped_seen: u64,
}

/// The ports of one stage. Dropping them drops every page that is at hand or under way to the
/// stage, so that the holder table shows it as reclaimable instead of lost.
pub struct Ports {
    pub(crate) holder: Holder,
    pub(crate) inputs: Vec<InputPort>,
    pub(crate) outputs: Vec<OutputPort>,
    /// Output and lane of each label after those of the inputs.
    pub(crate) labels: Vec<(usize, usize)>,
    pub(crate) windows: Vec<WindowState>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) copies: CopyFigures,
    pub(crate) messages_total: u64,
}

impl Ports {
    /// The unconnected ports of a stage of `kind`, which is `holder` in the holder tables;
    /// `tokens` gives the size of each declared window.
    pub fn new(kind: &Kind, holder: Holder, tokens: &[usize]) -> Ports {
        let now_ns = clock_ns();
        let index_of = |name: &str| {
            kind.outputs()
                .iter()
                .position(|p| p.name == name)
                .unwrap_or(usize::MAX)
        };
        let inputs = kind.inputs().iter().map(|port| {
            let needs = kind.need_list().iter().filter(|n| n.input == port.name);
            let replies = |output: &str| {
                let mut outputs = kind.outputs().iter().filter(|o| o.name == output);
                outputs
                    .any(|o| matches!(&o.routing, Routing::Reply { input } if *input == port.name))
            };
            let needs = needs.map(|n| NeedIndex {
                output: index_of(&n.output),
                messages: n.messages,
                replies: replies(&n.output),
            });
            InputPort {
                needs: needs.collect(),
                wanted: true,
                ..Default::default()
            }
        });
        let outputs = kind.outputs().iter().map(|port| OutputPort {
            routing: port.routing.clone(),
            ..Default::default()
        });
        Ports {
            holder,
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            labels: Vec::new(),
            windows: tokens
                .iter()
                .map(|&n| WindowState::new(n, now_ns))
                .collect(),
            pools: Vec::new(),
            copies: CopyFigures::default(),
            messages_total: 0,
        }
    }

    /// The label of the next lane to be joined to an output: lanes come after the inputs.
    pub(crate) fn lane_label(&self) -> Result<u16, WiringError> {
        u16::try_from(self.inputs.len() + self.labels.len()).map_err(|_| {
            WiringError::TooManyLanes {
                max: usize::from(u16::MAX) - self.inputs.len(),
            }
        })
    }

    pub(crate) fn stock_mut(&mut self, label: u16) -> &mut usize {
        let label = usize::from(label);
        let inputs = self.inputs.len();
        if label < inputs {
            &mut self.inputs[label].stock
        } else {
            let (output, lane) = self.labels[label - inputs];
            &mut self.outputs[output].lanes[lane].stock
        }
    }

    pub(crate) fn pool_index(&mut self, bank: &Bank) -> usize {
        if let Some(index) = self.pools.iter().position(|pool| pool.bank == *bank) {
            return index;
        }
        self.pools.push(Pool {
            bank: bank.clone(),
            pages: Vec::new(),
            dropped_seen: 0,
        });
        self.pools.len() - 1
    }

    /// Puts an empty page back into the stock that its label names. One of a bank that no port
    /// has counts for no stock here: it is dropped, for its holder to reclaim.
    pub(crate) fn give_back(&mut self, page: Page) {
        let pool = self.pools.iter_mut().find(|pool| pool.bank.owns(&page));
        if let Some(pool) = pool {
            let label = page.label();
            pool.pages.push(page);
            *self.stock_mut(label) += 1;
        }
    }

    pub(crate) fn pool_take(&mut self, pool: usize) -> Option<Page> {
        self.pools.get_mut(pool)?.pages.pop()
    }

    /// Fetches the empty pages that came back to `output`.
    pub(crate) fn collect(&mut self, output: usize) {
        let port = &mut self.outputs[output];
        let Some(pool) = self.pools.get_mut(port.pool) else {
            return;
        };
        for lane in &mut port.lanes {
            while let Some(page) = lane.back.pop(lane.label) {
                pool.pages.push(page);
                lane.stock += 1;
            }
        }
    }

    /// Takes back the pages that the stage dropped instead of releasing them.
    pub(crate) fn reclaim_dropped(&mut self) {
        for index in 0..self.pools.len() {
            let pool = &mut self.pools[index];
            let dropped = pool.bank.dropped_total();
            if dropped == pool.dropped_seen {
                continue;
            }
            pool.dropped_seen = dropped;
            for page in pool.bank.clone().reclaim(self.holder) {
                self.give_back(page);
            }
        }
    }

    /// Messages that can be sent on `output` now, whatever their lanes. It fetches pages that came
    /// back only when that is below `at_least`. A slot is free for each page of a lane's stock,
    /// because the stock began as large as the ring and whoever takes a message frees its slot
    /// first and gives the page back then.
    pub(crate) fn room(&mut self, output: usize, at_least: usize) -> usize {
        self.room_of(output, at_least, OutputPort::room)
    }

    /// As [`Ports::room`], for messages that go to lane `lane`.
    pub(crate) fn lane_room(&mut self, output: usize, lane: usize, at_least: usize) -> usize {
        self.room_of(output, at_least, |port| port.lanes[lane].stock)
    }

    fn room_of(
        &mut self,
        output: usize,
        at_least: usize,
        room: impl Fn(&OutputPort) -> usize,
    ) -> usize {
        let at_least = at_least.max(1);
        if room(&self.outputs[output]) < at_least {
            self.collect(output);
        }
        if room(&self.outputs[output]) < at_least {
            self.reclaim_dropped();
        }
        room(&self.outputs[output])
    }

    /// The lane of `output` with the most room, in turn among equals. A page in hand that bears
    /// `label` counts as room of its own lane.
    pub(crate) fn emptiest(&mut self, output: usize, label: Option<u16>) -> usize {
        let lanes = self.outputs[output].lanes.len();
        if lanes == 1 {
            return 0;
        }
        self.collect(output);
        let port = &self.outputs[output];
        let room = |lane: usize| {
            let lane = &port.lanes[lane];
            lane.stock + usize::from(Some(lane.label) == label)
        };
        let in_turn = (0..lanes).map(|step| (port.lane_next + step) % lanes);
        // `max_by_key` gives the last of equals, and the first in turn is wanted.
        in_turn.rev().max_by_key(|&lane| room(lane)).unwrap_or(0)
    }

    /// Whether a message could be taken from `input` now, as far as stock and those needs go that
    /// are the same for all of its lanes.
    pub(crate) fn needs_met(&mut self, input: usize) -> bool {
        if self.inputs[input].stock == 0 {
            self.reclaim_dropped();
            if self.inputs[input].stock == 0 {
                return false;
            }
        }
        for index in 0..self.inputs[input].needs.len() {
            let NeedIndex {
                output,
                messages,
                replies,
            } = self.inputs[input].needs[index];
            if replies {
                continue;
            }
            let wanted = messages + self.outputs[output].reserved;
            if self.room_of(output, wanted, OutputPort::room_unreserved) < wanted {
                return false;
            }
        }
        true
    }

    /// Whether the replies to a message of lane `lane` of `input` have room.
    pub(crate) fn replies_have_room(&mut self, input: usize, lane: usize) -> bool {
        for index in 0..self.inputs[input].needs.len() {
            let need = self.inputs[input].needs[index];
            if !need.replies {
                continue;
            }
            let port = &self.outputs[need.output];
            let wanted = need.messages + port.reserved + port.lanes[lane].reserved;
            if self.lane_room(need.output, lane, wanted) < wanted {
                return false;
            }
        }
        true
    }

    /// Reserves what a message taken from lane `lane` of `input` needs.
    pub(crate) fn reserve(&mut self, input: usize, lane: usize) {
        for need in &self.inputs[input].needs {
            let port = &mut self.outputs[need.output];
            match need.replies {
                true => port.lanes[lane].reserved += need.messages,
                false => port.reserved += need.messages,
            }
        }
    }

    /// Whether a message waits at `input` that can be taken.
    fn can_take(&mut self, input: usize) -> bool {
        self.has_message(input)
            && self.needs_met(input)
            && (0..self.inputs[input].lanes.len()).any(|lane| {
                !self.inputs[input].lanes[lane].full.is_empty()
                    && self.replies_have_room(input, lane)
            })
    }

    fn has_message(&mut self, input: usize) -> bool {
        self.inputs[input]
            .lanes
            .iter_mut()
            .any(|lane| !lane.full.is_empty())
    }

    /// When the oldest message waiting at a wanted input was sent, if there is one.
    pub fn oldest_arrival_ns(&mut self) -> Option<u64> {
        let mut oldest: Option<u64> = None;
        for port in self.inputs.iter_mut().filter(|port| port.wanted) {
            let heads = port.lanes.iter_mut();
            for sent_ns in heads.filter_map(|lane| lane.full.head_sent_ns()) {
                oldest = Some(oldest.map_or(sent_ns, |o| o.min(sent_ns)));
            }
        }
        oldest
    }

    /// Whether a run could make progress: a wanted input has a message that can be taken, or an
    /// output on which room was lacking has more of it now.
    pub fn runnable(&mut self) -> bool {
        for index in 0..self.inputs.len() {
            if self.inputs[index].wanted && self.can_take(index) {
                return true;
            }
        }
        for index in 0..self.outputs.len() {
            if let Some(had) = self.outputs[index].wanted_beyond
                && self.room(index, had + 1) > had
            {
                return true;
            }
            if self.lane_has_more_room(index) {
                return true;
            }
        }
        false
    }

    fn lane_has_more_room(&mut self, output: usize) -> bool {
        (0..self.outputs[output].lanes.len()).any(|lane| {
            let wanted = self.outputs[output].lanes[lane].wanted_beyond;
            wanted.is_some_and(|had| self.lane_room(output, lane, had + 1) > had)
        })
    }

    /// Whether the stage has work that lacks room on an output.
    pub fn blocked(&mut self) -> bool {
        let wants_room = self.outputs.iter().any(|output| {
            output.wanted_beyond.is_some()
                || output.lanes.iter().any(|lane| lane.wanted_beyond.is_some())
        });
        let inputs = 0..self.inputs.len();
        wants_room
            || inputs
                .into_iter()
                .any(|i| self.inputs[i].wanted && self.has_message(i) && !self.can_take(i))
    }

    /// What the stage is doing from the end of this visit on; `held` is [`crate::Stage::held`].
    pub fn state(&mut self, held: usize) -> VisitState {
        if self.runnable() {
            VisitState::Ready
        } else if self.blocked() {
            VisitState::Blocked
        } else if held > 0 {
            VisitState::Awaiting
        } else {
            VisitState::Starved
        }
    }

    /// Whether no message waits at any input.
    pub fn inputs_empty(&mut self) -> bool {
        (0..self.inputs.len()).all(|i| !self.has_message(i))
    }

    /// Figures of each lane of the input at `index`. The stock is the port's, which its lanes
    /// share.
    pub fn input_figures(&self, index: usize) -> impl Iterator<Item = EdgeEndFigures> {
        let port = &self.inputs[index];
        port.lanes.iter().map(|lane| EdgeEndFigures {
            stock_pages: port.stock as u64,
            ..lane.figures
        })
    }

    /// Figures of each lane of the output at `index`, each with its own stock.
    pub fn output_figures(&self, index: usize) -> impl Iterator<Item = EdgeEndFigures> {
        let lanes = self.outputs[index].lanes.iter();
        lanes.map(|lane| EdgeEndFigures {
            stock_pages: lane.stock as u64,
            ..lane.figures
        })
    }

    /// Figures of the window at `index`.
    pub fn window_figures(&self, index: usize) -> crate::WindowFigures {
        self.windows[index].figures
    }

    /// Copies of payload counted by the stage.
    pub fn copy_figures(&self) -> CopyFigures {
        self.copies
    }

    /// Messages taken from all inputs so far.
    pub fn messages_total(&self) -> u64 {
        self.messages_total
    }

    /// The bank of input `index`; none while unconnected.
    pub fn input_bank(&self, index: usize) -> Option<&Bank> {
        let port = self.inputs.get(index)?;
        self.bank(port.pool, port.lanes.is_empty())
    }

    /// The bank of output `index`; none while unconnected.
    pub fn output_bank(&self, index: usize) -> Option<&Bank> {
        let port = self.outputs.get(index)?;
        self.bank(port.pool, port.lanes.is_empty())
    }

    fn bank(&self, pool: usize, unconnected: bool) -> Option<&Bank> {
        let pool = self.pools.get(pool)?;
        (!unconnected).then_some(&pool.bank)
    }

    /// Bytes of a page of input `index`; 0 while unconnected.
    pub fn input_page_bytes(&self, index: usize) -> usize {
        self.inputs
            .get(index)
            .map_or(0, |port| self.page_bytes(port.pool, port.lanes.is_empty()))
    }

    /// Bytes of a page of output `index`; 0 while unconnected.
    pub fn output_page_bytes(&self, index: usize) -> usize {
        self.outputs
            .get(index)
            .map_or(0, |port| self.page_bytes(port.pool, port.lanes.is_empty()))
    }

    fn page_bytes(&self, pool: usize, unconnected: bool) -> usize {
        if unconnected {
            return 0;
        }
        self.pools.get(pool).map_or(0, |p| p.bank.page_bytes())
    }

    /// The banks that the ports use.
    pub fn banks(&self) -> impl Iterator<Item = &Bank> {
        self.pools.iter().map(|pool| &pool.bank)
    }

    /// The stage's number in the holder tables.
    pub fn holder(&self) -> Holder {
        self.holder
    }
}
