//! Where connections are kept: by tcp's slot, in boxes that are used again.

use std::collections::VecDeque;

use crate::connection::Connection;
use crate::outside::PageBytes;

/// The connections, and which of them have a command to send.
///
/// A connection is taken out while it is worked on and put back afterwards, which costs two
/// moves of a pointer and leaves the rest of the state free to be borrowed.
#[derive(Debug)]
pub struct Table<P> {
    slots: Vec<Slot<P>>,
    #[expect(
        clippy::vec_box,
        reason = "the boxes themselves are what is used again"
    )]
    pool: Vec<Box<Connection<P>>>,
    ready: VecDeque<usize>,
}

#[derive(Debug)]
struct Slot<P> {
    connection: Option<Box<Connection<P>>>,
    /// In `ready`: kept with the slot, not with the connection, so that there is never more
    /// than one entry a slot.
    is_ready: bool,
}

/// Slots at most, whatever tcp names: as many connections as it can be told to take.
const SLOTS_MAX: usize = 1 << 20;

/// The slot in tcp's name of a connection.
fn slot_of(id: u64) -> usize {
    (id & u64::from(u32::MAX)) as usize
}

impl<P: PageBytes> Table<P> {
    /// An empty table.
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            pool: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Whether a connection with this name can have a place. Which slots tcp uses is its business:
    /// few connections may well be in high ones.
    pub fn has_place(&self, id: u64) -> bool {
        slot_of(id) < SLOTS_MAX
    }

    /// The connections that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Connection<P>> {
        self.slots
            .iter()
            .filter_map(|slot| slot.connection.as_deref())
    }

    /// The connection `id`.
    pub fn get(&self, id: u64) -> Option<&Connection<P>> {
        self.slots
            .get(slot_of(id))?
            .connection
            .as_deref()
            .filter(|c| c.id == id)
    }

    /// Takes the connection `id` out.
    pub fn take(&mut self, id: u64) -> Option<Box<Connection<P>>> {
        self.slots
            .get_mut(slot_of(id))?
            .connection
            .take_if(|c| c.id == id)
    }

    /// Takes out whatever connection has the slot of `id`.
    pub fn take_slot_of(&mut self, id: u64) -> Option<Box<Connection<P>>> {
        self.slots.get_mut(slot_of(id))?.connection.take()
    }

    /// Puts a connection into its slot, which must be free and have a place.
    pub fn put(&mut self, connection: Box<Connection<P>>) {
        let slot = slot_of(connection.id);
        while self.slots.len() <= slot {
            self.slots.push(Slot {
                connection: None,
                is_ready: false,
            });
        }
        if connection.wants_command() && !self.slots[slot].is_ready {
            self.slots[slot].is_ready = true;
            self.ready.push_back(slot);
        }
        debug_assert!(
            self.slots[slot].connection.is_none(),
            "a slot has one connection"
        );
        self.slots[slot].connection = Some(connection);
    }

    /// Takes out the connection whose turn it is to send a command.
    pub fn take_ready(&mut self) -> Option<Box<Connection<P>>> {
        while let Some(slot) = self.ready.pop_front() {
            self.slots[slot].is_ready = false;
            if let Some(connection) = self.slots[slot].connection.take() {
                return Some(connection);
            }
        }
        None
    }

    /// Puts a connection back that could not send, so that its turn is still the next.
    pub fn put_first(&mut self, connection: Box<Connection<P>>) {
        let slot = slot_of(connection.id);
        self.slots[slot].is_ready = true;
        self.ready.push_front(slot);
        self.slots[slot].connection = Some(connection);
    }

    /// A connection to be opened.
    pub fn fresh(&mut self) -> Box<Connection<P>> {
        self.pool
            .pop()
            .unwrap_or_else(|| Box::new(Connection::new()))
    }

    /// Keeps a closed connection's memory for the next one.
    pub fn recycle(&mut self, mut connection: Box<Connection<P>>) {
        connection.reader.reset();
        connection.outbound.reset();
        self.pool.push(connection);
    }
}
