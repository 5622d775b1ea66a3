//! From a framed reply to what the caller gets: his own id back, the value of `return`, or QEMU's error.

use serde_json::Value;

use super::frame::Message;
use crate::error::Error;

/// The pieces of a whole reply in which the wire id is replaced by the caller's, or cut out if he gave none.
pub fn envelope<'a>(buf: &'a [u8], message: &Message, caller_id: Option<&'a [u8]>) -> [&'a [u8]; 4] {
    let part = |start: usize, end: usize| buf.get(start..end).unwrap_or_default();
    let (start, end) = (message.start, message.end);
    match caller_id {
        None => {
            [part(start, message.id_member.start.max(start)), part(message.id_member.end.max(start), end), b"", b""]
        }
        Some(id) if message.id_value.is_empty() => {
            // An error that QEMU could not match to a request, attached to the only one there was.
            [part(start, end.saturating_sub(1)), b", \"id\": ", id, b"}"]
        }
        Some(id) => [part(start, message.id_value.start), id, part(message.id_value.end, end), b""],
    }
}

/// QEMU's error answer as an error: `value` is that of `error`, `reply` the whole envelope for the caller.
pub fn command_error(value: &[u8], reply: Vec<u8>) -> Error {
    let parsed: Option<Value> = serde_json::from_slice(value).ok();
    let text = |name: &str| parsed.as_ref().and_then(|v| v.get(name)).and_then(Value::as_str).map(str::to_owned);
    let desc = text("desc").unwrap_or_else(|| String::from_utf8_lossy(value).into_owned());
    Error::command(text("class").unwrap_or_else(|| "GenericError".to_owned()), desc, reply)
}
