//! SQLite's temporary files: what is left over when it sorts, groups or takes back more than its own
//! buffers hold. They are memory, too, in chunks.
//!
//! Those of sorts and of tables that a statement makes for itself are bounded, all together. What it needs to
//! take a statement back, and temporary tables, are not: a write within a group, whose savepoint notes
//! more than the write alone would, must end as it would alone, and a commit must not fail in its middle.
//!
//! SQLite is told that temporary things belong into files (`temp_store=FILE`), because then it sorts rows
//! within one buffer; told to keep them in memory, it allocates each row of a sort by itself, without
//! bounds.
//!
//! # Safety
//! The C callbacks are called by SQLite alone, with what its VFS contract promises: a file pointer was
//! opened by [`open`] and is closed once, a connection and its files are used from one thread at a time
//! (no workers: the pragma `threads` is fixed), and buffers have the length that is given with them.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use rusqlite::ffi;

use crate::callbacks::{
    characteristics, check_reserved_lock, lock, sector_bytes, to_read, to_write,
};

const CHUNK_BYTES: usize = 64 << 10;
/// All bounded temporary files together, in bytes.
pub const TEMPORARY_BYTES_MAX: usize = 64 << 20;

/// What the files of one VFS may still take.
#[derive(Debug)]
pub struct Budget {
    chunks_left: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            chunks_left: Cell::new(TEMPORARY_BYTES_MAX / CHUNK_BYTES),
            is_exceeded: Cell::new(false),
        }
    }
}

impl Budget {
    /// Whether somebody wanted more since this was last asked.
    pub fn take_exceeded(&self) -> bool {
        self.is_exceeded.take()
    }

    fn take(&self) -> bool {
        let left = self.chunks_left.get();
        match left {
            0 => self.is_exceeded.set(true),
            left => self.chunks_left.set(left - 1),
        }
        left > 0
    }

    fn give(&self, chunks: usize) {
        self.chunks_left.set(self.chunks_left.get() + chunks);
    }
}

/// A temporary file.
struct Memory {
    chunks: Vec<Box<[u8]>>,
    size_bytes: usize,
    purpose: Purpose,
}

/// What a file is for.
pub enum Purpose {
    /// A sort, or a table that a statement makes for itself: within a budget.
    Work(Rc<Budget>),
    /// A temporary table.
    Table,
    /// What takes a statement back.
    Undo,
}

impl Memory {
    fn new(purpose: Purpose) -> Memory {
        Memory {
            chunks: Vec::new(),
            size_bytes: 0,
            purpose,
        }
    }

    /// Reads what there is, and says whether that was all.
    fn read(&self, offset_bytes: u64, mut buffer: &mut [u8]) -> bool {
        let mut at = usize::try_from(offset_bytes).unwrap_or(usize::MAX);
        while !buffer.is_empty() && at < self.size_bytes {
            let (chunk, from) = (at / CHUNK_BYTES, at % CHUNK_BYTES);
            let bytes = buffer
                .len()
                .min(CHUNK_BYTES - from)
                .min(self.size_bytes - at);
            let (place, rest) = buffer.split_at_mut(bytes);
            place.copy_from_slice(&self.chunks[chunk][from..from + bytes]);
            (buffer, at) = (rest, at + bytes);
        }
        buffer.fill(0);
        buffer.is_empty()
    }

    /// Writes all of it; false when there is no room.
    fn write(&mut self, offset_bytes: u64, mut data: &[u8]) -> bool {
        let mut at = usize::try_from(offset_bytes).unwrap_or(usize::MAX);
        let Some(end) = at.checked_add(data.len()) else {
            return false;
        };
        // It stays open as long as the database, and begins anew when nothing in it is needed any more.
        if at == 0 && matches!(self.purpose, Purpose::Undo) {
            self.truncate(0);
        }
        while self.chunks.len() * CHUNK_BYTES < end {
            if let Purpose::Work(budget) = &self.purpose
                && !budget.take()
            {
                return false;
            }
            self.chunks.push(vec![0; CHUNK_BYTES].into());
        }
        while !data.is_empty() {
            let (chunk, from) = (at / CHUNK_BYTES, at % CHUNK_BYTES);
            let (piece, rest) = data.split_at(data.len().min(CHUNK_BYTES - from));
            self.chunks[chunk][from..from + piece.len()].copy_from_slice(piece);
            (data, at) = (rest, at + piece.len());
        }
        self.size_bytes = self.size_bytes.max(end);
        true
    }

    /// Cuts it; what is behind the end reads as zeros if the file grows again.
    fn truncate(&mut self, size_bytes: usize) {
        if size_bytes >= self.size_bytes {
            return;
        }
        let kept = size_bytes.div_ceil(CHUNK_BYTES);
        self.give_back(self.chunks.len() - kept);
        self.chunks.truncate(kept);
        if let Some(last) = self.chunks.last_mut()
            && !size_bytes.is_multiple_of(CHUNK_BYTES)
        {
            last[size_bytes % CHUNK_BYTES..].fill(0);
        }
        self.size_bytes = size_bytes;
    }

