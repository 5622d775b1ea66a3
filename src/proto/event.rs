//! Events of QEMU's that came through libvirt, in QEMU's own spelling: the same bytes as on a monitor socket.
//!
//! libvirt reads an event and passes on its parts, the data as JSON that it has written anew: without blanks, and with
//! characters where QEMU writes escapes. QEMU's writer (qobject/qjson.c) puts a blank behind each colon and comma, and
//! writes whatever is not printable ASCII as `\uXXXX`.

use crate::error::{Code, Error, Result};
use crate::proto::json::{Mode, Scanner};
use crate::proto::remote::MonitorEvent;

/// The number that stands for QEMU's -1, its word for "the clock could not be read".
const NO_MICROSECONDS: u32 = u32::MAX;

/// Writes the event as QEMU wrote it. An error says what of it is no part of an event.
pub(super) fn write(event: &MonitorEvent<'_>, out: &mut Vec<u8>) -> Result<()> {
    let microseconds = if event.microseconds == NO_MICROSECONDS { -1 } else { i64::from(event.microseconds) };
    let head = format!("{{\"timestamp\": {{\"seconds\": {}, \"microseconds\": {microseconds}}}, ", event.seconds);
    out.clear();
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\"event\": \"");
    if !event.name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
        let name = String::from_utf8_lossy(event.name).into_owned();
        return Err(Error::new(Code::Protocol, format!("libvirt tells an event named {name:?}")));
    }
    out.extend_from_slice(event.name);
    out.push(b'"');
    if let Some(details) = event.details {
        check(details)?;
        out.extend_from_slice(b", \"data\": ");
        respell(std::str::from_utf8(details).unwrap_or_default(), out);
    }
    out.push(b'}');
    Ok(())
}

/// QEMU's data is one JSON object; anything else would break the event that it is put into.
fn check(details: &[u8]) -> Result<()> {
    let bad = |what: String| Err(Error::new(Code::Protocol, format!("libvirt tells an event whose data {what}")));
    if let Err(why) = std::str::from_utf8(details) {
        return bad(format!("is not UTF-8 from byte {} on", why.valid_up_to()));
    }
    let mut scanner = Scanner::new(&[], Mode::Peer);
    match scanner.scan(details) {
        Ok(true) if scanner.position() == details.len() => Ok(()),
        Ok(true) => bad(format!("goes on behind the JSON object (at byte {})", scanner.position())),
        Ok(false) => bad("ends inside the JSON object".to_owned()),
        Err(fault) => bad(format!("is no JSON object: {fault}")),
    }
}

/// Writes compact JSON as QEMU's writer does.
fn respell(json: &str, out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        let mut units = [0; 2];
        match c {
            // QEMU spells DEL as an escape, too.
            '\u{7f}'.. => {
                for unit in c.encode_utf16(&mut units) {
                    out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
                }
            }
            _ => out.push(c as u8),
        }
        if !in_string && matches!(c, ':' | ',') {
            out.push(b' ');
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::remote::Domain;

    fn written(name: &str, seconds: i64, microseconds: u32, details: Option<&[u8]>) -> Result<String> {
        let domain = Domain { name: b"vm", uuid: [0; 16], id: 1 };
        let event = MonitorEvent { callback: 1, domain, name: name.as_bytes(), seconds, microseconds, details };
        let mut out = b"what was here".to_vec();
        write(&event, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn events_have_the_bytes_that_qemu_writes() {
        assert_eq!(
            written("STOP", 1, 42, None).unwrap(),
            r#"{"timestamp": {"seconds": 1, "microseconds": 42}, "event": "STOP"}"#
        );
        assert_eq!(
            written("RESET", -1, u32::MAX, Some(br#"{"guest":false,"reason":"a:b,\"c"}"#)).unwrap(),
            r#"{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "RESET", "data": {"guest": false, "reason": "a:b,\"c"}}"#
        );
        let odd = "{\"a\":[1,2.50,-0e1],\"\\\\\":\"é\u{1f600}\u{7f}\\\\\",\"b\":{}}";
        let text = written("X-y", 0, 0, Some(odd.as_bytes())).unwrap();
        let expected = "{\"a\": [1, 2.50, -0e1], \"\\\\\": \"\\u00E9\\uD83D\\uDE00\\u007F\\\\\", \"b\": {}}";
        assert!(text.contains(expected), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn what_would_break_an_event_is_refused() {
        let bad: [&[u8]; 6] = [b"", b"[1]", b"{}{}", b"{\"a\":", b"{\"a\":\"\xff\"}", b"{}}"];
        for details in bad {
            let why = written("STOP", 0, 0, Some(details)).unwrap_err();
            assert_eq!(why.code(), Code::Protocol, "{why}");
        }
        for name in ["A\"B", "a b", "\u{e9}", "a\\"] {
            assert!(written(name, 0, 0, None).is_err(), "{name}");
        }
    }
}
