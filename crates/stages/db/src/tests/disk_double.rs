//! A disk in memory that counts, fails at a chosen operation, dies, and loses what was not synced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Random;
use crate::disk::{Disk, Errno, Opened};

const SECTOR_BYTES: usize = 512;

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Default, Clone)]
struct Content {
    now: Vec<u8>,
    stable: Vec<u8>,
    unsynced: Vec<Change>,
}

impl Content {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.unsynced.push(change);
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Size(size) => bytes.resize(*size, 0),
        Change::Write(at, data) => {
            bytes.resize(bytes.len().max(at + data.len()), 0);
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
    }
}

/// When operations fail.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    Never,
    /// The operation of this number, and no other.
    At(u64, Errno),
    /// The operation of this number, and then everything from the second number on.
    AtThenDead(u64, Errno, u64),
    /// Every write, growth or creation.
    Writes(Errno),
    /// Everything from this operation on; nothing reaches the disk any more.
    Dead(u64),
}

pub struct Store {
    files: BTreeMap<String, Content>,
    open: Vec<Option<(String, Option<Errno>)>>,
    pub fault: Fault,
    pub operations: u64,
    pub syncs: u64,
    pub reads: u64,
}

/// A handle on the store, which outlives the sessions on it.
#[derive(Clone)]
pub struct MemoryDisk(Rc<RefCell<Store>>);

impl MemoryDisk {
    pub fn new() -> Self {
        MemoryDisk(Rc::new(RefCell::new(Store {
            files: BTreeMap::new(),
            open: Vec::new(),
            fault: Fault::Never,
            operations: 0,
            syncs: 0,
            reads: 0,
        })))
    }

    pub fn look<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }

    pub fn set_fault(&self, fault: Fault) {
        self.look(|store| store.fault = fault);
    }

    pub fn bytes(&self, name: &str) -> Option<usize> {
        self.look(|store| store.files.get(name).map(|content| content.now.len()))
    }

    /// A copy of the disk after a power cut: of the unsynced writes a random part is lost, and the
    /// last one left is torn at a sector.
    pub fn after_power_cut(&self, random: &mut Random) -> MemoryDisk {
        let disk = MemoryDisk::new();
        self.look(|store| {
            let files = store
                .files
                .iter()
                .map(|(name, content)| (name.clone(), cut(content, random)));
            disk.look(|fresh| fresh.files = files.collect());
        });
        disk
    }
}

fn cut(content: &Content, random: &mut Random) -> Content {
    let mut bytes = content.stable.clone();
    let last = content.unsynced.len().saturating_sub(1);
    for (index, change) in content.unsynced.iter().enumerate() {
        match change {
            Change::Write(..) if random.below(2) == 0 => {}
            Change::Write(at, data) if index == last => {
                let sectors = random.below(data.len().div_ceil(SECTOR_BYTES) + 1);
                // Torn at a sector of the disk, not of the write.
                let end = ((at / SECTOR_BYTES + sectors) * SECTOR_BYTES).saturating_sub(*at);
                apply(
                    &mut bytes,
                    &Change::Write(*at, data[..end.min(data.len())].to_vec()),
                );
            }
            change => apply(&mut bytes, change),
        }
    }
    Content {
        now: bytes.clone(),
        stable: bytes,
        unsynced: Vec::new(),
    }
}

impl Store {
    /// Makes a file empty.
    pub fn empty(&mut self, name: &str) {
        self.files.insert(name.into(), Content::default());
    }

    /// Counts an operation; the error it is to have.
    fn begin(&mut self, writes: bool) -> Result<(), Errno> {
        let number = self.operations;
        self.operations += 1;
        match self.fault {
            Fault::At(at, errno) if at == number => Err(errno),
            Fault::AtThenDead(at, errno, _) if at == number => Err(errno),
            Fault::AtThenDead(.., dead) if number >= dead => Err(Errno::IO),
            Fault::Writes(errno) if writes => Err(errno),
            Fault::Dead(at) if number >= at => Err(Errno::IO),
            _ => Ok(()),
        }
    }

    fn content(&mut self, id: u32) -> Result<&mut Content, Errno> {
        let open = self.open.get(id as usize).and_then(Option::as_ref);
        let (name, _) = open.ok_or(Errno::IO)?;
        self.files.get_mut(name).ok_or(Errno::IO)
    }
}

impl Disk for MemoryDisk {
    fn open(&mut self, name: &str, create: bool) -> Result<Opened, Errno> {
        let mut store = self.0.borrow_mut();
        let missing = !store.files.contains_key(name);
        store.begin(missing)?;
        if missing && !create {
            return Err(Errno::NOENT);
        }
        let size_bytes = store.files.entry(name.into()).or_default().now.len() as u64;
        let id = store
            .open
            .iter()
            .position(Option::is_none)
            .unwrap_or(store.open.len());
        let end = store.open.len().max(id + 1);
        store.open.resize(end, None);
        store.open[id] = Some((name.into(), None));
        Ok(Opened {
            id: id as u32,
            size_bytes,
        })
    }

    fn read(&mut self, id: u32, offset_bytes: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(false)?;
        store.reads += 1;
        let bytes = &store.content(id)?.now;
        let from = bytes.get(offset_bytes as usize..).unwrap_or(&[]);
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write(&mut self, id: u32, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        match store.begin(true) {
            Ok(()) => store
                .content(id)?
                .change(Change::Write(offset_bytes as usize, data.into())),
            // It is posted: the error comes to light later.
            Err(errno) => {
                if let Some(Some((_, error))) = store.open.get_mut(id as usize) {
                    *error = error.or(Some(errno));
                }
            }
        }
        Ok(())
    }

    fn write_error(&self, id: u32) -> Option<Errno> {
        self.0.borrow().open.get(id as usize)?.as_ref()?.1
    }

    fn settle(&mut self) {}

    fn sync(&mut self, id: u32) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(false)?;
        store.syncs += 1;
        let content = store.content(id)?;
        for change in content.unsynced.drain(..) {
            apply(&mut content.stable, &change);
        }
        Ok(())
    }

    fn truncate(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(true)?;
        store.content(id)?.change(Change::Size(size_bytes as usize));
        Ok(())
    }

    fn reserve(&mut self, id: u32, size_bytes: u64) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(true)?;
        let content = store.content(id)?;
        let size = content.now.len().max(size_bytes as usize);
        content.change(Change::Size(size));
        Ok(())
    }

    fn close(&mut self, id: u32) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        if let Some(open) = store.open.get_mut(id as usize) {
            *open = None;
        }
        store.begin(false)
    }

    fn remove(&mut self, name: &str) -> Result<(), Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(true)?;
        store.files.remove(name).map(drop).ok_or(Errno::NOENT)
    }

    fn exists(&mut self, name: &str) -> Result<bool, Errno> {
        let mut store = self.0.borrow_mut();
        store.begin(false)?;
        Ok(store.files.contains_key(name))
    }
}
