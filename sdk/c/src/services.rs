//! What app-services does for the app, in its own words: one JSON object there, one back. manifest/src/services.rs has them.

use crate::text::text;
use sdk::services::{ServiceError, Services};
use std::{
    ffi::{CString, c_char, c_int},
    os::fd::IntoRawFd,
    ptr,
};

/// Asks app-services, such as `{"memory":{}}`. Returns 0 with the reply, `{"ok":…}` or `{"error":…}`, in `*reply`, to be freed by
/// holdfast_free; a descriptor that came along is in `*descriptor`, or -1. `descriptor` may be NULL: then one is closed. Waits for
/// the reply, which for `accept` and `updates` comes when something happens. -EACCES: the manifest lists no right to a service.
/// -EBADMSG: it is no request. -EPIPE: the connection broke; it may have been carried out. -EPROTO: what came is no reply.
///
/// ```c
/// char *reply;
///
/// if (holdfast_ask("{\"memory\":{}}", &reply, NULL) == 0) {
///         puts(reply);
///         holdfast_free(reply);
/// }
/// ```
///
/// # Safety
///
/// `request` is NULL or a text that ends with NUL; `reply` is NULL or room for a pointer; `descriptor` is NULL or room for an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_ask(request: *const c_char, reply: *mut *mut c_char, descriptor: *mut c_int) -> c_int {
    // SAFETY: passed on as the caller promised it.
    let Some(request) = (unsafe { text(request) }) else { return -libc::EINVAL };
    if reply.is_null() {
        return -libc::EINVAL;
    }
    let Ok(request) = serde_json::from_str(request) else { return -libc::EBADMSG };
    let (answer, passed) = match Services::from_environment().ask_as_told(&request) {
        Ok(answered) => answered,
        Err(ServiceError::NoSocket) => return -libc::EACCES,
        Err(ServiceError::Broken(_)) => return -libc::EPIPE,
        Err(_) => return -libc::EPROTO,
    };
    let Ok(answer) = CString::new(answer) else { return -libc::EPROTO };
    // SAFETY: the caller promises room for a pointer, which is not NULL.
    unsafe { ptr::write(reply, answer.into_raw()) };
    if !descriptor.is_null() {
        // SAFETY: the caller promises room for an int, which is not NULL.
        unsafe { ptr::write(descriptor, passed.map_or(-1, IntoRawFd::into_raw_fd)) };
    }
    0
}

/// Frees a reply of holdfast_ask; NULL is none.
///
/// # Safety
///
/// `reply` is NULL or came from holdfast_ask and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_free(reply: *mut c_char) {
    if !reply.is_null() {
        // SAFETY: the caller promises that `CString::into_raw` made it and that this is its only end.
        drop(unsafe { CString::from_raw(reply) });
    }
}
