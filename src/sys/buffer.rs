//! Owned JSON text, NUL-terminated, behind one thin pointer: what a `qmp_buffer` is.
//!
//! A short text shares one heap block with its header, so that a reply costs one allocation. A long one arrives in a
//! `Vec` that is taken over as it is, so that it costs no copy.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::Range;
use std::ptr::NonNull;

use super::text::Text;

/// An owned text with a NUL behind it. The text itself holds no NUL.
pub struct Buffer(NonNull<Block>);

/// The header in front of (or apart from) the bytes.
#[repr(C)]
pub struct Block {
    data: *const u8,
    len: usize,
    store: Store,
}

enum Store {
    /// The bytes follow the header in the same heap block.
    Inline,
    /// The bytes lie in here.
    Vec(#[allow(dead_code)] Vec<u8>),
}

// SAFETY: a Buffer is the only owner of its block, and the block points only to what it owns.
unsafe impl Send for Buffer {}
// SAFETY: a shared Buffer can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The parts, one after the other, in one allocation.
    pub fn concat(parts: &[&[u8]]) -> Buffer {
        let len = parts.iter().map(|part| part.len()).sum();
        let layout = inline_layout(len);
        // SAFETY: the layout is never of size zero; it has room for the header, `len` bytes and the NUL.
        unsafe {
            let Some(block) = NonNull::new(alloc(layout).cast::<Block>()) else { handle_alloc_error(layout) };
            let data = block.as_ptr().add(1).cast::<u8>();
            let mut at = data;
            for part in parts.iter().filter(|part| !part.is_empty()) {
                at.copy_from_nonoverlapping(part.as_ptr(), part.len());
                at = at.add(part.len());
            }
            at.write(0);
            block.as_ptr().write(Block { data, len, store: Store::Inline });
            Buffer(block)
        }
    }

    /// The given part of `bytes`, without copying it: what follows it is cut off, what precedes it stays in memory.
    pub fn from_vec(mut bytes: Vec<u8>, part: Range<usize>) -> Buffer {
        let end = part.end.min(bytes.len());
        let start = part.start.min(end);
        bytes.truncate(end);
        bytes.push(0);
        let block = Box::new(Block { data: bytes[start..].as_ptr(), len: end - start, store: Store::Vec(bytes) });
        Buffer(NonNull::from(Box::leak(block)))
    }

    /// The text without its NUL.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: this Buffer owns the block.
        unsafe { Buffer::bytes_of(self.0.as_ptr()) }
    }

    /// The text with its NUL, for C.
    pub fn as_text(&self) -> Text<'_> {
        // SAFETY: this Buffer owns the block; a NUL lies behind the text.
        Text::written(unsafe {
            let block = self.0.as_ref();
            std::slice::from_raw_parts(block.data, block.len + 1)
        })
    }

    /// Gives up ownership; [`Buffer::from_raw`] takes it back.
    pub fn into_raw(self) -> *mut Block {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }

    /// Takes back what [`Buffer::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// The pointer must come from `into_raw`, and must not be used again.
    pub unsafe fn from_raw(raw: *mut Block) -> Buffer {
        // SAFETY: the caller's promise.
        Buffer(unsafe { NonNull::new_unchecked(raw) })
    }

    /// The text of a block that somebody else owns.
    ///
    /// # Safety
    ///
    /// The pointer must come from `into_raw`, and its owner must outlive `'a`.
    pub unsafe fn bytes_of<'a>(raw: *const Block) -> &'a [u8] {
        // SAFETY: the caller's promise; data and len describe memory that the block owns.
        unsafe { std::slice::from_raw_parts((*raw).data, (*raw).len) }
    }

    /// Where that text begins, to be read as far as its NUL, where [`Buffer::bytes_of`] does not reach.
    ///
    /// # Safety
    ///
    /// The pointer must come from `into_raw`, and its owner must live.
    pub unsafe fn data_of(raw: *const Block) -> *const u8 {
        // SAFETY: the caller's promise.
        unsafe { (*raw).data }
    }
}

impl From<Text<'_>> for Buffer {
    fn from(text: Text<'_>) -> Buffer {
        Buffer::concat(&[text.as_bytes()])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: this Buffer owns the block, which `concat` or `from_vec` made in just this way.
        unsafe {
            match &self.0.as_ref().store {
                Store::Inline => dealloc(self.0.as_ptr().cast(), inline_layout(self.0.as_ref().len)),
                Store::Vec(_) => drop(Box::from_raw(self.0.as_ptr())),
            }
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({:?})", String::from_utf8_lossy(self.as_bytes()))
    }
}

fn inline_layout(len: usize) -> Layout {
    let size = size_of::<Block>().saturating_add(len).saturating_add(1);
    // A text that long never arrives (messages are bounded far below), so this is unreachable but for a caller's mistake.
    Layout::from_size_align(size, align_of::<Block>()).unwrap_or_else(|_| handle_alloc_error(Layout::new::<Block>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_end_in_nul() {
        for text in [&b""[..], b"{}", b"{\"return\": {}}", &[b'x'; 100_000]] {
            let (head, tail) = text.split_at(text.len() / 2);
            let copied = Buffer::concat(&[head, tail]);
            let mut vec = b"junk".to_vec();
            vec.extend_from_slice(text);
            vec.extend_from_slice(b"more");
            let taken = Buffer::from_vec(vec, 4..4 + text.len());
            for buffer in [copied, taken] {
                assert_eq!(buffer.as_bytes(), text);
                assert_eq!(buffer.as_text().as_bytes(), text);
                let raw = buffer.into_raw();
                // SAFETY: `raw` was given up just now.
                let again = unsafe { Buffer::from_raw(raw) };
                assert_eq!(again.as_bytes(), text);
            }
        }
    }

    #[test]
    fn a_range_beyond_the_vec_is_clamped() {
        assert_eq!(Buffer::from_vec(b"abc".to_vec(), 2..9).as_bytes(), b"c");
        assert_eq!(Buffer::from_vec(b"abc".to_vec(), 7..9).as_bytes(), b"");
    }
}
