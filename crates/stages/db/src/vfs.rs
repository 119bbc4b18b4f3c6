//! The file layer that SQLite calls: C on one side, [`Files`] on the other.
//!
//! Each instance registers under a name of its own, never as the default, and is used from the
//! thread that made it only. Only a database, its log and its journal can be opened, and temporary
//! files, which are memory ([`crate::temporary`]). Nothing here reaches the host's file system.
//!
//! # Safety
//! The C callbacks are called by SQLite alone, with what its VFS contract promises: the VFS pointer
//! is the one that was registered here and lives until it is unregistered; a file pointer has
//! `szOsFile` bytes and was opened by `open`; names end with a zero byte; buffers have the length
//! that is given with them; and nothing is called after the last connection was closed.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::hash::{BuildHasher, RandomState};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::ffi;

use crate::DbError;
use crate::callbacks::{
    characteristics, check_reserved_lock, lock, sector_bytes, to_read, to_write,
};
use crate::disk::Disk;
use crate::file::{FileError, Files, Role};
use crate::temporary::{self, Budget, OpenTemporary, Purpose};

const PATH_BYTES_MAX: c_int = 512;
/// Milliseconds from the Julian epoch, in which SQLite counts, to the Unix epoch.
const UNIX_EPOCH_MS: i64 = 210_866_760_000_000;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// What the VFS's application pointer points to.
struct Shared<D> {
    files: RefCell<Files<D>>,
    temporary: Rc<Budget>,
    thread: ThreadId,
    name: CString,
}

/// What a temporary file is for: SQLite sorts into what it calls a temporary journal. None of another one.
fn purpose(flags: c_int, budget: &Rc<Budget>) -> Option<Purpose> {
    match flags {
        flags if flags & ffi::SQLITE_OPEN_TEMP_DB != 0 => Some(Purpose::Table),
        flags if flags & ffi::SQLITE_OPEN_SUBJOURNAL != 0 => Some(Purpose::Undo),
        flags if flags & (ffi::SQLITE_OPEN_TRANSIENT_DB | ffi::SQLITE_OPEN_TEMP_JOURNAL) != 0 => {
            Some(Purpose::Work(Rc::clone(budget)))
        }
        _ => None,
    }
}

/// A registered VFS. Dropping it unregisters it; no connection may be open on it then.
pub struct Vfs<D: Disk> {
    raw: NonNull<ffi::sqlite3_vfs>,
    shared: NonNull<Shared<D>>,
}

/// What SQLite allocates for an open file (`szOsFile` bytes).
#[repr(C)]
struct OpenFile<D> {
    base: ffi::sqlite3_file,
    shared: *const Shared<D>,
    slot: usize,
}

impl<D: Disk + 'static> Vfs<D> {
    /// Registers a VFS over `files`, under a new name.
    pub fn register(files: Files<D>) -> Result<Self, DbError> {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("brigade-db-{number}")).unwrap_or_default();
        let shared = Shared {
            files: RefCell::new(files),
            temporary: Rc::default(),
            thread: std::thread::current().id(),
            name,
        };
        let shared = NonNull::from(Box::leak(Box::new(shared)));
        // SAFETY: just leaked from a box, so it is valid; freed only by `drop`.
        let name = unsafe { shared.as_ref() }.name.as_ptr();
        let raw = NonNull::from(Box::leak(Box::new(table::<D>(
            name,
            shared.as_ptr().cast(),
        ))));
        let vfs = Vfs { raw, shared };
        // SAFETY: `raw` is a complete table that stays at its place until `drop` has
        // unregistered it; SQLite initialises itself when that is still to be done.
        let code = unsafe { ffi::sqlite3_vfs_register(raw.as_ptr(), 0) };
        if code == ffi::SQLITE_OK {
            Ok(vfs)
        } else {
            Err(DbError::Register(code))
        }
    }

    /// The name to open a connection with.
    pub fn name(&self) -> &CStr {
        &self.shared().name
    }

    /// The open files, not to be borrowed while SQLite runs.
    pub fn files(&self) -> &RefCell<Files<D>> {
        &self.shared().files
    }

    /// What its temporary files may take.
    pub fn temporary(&self) -> &Budget {
        &self.shared().temporary
    }

    fn shared(&self) -> &Shared<D> {
        // SAFETY: allocated by `register`, freed only by `drop`, and only shared references to
        // it are ever made.
        unsafe { self.shared.as_ref() }
    }
}

