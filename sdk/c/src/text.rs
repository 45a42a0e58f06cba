//! Pointers from C become references.

use std::{
    ffi::{CStr, c_char},
    mem::MaybeUninit,
};

/// A text that C passed, or nothing for NULL and for what is not UTF-8.
///
/// # Safety
///
/// `text` is NULL, or points at a text that ends with NUL and does not change while this borrow lives.
pub unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller promises a text that ends with NUL, and the pointer is not NULL.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// Bytes that C passed; none for NULL.
///
/// # Safety
///
/// `bytes` is NULL, or points at `length` bytes that do not change while this borrow lives.
pub unsafe fn bytes<'a>(bytes: *const u8, length: usize) -> Option<&'a [u8]> {
    if bytes.is_null() || length > isize::MAX as usize {
        return None;
    }
    // SAFETY: the caller promises so many bytes, the pointer is not NULL, and the length is within what a slice may have.
    Some(unsafe { std::slice::from_raw_parts(bytes, length) })
}

/// Room that C passed, whatever is in it; none for NULL.
///
/// # Safety
///
/// `room` is NULL, or points at room for `count` values that nobody else uses while this borrow lives.
pub unsafe fn room<'a, T: Copy>(room: *mut T, count: usize) -> Option<&'a mut [MaybeUninit<T>]> {
    if room.is_null() || count > isize::MAX as usize / size_of::<T>().max(1) {
        return None;
    }
    // SAFETY: the caller promises room for so many values and that it is theirs alone; the pointer is not NULL, the size is within
    // what a slice may have, and whatever is there is a `MaybeUninit`.
    Some(unsafe { std::slice::from_raw_parts_mut(room.cast(), count) })
}
