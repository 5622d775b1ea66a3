//! The greeting of a QMP session (qmp-spec, "Server Greeting"). Many machines greet with the same words: who knows them need
//! not read them again.

use serde_json::Value;

use crate::error::{Code, Error, Result};

/// A greeting that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Greeting {
    text: Box<[u8]>,
    offers_oob: bool,
}

impl Greeting {
    /// Reads a greeting; `value` is that of `QMP`.
    pub fn read(text: &[u8], value: &[u8]) -> Result<Greeting> {
        let read: Value = serde_json::from_slice(value)
            .map_err(|why| Error::new(Code::Protocol, format!("the greeting cannot be read: {why}")))?;
        let offered = read.get("capabilities").and_then(Value::as_array);
        let offers_oob = offered.is_some_and(|list| list.iter().any(|c| c.as_str() == Some("oob")));
        Ok(Greeting { text: text.into(), offers_oob })
    }

    /// As it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Is out-of-band execution offered?
    pub fn offers_oob(&self) -> bool {
        self.offers_oob
    }

    /// The length of this greeting at the front of `buf` with QEMU's line end behind it, if it is there.
    pub fn line_at_front(&self, buf: &[u8]) -> Option<usize> {
        let rest = buf.strip_prefix(&*self.text)?.strip_prefix(b"\r\n")?;
        buf.len().checked_sub(rest.len())
    }
}
