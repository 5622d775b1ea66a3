//! From a framed reply to what the caller gets: his own id back, the value of `return`, or QEMU's error.

use super::frame::Message;
use super::json::{Mode, Scanner};
use super::token::decoded;
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
    let mut scanner = Scanner::new(&["class", "desc"], Mode::Peer);
    // What else is in it, and whether that is good, is nothing to these two.
    let _ = scanner.scan(value);
    let text = |index| {
        let quoted = value.get(scanner.member(index)?.value.clone())?;
        let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(String::from_utf8_lossy(&decoded(inner)).into_owned())
    };
    let desc = text(1).unwrap_or_else(|| String::from_utf8_lossy(value).into_owned());
    Error::command(text(0).unwrap_or_else(|| "GenericError".to_owned()), desc, reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_text_are_kept_beside_whatever_else_there_is() {
        let table = [
            (r#"{"class": "DeviceNotFound", "desc": "no \"x\" \u00e9"}"#, "DeviceNotFound", "no \"x\" é"),
            (r#"{"n": 1e999, "class": "A", "desc": "B", "m": nan}"#, "A", "B"),
            (r#"{"class": "A", "desc": "half \ud800"}"#, "A", r"half \ud800"),
            (r#"{"class": "A", "desc": 5}"#, "A", r#"{"class": "A", "desc": 5}"#),
            (r#"{"desc": "B"}"#, "GenericError", "B"),
            ("[]", "GenericError", "[]"),
        ];
        for (value, class, desc) in table {
            let error = command_error(value.as_bytes(), Vec::new());
            let detail = error.detail();
            assert_eq!((detail.class.as_deref(), detail.desc.as_deref()), (Some(class), Some(desc)), "{value}");
        }
    }
}
