//! What the C functions of all files have in common, those on the disk ([`crate::vfs`]) and those in
//! memory ([`crate::temporary`]): places in buffers, and answers that are the same for each.
//!
//! # Safety
//! The callbacks are called by SQLite alone, as its VFS contract says: pointers to results are valid.

use std::ffi::{c_int, c_void};
use std::ptr;

use rusqlite::ffi;

const SECTOR_BYTES: c_int = 4096;

/// The buffer of a read, set to zeros, and where in the file it begins; none for negative numbers.
///
/// # Safety
/// `buffer` points to `length` writable bytes, which may be uninitialised and which nobody else uses while
/// the result is in use.
pub unsafe fn to_read<'a>(
    buffer: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> Option<(&'a mut [u8], u64)> {
    let (length, offset) = (usize::try_from(length).ok()?, u64::try_from(offset).ok()?);
    // SAFETY: by the contract of this function.
    unsafe { ptr::write_bytes(buffer.cast::<u8>(), 0, length) };
    // SAFETY: by the contract, and initialised just now.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    Some((buffer, offset))
}

/// The data of a write, and where in the file it belongs; none for negative numbers.
///
/// # Safety
/// `data` points to `length` initialised bytes, which nobody changes while the result is in use.
pub unsafe fn to_write<'a>(
    data: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> Option<(&'a [u8], u64)> {
    let (length, offset) = (usize::try_from(length).ok()?, u64::try_from(offset).ok()?);
    // SAFETY: by the contract of this function.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) };
    Some((data, offset))
}

/// The one connection has the files for itself.
pub unsafe extern "C" fn lock(_: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

/// Nobody else holds a lock.
pub unsafe extern "C" fn check_reserved_lock(
    _: *mut ffi::sqlite3_file,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a valid pointer to an int.
    unsafe { *result = 0 };
    ffi::SQLITE_OK
}

/// A block of the file system.
pub unsafe extern "C" fn sector_bytes(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES
}

/// A write that does not fill its block rewrites the rest with the same bytes, so that even a torn
/// one leaves them as they were. Nothing more is promised: neither order nor atomicity.
pub unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