impl<D: Disk> Drop for Vfs<D> {
    fn drop(&mut self) {
        // SAFETY: `raw` was registered by `register`; unregistering one that is not is allowed.
        // The owner closes its connection first, so that no file refers to it any more.
        unsafe { ffi::sqlite3_vfs_unregister(self.raw.as_ptr()) };
        // SAFETY: made from a box in `register`; unregistered, so that SQLite does not know it.
        drop(unsafe { Box::from_raw(self.raw.as_ptr()) });
        // SAFETY: made from a box in `register`; only the table freed above pointed to it.
        drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
    }
}

fn table<D: Disk + 'static>(name: *const c_char, shared: *mut c_void) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<OpenFile<D>>().max(size_of::<OpenTemporary>()) as c_int,
        mxPathname: PATH_BYTES_MAX,
        pNext: ptr::null_mut(),
        zName: name,
        pAppData: shared,
        xOpen: Some(open::<D>),
        xDelete: Some(delete::<D>),
        xAccess: Some(access::<D>),
        xFullPathname: Some(full_pathname),
        // Extensions cannot be loaded: the connection never enables it.
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

struct Methods<D>(std::marker::PhantomData<D>);

impl<D: Disk + 'static> Methods<D> {
    /// Version 1: without shared memory and mapping, so WAL needs `locking_mode=EXCLUSIVE`.
    const IO: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
        iVersion: 1,
        xClose: Some(close::<D>),
        xRead: Some(read::<D>),
        xWrite: Some(write::<D>),
        xTruncate: Some(truncate::<D>),
        xSync: Some(sync::<D>),
        xFileSize: Some(file_size::<D>),
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
}

/// The result code of an operation that fails with `failed` unless there is a better one.
fn code<T>(result: Result<T, FileError>, failed: c_int) -> c_int {
    match result {
        Ok(_) => ffi::SQLITE_OK,
        Err(FileError::Full) => ffi::SQLITE_FULL,
        Err(FileError::ShortRead) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(FileError::Missing | FileError::Failed(_)) => failed,
    }
}

/// What belongs to a VFS, unless it is called from a thread that it does not belong to.
///
/// # Safety
/// `vfs` is a table that [`Vfs::register`] made and that is registered.
unsafe fn shared_of<'a, D: Disk>(vfs: *mut ffi::sqlite3_vfs) -> Option<&'a Shared<D>> {
    // SAFETY: by the contract of this function the table is alive and not changed by anyone.
    let shared = unsafe { (*vfs).pAppData }.cast::<Shared<D>>();
    // SAFETY: `register` set it to a `Shared<D>` (the table's functions have the same `D`) that
    // lives as long as the table is registered, and to which no exclusive reference exists.
    let shared = unsafe { &*shared };
    // Opening through the name from elsewhere would race with the owner.
    (shared.thread == std::thread::current().id()).then_some(shared)
}

/// Runs `operation` on the file that SQLite names.
///
/// # Safety
/// `file` is a file that [`open`] opened with the same `D` and that is not closed.
unsafe fn on_file<D: Disk, T>(
    file: *mut ffi::sqlite3_file,
    operation: impl FnOnce(&mut Files<D>, usize) -> T,
) -> T {
    // SAFETY: SQLite allocated `szOsFile` bytes for it, aligned to eight, and `open` filled in
    // an `OpenFile<D>`; SQLite uses a connection from one thread at a time.
    let open = unsafe { &*file.cast::<OpenFile<D>>() };
    // SAFETY: the `Shared` outlives every connection of its VFS (see `Vfs`).
    let shared = unsafe { &*open.shared };
    // Not borrowed already: SQLite, suspended inside an operation, starts no other one.
    operation(&mut shared.files.borrow_mut(), open.slot)
}