    fn give_back(&self, chunks: usize) {
        if let Purpose::Work(budget) = &self.purpose {
            budget.give(chunks);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.give_back(self.chunks.len());
    }
}

/// What SQLite allocates for an open temporary file.
#[repr(C)]
pub struct OpenTemporary {
    base: ffi::sqlite3_file,
    memory: *mut Memory,
}

/// Opens an empty file in the place that SQLite has allocated.
///
/// # Safety
/// `file` points to writable memory, aligned to eight, of as many bytes as [`OpenTemporary`] has.
pub unsafe fn open(file: *mut ffi::sqlite3_file, purpose: Purpose) {
    let memory = Box::into_raw(Box::new(Memory::new(purpose)));
    let base = ffi::sqlite3_file { pMethods: &METHODS };
    // SAFETY: by the contract of this function.
    unsafe {
        file.cast::<OpenTemporary>()
            .write(OpenTemporary { base, memory })
    };
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_bytes),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// The memory of an open file.
///
/// # Safety
/// `file` was opened by [`open`] and is not closed, and nobody else uses its memory while the result is
/// in use: SQLite uses a connection, and so its files, from one thread at a time, and does not call a
/// file from within a call of that file.
unsafe fn memory<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Memory {
    // SAFETY: by the contract, `open` wrote an `OpenTemporary` there.
    let memory = unsafe { (*file.cast::<OpenTemporary>()).memory };
    // SAFETY: it came from a box, which only `close` frees, and nobody else uses it now.
    unsafe { &mut *memory }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` opened.
    let memory = unsafe { (*file.cast::<OpenTemporary>()).memory };
    // SAFETY: it came from a box, and SQLite closes a file once.
    drop(unsafe { Box::from_raw(memory) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `length` writable bytes, which nobody else uses during the call.
    let Some((buffer, offset)) = (unsafe { to_read(buffer, length, offset) }) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: SQLite calls this with a file that `open` opened, one call at a time.
    match unsafe { memory(file) }.read(offset, buffer) {
        true => ffi::SQLITE_OK,
        false => ffi::SQLITE_IOERR_SHORT_READ,
    }
}

/// Without room the statement ends as one does whose value is too large: unlike a full disk, that says
/// nothing of the database.
unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `length` initialised bytes, which nobody changes during the call.
    let Some((data, offset)) = (unsafe { to_write(data, length, offset) }) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite calls this with a file that `open` opened, one call at a time.
    match unsafe { memory(file) }.write(offset, data) {
        true => ffi::SQLITE_OK,
        false => ffi::SQLITE_TOOBIG,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Ok(size) = usize::try_from(size) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: SQLite calls this with a file that `open` opened, one call at a time.
    unsafe { memory(file) }.truncate(size);
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` opened, one call at a time.
    let bytes = unsafe { memory(file) }.size_bytes;
    // SAFETY: SQLite passes a valid pointer to a 64-bit integer.
    unsafe { *size = i64::try_from(bytes).unwrap_or(i64::MAX) };
    ffi::SQLITE_OK
}

/// There is nothing that would have to be on a disk.
unsafe extern "C" fn sync(_: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(budget: &Rc<Budget>) -> Memory {
        Memory::new(Purpose::Work(Rc::clone(budget)))
    }

    #[test]
    fn what_is_written_anywhere_is_read_and_the_rest_is_zeros() {
        let mut seed = 7_u64;
        let mut next = |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % end
        };
        let budget = Rc::default();
        let mut file = memory(&budget);
        let mut twin: Vec<u8> = Vec::new();
        for round in 0..300 {
            let at = next(3 * CHUNK_BYTES);
            let data = vec![(round % 250) as u8 + 1; next(CHUNK_BYTES + 10)];
            assert!(file.write(at as u64, &data));
            twin.resize(twin.len().max(at + data.len()), 0);
            twin[at..at + data.len()].copy_from_slice(&data);
            if next(4) == 0 {
                let size = next(twin.len() + 1);
                file.truncate(size);
                twin.truncate(size);
            }
            let (at, bytes) = (next(3 * CHUNK_BYTES), next(2 * CHUNK_BYTES));
            let mut read = vec![9; bytes];
            let is_whole = file.read(at as u64, &mut read);
            let there = twin.get(at..).unwrap_or(&[]);
            let there = &there[..there.len().min(bytes)];
            assert_eq!(&read[..there.len()], there);
            assert!(read[there.len()..].iter().all(|byte| *byte == 0));
            assert_eq!(is_whole, there.len() == bytes);
            assert_eq!(file.size_bytes, twin.len());
        }
    }

    #[test]
    fn what_takes_back_begins_anew_at_its_beginning_and_a_table_does_not() {
        for (purpose, size_bytes) in [
            (Purpose::Undo, 3),
            (Purpose::Table, TEMPORARY_BYTES_MAX + 2),
        ] {
            let mut file = Memory::new(purpose);
            assert!(file.write(TEMPORARY_BYTES_MAX as u64 + 1, b"x"));
            assert!(file.write(0, b"abc"));
            assert_eq!(file.size_bytes, size_bytes);
            assert_eq!(file.chunks.len(), size_bytes.div_ceil(CHUNK_BYTES));
            let mut read = [9; 4];
            assert_eq!(file.read(0, &mut read), size_bytes >= 4);
            assert_eq!(&read, b"abc\0");
        }
    }

    #[test]
    fn all_files_together_are_bounded_and_what_is_closed_is_free_again() {
        let budget = Rc::default();
        let (mut one, mut other) = (memory(&budget), memory(&budget));
        let half = TEMPORARY_BYTES_MAX as u64 / 2;
        assert!(one.write(half - 1, b"x") && other.write(half - 1, b"x"));
        assert!(!budget.take_exceeded());
        assert!(!one.write(half, b"x"));
        assert!(budget.take_exceeded() && !budget.take_exceeded());
        drop(other);
        assert!(one.write(half, b"x"));
        one.truncate(0);
        assert_eq!(budget.chunks_left.get(), TEMPORARY_BYTES_MAX / CHUNK_BYTES);
    }
}
