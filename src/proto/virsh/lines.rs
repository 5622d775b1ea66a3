//! The lines of `virsh qemu-monitor-event --loop`: events on its standard output, and on the other the one that says that
//! they are registered for.
//!
//! `event NAME at SECONDS.MMMMMM for domain 'DOMAIN': DETAILS`, where DETAILS is JSON or `<null>`. The domain's name stands
//! there as it is, whatever it holds; but the domain is known, so its name is, too.

use memchr::{memchr, memmem};

use crate::proto::json::{Mode, Scanner};
use crate::proto::remote::{Domain, MonitorEvent};

/// What libvirt's client writes to its log when the daemon has answered the registration (program 0x20008087, procedure
/// 4; src/rpc/virnetclient.c, the probe RPC_CLIENT_MSG_RX).
const REGISTERED: &[u8] = b" prog=536903815 vers=1 proc=4 type=1 status=0 ";
/// The same for an event (procedure 6).
const EVENT: &[u8] = b" prog=536903815 vers=1 proc=6 type=2 status=0 ";
/// The beginning and the end of such a line for any answer of the daemon's own program.
const ANSWER: [&[u8]; 2] = [b" prog=536903814 vers=1 proc=", b" type=1 status=0 "];

/// A line of the log of libvirt's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// The daemon has registered for events.
    Registered,
    /// It has answered something else. Where there are such lines there will be the other, too.
    Answer,
    /// It has sent an event, which is to be printed.
    Event,
    /// Something else.
    Other,
}

/// Reads a line of the log; `None`: it is none.
pub(super) fn log(line: &[u8]) -> Option<Log> {
    let has = |part: &[u8]| memmem::find(line, part).is_some();
    if has(b": RPC_CLIENT_MSG_RX: ") {
        return Some(match line {
            _ if has(REGISTERED) => Log::Registered,
            _ if has(EVENT) => Log::Event,
            _ if ANSWER.into_iter().all(has) => Log::Answer,
            _ => Log::Other,
        });
    }
    has(b": info : ").then_some(Log::Other)
}

/// What stands at the front of the output.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Not a whole line yet.
    More,
    /// An event; so many bytes are its line.
    Event(MonitorEvent<'a>, usize),
    /// Something else, so many bytes long.
    Other(usize),
}

/// Reads the first line. `name` is the domain's.
pub(super) fn read<'a>(buf: &'a [u8], name: &[u8]) -> Line<'a> {
    let Some(end) = memchr(b'\n', buf) else { return Line::More };
    let Some(head) = head(buf) else { return Line::Other(end.saturating_add(1)) };
    // With its name known, also one that holds line ends or looks like an event itself.
    let known = [name, b"': "].concat();
    let details = match buf.get(head.len..).filter(|rest| rest.starts_with(&known)) {
        Some(_) => head.len.saturating_add(known.len()),
        None if buf.len() < head.len.saturating_add(known.len())
            && buf.get(head.len..) == known.get(..buf.len().saturating_sub(head.len)) =>
        {
            return Line::More;
        }
        None => match renamed(buf, head.len, end) {
            Some(details) => details,
            None => return Line::Other(end.saturating_add(1)),
        },
    };
    let rest = buf.get(details..).unwrap_or_default();
    let Some(len) = memchr(b'\n', rest) else { return Line::More };
    let text = rest.get(..len).unwrap_or_default();
    let line = details.saturating_add(len).saturating_add(1);
    let details = match text {
        b"<null>" => None,
        json if is_object(json) => Some(json),
        _ => return Line::Other(line),
    };
    let domain = Domain { name: b"", uuid: [0; 16], id: -1 };
    let Head { name, seconds, microseconds, .. } = head;
    Line::Event(MonitorEvent { callback: 0, domain, name, seconds, microseconds, details }, line)
}

struct Head<'a> {
    name: &'a [u8],
    seconds: i64,
    microseconds: u32,
    /// Up to the domain's name.
    len: usize,
}

/// The beginning of an event's line, up to the domain's name.
fn head(buf: &[u8]) -> Option<Head<'_>> {
    let rest = buf.strip_prefix(b"event ")?;
    let (name, rest) = split(rest, b" at ")?;
    let (time, rest) = split(rest, b" for domain '")?;
    let (seconds, fraction) = split(time, b".")?;
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    let microseconds = number(fraction).filter(|_| fraction.iter().all(u8::is_ascii_digit))?;
    let microseconds = u32::try_from(microseconds).ok()?;
    let is_name = !name.is_empty() && !name.contains(&b' ');
    let len = buf.len().saturating_sub(rest.len());
    is_name.then_some(Head { name, seconds: number(seconds)?, microseconds, len })
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::find(text, at)?;
    Some((text.get(..found)?, text.get(found.checked_add(at.len())?..)?))
}

