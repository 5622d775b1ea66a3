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
    // SAFETY: the caller passes NULL or a buffer that is not freed.
    unsafe { view(buffer) }.map_or(std::ptr::null(), |text| text.as_ptr().cast())
}

/// The length of the text in bytes, without the NUL. 0 for NULL. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_buffer_len(buffer: *const qmp_buffer) -> usize {
    // SAFETY: the caller passes NULL or a buffer that is not freed.
    unsafe { view(buffer) }.map_or(0, <[u8]>::len)
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

// SAFETY: `buffer` is NULL or came from `give` and outlives 'a.
unsafe fn view<'a>(buffer: *const qmp_buffer) -> Option<&'a [u8]> {
    // SAFETY: see above.
    (!buffer.is_null()).then(|| unsafe { Buffer::bytes_of(buffer.cast::<Block>()) })
}
