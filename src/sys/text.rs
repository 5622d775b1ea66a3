//! A borrowed text with a NUL behind it: what a C callback is lent, without looking for the NUL again.

use std::ffi::c_char;

/// Bytes with a NUL behind them. If they hold another NUL, C sees the part before it.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    with_nul: &'a [u8],
}

impl<'a> Text<'a> {
    /// The bytes before the last one, which must be a NUL; else an empty text.
    pub fn new(with_nul: &'a [u8]) -> Self {
        Text { with_nul: if with_nul.last() == Some(&0) { with_nul } else { b"\0" } }
    }

    /// Bytes that were written with a NUL behind them.
    pub(super) fn written(with_nul: &'a [u8]) -> Self {
        debug_assert_eq!(with_nul.last(), Some(&0));
        Text { with_nul }
    }

    /// The text without its NUL.
    pub fn as_bytes(self) -> &'a [u8] {
        &self.with_nul[..self.with_nul.len() - 1]
    }

    /// The text as C wants it.
    pub fn as_ptr(self) -> *const c_char {
        self.with_nul.as_ptr().cast()
    }
}

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}