/// The domain has another name by now: its end is where details follow that reach to the end of the line.
fn renamed(buf: &[u8], from: usize, end: usize) -> Option<usize> {
    let line = buf.get(from..end)?;
    let ends = memmem::find_iter(line, b"': ").map(|at| at.saturating_add(3));
    let details = |at: &usize| line.get(*at..).is_some_and(|text| text == b"<null>" || is_object(text));
    ends.filter(details).map(|at| at.saturating_add(from)).next()
}

fn is_object(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(&[], Mode::Peer);
    std::str::from_utf8(text).is_ok() && scanner.scan(text) == Ok(true) && scanner.position() == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, name: &str) -> Vec<(String, i64, u32, Option<String>)> {
        let (mut rest, mut found) = (text.as_bytes(), Vec::new());
        loop {
            match read(rest, name.as_bytes()) {
                Line::More => return found,
                Line::Other(len) => rest = &rest[len..],
                Line::Event(event, len) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let MonitorEvent { name, seconds, microseconds, details, .. } = event;
                    found.push((text(name), seconds, microseconds, details.map(text)));
                    rest = &rest[len..];
                }
            }
        }
    }

    #[test]
    fn events_are_read_from_the_left() {
        let names = ["demo", "a'b\": c", "7", "--help", "q': <null>\nevent SHUTDOWN at 1.000001 for domain 'hp1", ""];
        for name in names {
            let text = format!(
                "noise\nevent STOP at 1690000000.000042 for domain '{name}': <null>\n\
                 event JOB at -1.999999 for domain '{name}': {{\"a\":\"': <null>\"}}\nevents received: 2\n\nevent HALF at 1.0"
            );
            let expected = [
                ("STOP".to_owned(), 1_690_000_000, 42, None),
                ("JOB".to_owned(), -1, 999_999, Some("{\"a\":\"': <null>\"}".to_owned())),
            ];
            assert_eq!(all(&text, name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_changed_is_found_by_what_follows_it() {
        let text =
            "event STOP at 1.000001 for domain 'new': <null>\nevent X at 1.000002 for domain 'n': x': {\"a\":1}\n";
        let events = all(text, "old");
        assert_eq!((events.len(), events[1].3.as_deref()), (2, Some("{\"a\":1}")));
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        for line in [
            "event STOP at x.000001 for domain 'demo': <null>\n",
            "event STOP at 1.x for domain 'demo': <null>\n",
            "event A B at 1.000001 for domain 'demo': <null>\n",
            "event STOP at 1.000001 for domain 'demo': {\"a\":\n",
            "event STOP at 1.99999999999 for domain 'demo': <null>\n",
            "event loop interrupted\n",
            "\n",
        ] {
            assert_eq!(read(line.as_bytes(), b"demo"), Line::Other(line.len()), "{line}");
        }
        assert_eq!(read(b"event STOP at 1.000001 for domain 'de", b"demo"), Line::More);
    }

    #[test]
    fn the_registration_is_told_apart() {
        let line = |tail: &str| {
            format!(
                "2026-01-01 00:00:00.000+0000: 7: info : virNetClientCallDispatch:1299 : RPC_CLIENT_MSG_RX: client=0x1 len=32 {tail}"
            )
        };
        let is = |tail: &str| log(line(tail).as_bytes());
        assert_eq!(is("prog=536903815 vers=1 proc=4 type=1 status=0 serial=7"), Some(Log::Registered));
        assert_eq!(is("prog=536903815 vers=1 proc=4 type=1 status=1 serial=7"), Some(Log::Other));
        assert_eq!(is("prog=536903815 vers=1 proc=6 type=2 status=0 serial=7"), Some(Log::Event));
        assert_eq!(is("prog=536903814 vers=1 proc=4 type=1 status=0 serial=7"), Some(Log::Answer));
        assert_eq!(is("prog=536903814 vers=1 proc=1 type=0 status=0 serial=2"), Some(Log::Other));
        assert_eq!(log(b"2026-01-01: 7: info : libvirt version: 9.0.0"), Some(Log::Other));
        assert_eq!(log(b"error: failed to get domain 'x'"), None);
        assert_eq!(log(b"sudo: a password is required"), None);
    }
}
