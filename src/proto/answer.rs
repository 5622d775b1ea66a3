//! The answer to a monitor command, as libvirt hands it over: QEMU's reply, written anew, with an id of the daemon's own.

use memchr::memchr;

use crate::error::{Code, Delivery, Error, Result};
use crate::proto::frame::{Framer, Id, Kind, Message, Step};
use crate::proto::reply;
use crate::proto::request::Request;
use crate::proto::tell::Answer;

const HEAD: &[u8] = b"{\"return\":";
const TAIL: &[u8] = b",\"id\":\"libvirt-";
/// The longest tail: what is above, the digits of a u64, and `"}`.
const LONGEST_TAIL: usize = TAIL.len() + 20 + 2;

/// What the caller of `request` gets for this text: the whole reply with his own id in it, or the value of `return`.
pub(super) fn read<'a>(text: &'a [u8], request: &'a Request, value_only: bool, limit: usize) -> Result<Answer<'a>> {
    let answered = |why: Error| why.with_delivery(Delivery::Answered);
    if text.len() > limit {
        let text = format!("the reply has {} bytes, the option max-message allows {limit}", text.len());
        return Err(answered(Error::new(Code::Limit, text)));
    }
    let message = find(text).map_err(answered)?;
    let parts = reply::envelope(text, &message, request.id());
    let value = text.get(message.value.clone()).unwrap_or_default();
    match message.kind {
        Kind::Return if value_only => Ok([value, b"", b"", b""]),
        Kind::Return => Ok(parts),
        _ => Err(reply::command_error(value, parts.concat())),
    }
}

fn find(text: &[u8]) -> Result<Message> {
    if let Some(message) = usual_form(text) {
        return Ok(message);
    }
    let mut framer = Framer::new(usize::MAX);
    let mut message = Message::default();
    if framer.next(text, &mut message, |_| true)? != Step::Message {
        return Err(odd("has no end", text));
    }
    match message.kind {
        _ if message.end != text.len() => Err(odd("goes on behind its end", text)),
        Kind::Return | Kind::Error => Ok(message),
        Kind::Event | Kind::Greeting => Err(odd("is none", text)),
    }
}

/// libvirt's own writer gives `{"return":VALUE,"id":"libvirt-N"}`. In valid JSON a text that ends so has nothing else
/// there than its last member: inside a string the quotes would be escaped.
fn usual_form(text: &[u8]) -> Option<Message> {
    text.strip_prefix(HEAD)?;
    let from = text.len().saturating_sub(LONGEST_TAIL);
    let tail = text.get(from..)?;
    let at = from.checked_add(tail.windows(TAIL.len()).rposition(|window| window == TAIL)?)?;
    let number = text.get(at.checked_add(TAIL.len())?..)?.strip_suffix(b"\"}")?;
    let digits = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    let closed = text.get(HEAD.len()..at)?.last().is_some_and(|last| matches!(last, b'}' | b']'));
    // What libvirt has read as JSON and written anew is JSON; a NUL or bad UTF-8 would be told by these.
    let sound = digits && closed && memchr(0, text).is_none() && std::str::from_utf8(text).is_ok();
    let end = text.len();
    let brace = end.checked_sub(1)?;
    let id = at.checked_add(b",\"id\":".len())?;
    sound.then_some(Message {
        start: 0,
        end,
        kind: Kind::Return,
        id: Id::Other,
        id_member: at..brace,
        id_value: id..brace,
        value: HEAD.len()..at,
    })
}

fn odd(what: &str, text: &[u8]) -> Error {
    let begin = String::from_utf8_lossy(text.get(..60).unwrap_or(text)).into_owned();
    Error::new(Code::Protocol, format!("libvirt hands over a reply of QEMU's that {what}: {begin}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> Request {
        Request::parse(format!("{{\"execute\":\"x\"{id}}}").as_bytes(), 1000).unwrap()
    }

    fn whole(text: &str, id: &str) -> Result<String> {
        let request = request(id);
        read(text.as_bytes(), &request, false, 1000).map(|parts| String::from_utf8(parts.concat()).unwrap())
    }

    #[test]
    fn the_callers_id_stands_where_the_daemons_was() {
        let table = [
            ("{\"return\":{},\"id\":\"libvirt-7\"}", "", "{\"return\":{}}"),
            ("{\"return\":{},\"id\":\"libvirt-7\"}", ",\"id\":1e3", "{\"return\":{},\"id\":1e3}"),
            (
                "{\"return\":[1],\"id\":\"libvirt-18446744073709551615\"}",
                ",\"id\":null",
                "{\"return\":[1],\"id\":null}",
            ),
            // Not the usual form: found by structure.
            ("{\"id\":\"libvirt-7\",\"return\":\"é\"}", ",\"id\":\"a\"", "{\"id\":\"a\",\"return\":\"é\"}"),
            ("{\"return\":5,\"id\":\"libvirt-7\"}", "", "{\"return\":5}"),
            (
                "{ \"return\" : {\"id\":\"libvirt-1\"} , \"id\" : \"libvirt-2\" }",
                "",
                "{ \"return\" : {\"id\":\"libvirt-1\"} }",
            ),
            (
                "{\"return\":\"\\\",\\\"id\\\":\\\"libvirt-1\\\"}\",\"id\":\"libvirt-2\"}",
                "",
                "{\"return\":\"\\\",\\\"id\\\":\\\"libvirt-1\\\"}\"}",
            ),
        ];
        for (text, id, expected) in table {
            assert_eq!(whole(text, id).unwrap(), expected, "{text}");
        }
        let text = "{\"return\":{\"a\":[]},\"id\":\"libvirt-7\"}";
        assert_eq!(read(text.as_bytes(), &request(""), true, 1000).unwrap().concat(), b"{\"a\":[]}");
    }

    #[test]
    fn errors_carry_the_callers_id_too() {
        let text = "{\"id\":\"libvirt-7\",\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}";
        let error = whole(text, ",\"id\":[7]").unwrap_err();
        let detail = error.detail();
        assert_eq!((detail.code, detail.class.as_deref()), (Code::Command, Some("CommandNotFound")));
        let reply = String::from_utf8(detail.reply.clone().unwrap()).unwrap();
        assert_eq!(reply, "{\"id\":[7],\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in
            ["", "{", "[]", "{\"return\":{}}{}", "{\"event\":\"STOP\"}", "{\"return\":{},\"id\":\"libvirt-7\"", "{}"]
        {
            assert_eq!(whole(text, "").unwrap_err().code(), Code::Protocol, "{text}");
        }
        let bad = b"{\"return\":[\"\xff\"],\"id\":\"libvirt-7\"}";
        assert_eq!(read(bad, &request(""), false, 1000).unwrap_err().code(), Code::Protocol);
        assert_eq!(read(&[b' '; 1001], &request(""), false, 1000).unwrap_err().code(), Code::Limit);
    }
}
