//! The app's storage.

use crate::text::{bytes, room, text};
use sdk::storage::{Storage, StorageError};
use std::{
    error::Error,
    ffi::{c_char, c_int},
    io,
};

fn number(error: &StorageError) -> c_int {
    match error {
        StorageError::NotGranted => -libc::EACCES,
        StorageError::Name(_) => -libc::EINVAL,
        StorageError::TooLong(_) => -libc::EFBIG,
        StorageError::File { .. } => {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
            -cause.and_then(io::Error::raw_os_error).unwrap_or(libc::EIO)
        }
    }
}

/// Reads a file whole; its length. -ENOENT: there is none. -ERANGE: it has more than `size` bytes, and nothing was read.
///
/// # Safety
///
/// `name` is NULL or a text that ends with NUL; `into` is NULL or room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_storage_read(name: *const c_char, into: *mut u8, size: usize) -> isize {
    // SAFETY: passed on as the caller promised it.
    let (Some(name), Some(into)) = (unsafe { text(name) }, unsafe { room(into, size) }) else { return -(libc::EINVAL as isize) };
    match Storage::open().and_then(|storage| storage.read(name)) {
        Ok(None) => -(libc::ENOENT as isize),
        Ok(Some(content)) => match into.get_mut(..content.len()) {
            Some(room) => {
                room.write_copy_of_slice(&content);
                content.len().cast_signed()
            }
            None => -(libc::ERANGE as isize),
        },
        Err(e) => number(&e) as isize,
    }
}

/// Replaces a file: when this returns 0, the new content survives a power cut; before, the old or the new one is there, whole.
/// -EDQUOT: the quota is used up.
///
/// ```c
/// uint8_t count = 0;
///
/// if (holdfast_storage_read("count", &count, 1) < 0)
///         puts("none yet");
/// count++;
/// if (holdfast_storage_write("count", &count, 1) != 0)
///         return 1;
/// ```
///
/// # Safety
///
/// `name` is NULL or a text that ends with NUL; `content` is NULL or `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_storage_write(name: *const c_char, content: *const u8, length: usize) -> c_int {
    // SAFETY: passed on as the caller promised it.
    let (Some(name), Some(content)) = (unsafe { text(name) }, unsafe { bytes(content, length) }) else { return -libc::EINVAL };
    Storage::open().and_then(|storage| storage.write(name, content)).map_or_else(|e| number(&e), |()| 0)
}

/// Removes a file; one that is not there is no failure.
///
/// # Safety
///
/// `name` is NULL or a text that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_storage_remove(name: *const c_char) -> c_int {
    // SAFETY: passed on as the caller promised it.
    let Some(name) = (unsafe { text(name) }) else { return -libc::EINVAL };
    Storage::open().and_then(|storage| storage.remove(name)).map_or_else(|e| number(&e), |()| 0)
}