/// The files of a VFS and the path that SQLite names; `None` for a foreign thread, a null path or
/// one that is not UTF-8.
///
/// # Safety
/// As for [`shared_of`]; and `path` is null, or a C string that lives while the result is used.
unsafe fn named<'a, D: Disk>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
) -> Option<(&'a RefCell<Files<D>>, &'a str)> {
    // SAFETY: by the contract of this function.
    let files = &unsafe { shared_of::<D>(vfs) }?.files;
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string by the contract of this function.
    let path = unsafe { CStr::from_ptr(path) };
    Some((files, path.to_str().ok()?))
}

unsafe extern "C" fn open<D: Disk + 'static>(
    vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes memory of `szOsFile` bytes. Without methods, SQLite does not close a
    // file that could not be opened.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: SQLite calls this with the registered table.
    let Some(shared) = (unsafe { shared_of::<D>(vfs) }) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if let Some(purpose) = purpose(flags, &shared.temporary) {
        // SAFETY: SQLite passes `szOsFile` writable bytes, aligned to eight: as many as that takes.
        unsafe { temporary::open(file, purpose) };
        // SAFETY: null, or it points to an int of SQLite's.
        if let Some(out) = unsafe { flags_out.as_mut() } {
            *out = flags;
        }
        return ffi::SQLITE_OK;
    }
    let role = match flags {
        flags if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => Role::Database,
        flags if flags & ffi::SQLITE_OPEN_WAL != 0 => Role::Wal,
        flags if flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0 => Role::Journal,
        _ => return ffi::SQLITE_CANTOPEN,
    };
    // SAFETY: SQLite calls this with the registered table; the path is null or a C string.
    let named = unsafe { named::<D>(vfs, path) };
    let Some((files, path)) = named else {
        return ffi::SQLITE_CANTOPEN;
    };
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let slot = match files.borrow_mut().open(path, role, create) {
        Ok(slot) => slot,
        Err(error) => return code(Err::<(), _>(error), ffi::SQLITE_CANTOPEN),
    };
    let base = ffi::sqlite3_file {
        pMethods: &Methods::<D>::IO,
    };
    // SAFETY: the table is registered, and its application pointer is set once.
    let shared = unsafe { (*vfs).pAppData }.cast::<Shared<D>>().cast_const();
    // SAFETY: SQLite passes `szOsFile` writable bytes, aligned to eight.
    unsafe {
        file.cast::<OpenFile<D>>()
            .write(OpenFile { base, shared, slot })
    };
    if !flags_out.is_null() {
        // SAFETY: not null, so it points to an int of SQLite's.
        unsafe { *flags_out = flags };
    }
    ffi::SQLITE_OK
}

/// Used for the journal at set-up only, so the directory need not be synced: at worst the
/// journal comes back and takes the set-up back.
unsafe extern "C" fn delete<D: Disk>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the registered table; the path is null or a C string.
    let named = unsafe { named::<D>(vfs, path) };
    let Some((files, path)) = named else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let removed = files.borrow_mut().remove(path);
    if removed == Err(FileError::Missing) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    code(removed, ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access<D: Disk>(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the registered table; the path is null or a C string.
    let named = unsafe { named::<D>(vfs, path) };
    let Some((files, path)) = named else {
        return ffi::SQLITE_IOERR_ACCESS;
    };
    let exists = files.borrow_mut().exists(path);
    // SAFETY: SQLite passes a valid pointer to an int.
    unsafe { *result = c_int::from(exists == Ok(true)) };
    code(exists, ffi::SQLITE_IOERR_ACCESS)
}

/// A name is complete as it is: there are no directories.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a C string.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if path.len() > usize::try_from(room).unwrap_or(0) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `full` has `room` writable bytes, and the path with its end fits them; the two are
    // different buffers.
    unsafe { ptr::copy_nonoverlapping(path.as_ptr().cast(), full, path.len()) };
    ffi::SQLITE_OK
}

