//! Owned JSON buffers.

use std::ffi::c_char;

use super::enter;
use crate::sys::buffer::{Block, Buffer};

/// JSON text that the caller owns. It is UTF-8, NUL-terminated, and holds no other NUL.
#[allow(non_camel_case_types)]
pub struct qmp_buffer(());

/// The text, NUL-terminated; valid until the buffer is freed. NULL for NULL. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_buffer_data(buffer: *const qmp_buffer) -> *const c_char {
    if buffer.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the caller passes NULL or a buffer that is not freed.
    unsafe { Buffer::data_of(buffer.cast::<Block>()) }.cast()
}

/// The length of the text in bytes, without the NUL. 0 for NULL. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_buffer_len(buffer: *const qmp_buffer) -> usize {
    if buffer.is_null() {
        return 0;
    }
    // SAFETY: the caller passes NULL or a buffer that is not freed.
    unsafe { Buffer::bytes_of(buffer.cast::<Block>()) }.len()
}

/// Frees a buffer. NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_buffer_free(buffer: *mut qmp_buffer) {
    if !buffer.is_null() {
        enter(std::ptr::null_mut(), || {
            // SAFETY: the pointer came from `give`, and the caller gives it up.
            drop(unsafe { Buffer::from_raw(buffer.cast::<Block>()) });
            Ok(0)
        });
    }
}

/// Hands a buffer to the caller.
pub(super) fn give(buffer: Buffer) -> *mut qmp_buffer {
    buffer.into_raw().cast()
}