/// Bytes keyed by the process's random hash keys: SQLite uses them for salts and names, not for
/// secrets.
unsafe extern "C" fn randomness(
    _: *mut ffi::sqlite3_vfs,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    let length = usize::try_from(length).unwrap_or(0);
    // SAFETY: SQLite passes `length` writable bytes, which nobody else uses during the call.
    unsafe { ptr::write_bytes(out, 0, length) };
    // SAFETY: as above, and initialised just now.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), length) };
    for chunk in out.chunks_mut(8) {
        let word = RandomState::new().hash_one(0).to_ne_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    length as c_int
}

/// Claims to have slept: a stage never blocks its core, and nobody else holds a lock.
unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, days: *mut f64) -> c_int {
    // SAFETY: SQLite passes a valid pointer to a double.
    unsafe { *days = julian_ms() as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_ms(
    _: *mut ffi::sqlite3_vfs,
    ms: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes a valid pointer to a 64-bit integer.
    unsafe { *ms = julian_ms() };
    ffi::SQLITE_OK
}

fn julian_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    UNIX_EPOCH_MS.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close<D: Disk>(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` opened.
    let closed = unsafe { on_file::<D, _>(file, |files, slot| files.close(slot)) };
    code(closed, ffi::SQLITE_IOERR_CLOSE)
}

unsafe extern "C" fn read<D: Disk>(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `length` writable bytes, which nobody else uses during the call.
    let Some((buffer, offset)) = (unsafe { to_read(buffer, length, offset) }) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: SQLite calls this with a file that `open` opened.
    let done = unsafe { on_file::<D, _>(file, |files, slot| files.read(slot, offset, buffer)) };
    code(done, ffi::SQLITE_IOERR_READ)
}

unsafe extern "C" fn write<D: Disk>(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `length` initialised bytes, which nobody changes during the call.
    let Some((data, offset)) = (unsafe { to_write(data, length, offset) }) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite calls this with a file that `open` opened.
    let done = unsafe { on_file::<D, _>(file, |files, slot| files.write(slot, offset, data)) };
    code(done, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate<D: Disk>(
    file: *mut ffi::sqlite3_file,
    size: ffi::sqlite3_int64,
) -> c_int {
    let Ok(size) = u64::try_from(size) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: SQLite calls this with a file that `open` opened.
    let done = unsafe { on_file::<D, _>(file, |files, slot| files.truncate(slot, size)) };
    code(done, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync<D: Disk>(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` opened.
    let done = unsafe { on_file::<D, _>(file, |files, slot| files.sync(slot)) };
    code(done, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size<D: Disk>(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` opened.
    let found = unsafe { on_file::<D, _>(file, |files, slot| files.size(slot)) };
    let bytes = i64::try_from(found.unwrap_or(0)).unwrap_or(i64::MAX);
    // SAFETY: SQLite passes a valid pointer to a 64-bit integer.
    unsafe { *size = bytes };
    code(found, ffi::SQLITE_IOERR_FSTAT)
}

unsafe extern "C" fn file_control(
    _: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    match operation {
        // The log's file is kept, with its blocks; and a write leaves its neighbours alone.
        ffi::SQLITE_FCNTL_PERSIST_WAL | ffi::SQLITE_FCNTL_POWERSAFE_OVERWRITE => {
            // SAFETY: for these two operations the argument points to an int.
            unsafe { *argument.cast::<c_int>() = 1 };
            ffi::SQLITE_OK
        }
        _ => ffi::SQLITE_NOTFOUND,
    }
}
