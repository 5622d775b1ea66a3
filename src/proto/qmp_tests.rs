//! Sessions as tables of bytes in and out, replayed at every split.

use std::sync::Arc;

use super::frame::{Kind, Message};
use super::qmp::{Item, Phase, Qmp};
use super::request::Request;
use crate::error::{Code, Delivery, Error};

const LIMIT: usize = 1 << 20;
const GREETING: &str = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \
                        \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
const NO_OOB: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
const STOP: &str = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n";

/// A session, what it told in short, and what it wrote.
struct Bench {
    qmp: Qmp<u8>,
    buf: Vec<u8>,
    told: Vec<String>,
    wrote: Vec<u8>,
    error: Option<Error>,
}

impl Bench {
    fn new(limit: usize) -> Self {
        Bench { qmp: Qmp::new(limit, true), buf: Vec::new(), told: Vec::new(), wrote: Vec::new(), error: None }
    }

    /// A session that is ready for commands.
    fn ready(greeting: &str) -> Self {
        let mut bench = Bench::new(LIMIT);
        bench.feed(greeting.as_bytes());
        bench.feed(b"{\"return\": {}, \"id\": 0}\r\n");
        assert_eq!(bench.qmp.phase(), Phase::Ready);
        bench.told.clear();
        bench.wrote.clear();
        bench
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        let mut message = Message::default();
        while self.error.is_none() {
            match self.qmp.next(&self.buf, &mut message) {
                Ok(Some(item)) => self.told.push(short(&self.buf, &message, &item)),
                Ok(None) => break,
                Err(why) => self.error = Some(why),
            }
        }
        self.buf.drain(..self.qmp.consumed().min(self.buf.len()));
        self.qmp.shift();
        self.write();
    }

    fn write(&mut self) {
        while let Some((bytes, _)) = self.qmp.outbox().next() {
            let n = bytes.len();
            self.wrote.extend_from_slice(bytes);
            self.qmp.outbox().wrote(n);
        }
    }

    fn submit(&mut self, call: u32, text: &str) {
        let request = Arc::new(Request::parse(text.as_bytes(), LIMIT).unwrap());
        self.qmp.submit(call, &request, false, None).unwrap();
    }

    fn wrote(&mut self) -> String {
        self.write();
        String::from_utf8(std::mem::take(&mut self.wrote)).unwrap()
    }
}

fn short(buf: &[u8], message: &Message, item: &Item) -> String {
    let text = || String::from_utf8_lossy(&buf[message.value.clone()]).into_owned();
    match item {
        Item::Ready => "ready".to_owned(),
        Item::Event => format!("event {}", text()),
        Item::Reply(owner) => {
            format!("{} {} {}", if message.kind == Kind::Error { "error" } else { "reply" }, owner.call, text())
        }
        Item::ReplyTooLarge(call) => format!("too large {call}"),
        Item::EventTooLarge => "event too large".to_owned(),
    }
}

/// What a session tells for a stream of bytes, the same however it is split. `requests` are submitted as soon as it is
/// ready, as calls 10, 11, …
fn at_every_split(stream: &str, requests: &[&str], expected: &[&str]) {
    let run = |pieces: &[&[u8]]| {
        let mut bench = Bench::new(LIMIT);
        let mut submitted = false;
        for piece in pieces {
            bench.feed(piece);
            if bench.qmp.phase() == Phase::Ready && !submitted {
                submitted = true;
                for (call, request) in (10..).zip(requests) {
                    bench.submit(call, request);
                }
            }
        }
        assert!(bench.error.is_none(), "{:?}", bench.error);
        bench.told
    };
    // The requests are on the wire before their replies arrive: the handshake comes as a piece of its own.
    let (handshake, rest) = stream.split_at(stream.find("\"id\": 0}\r\n").unwrap() + 10);
    for split in 0..=rest.len() {
        let (head, tail) = rest.split_at(split);
        assert_eq!(run(&[handshake.as_bytes(), head.as_bytes(), tail.as_bytes()]), expected, "split at {split}");
    }
    for split in 0..=handshake.len() {
        let (head, tail) = handshake.split_at(split);
        assert_eq!(run(&[head.as_bytes(), tail.as_bytes(), rest.as_bytes()]), expected, "handshake split at {split}");
    }
    let mut single: Vec<&[u8]> = handshake.as_bytes().chunks(1).collect();
    single.extend(rest.as_bytes().chunks(1));
    assert_eq!(run(&single), expected, "byte by byte");
}

#[test]
fn events_are_legal_anywhere() {
    let stream = format!(
        "{STOP}{GREETING}{STOP}{{\"return\": {{}}, \"id\": 0}}\r\n{STOP}{{\"return\": {{\"a\": 1}}, \"id\": 1}}\r\n{STOP}"
    );
    let expected = ["event STOP", "event STOP", "ready", "event STOP", "reply 10 {\"a\": 1}", "event STOP"];
    at_every_split(&stream, &["{\"execute\":\"x\"}"], &expected);
}

#[test]
fn replies_find_their_calls_in_any_order() {
    let stream = format!(
        "{GREETING}{{\"return\": {{}}, \"id\": 0}}\r\n{{\"return\": \"two\", \"id\": 2}}\n\
         {{\"id\": 1, \"error\": {{\"class\": \"C\", \"desc\": \"D\"}}}}{{\"return\": [], \"id\": 3}}\r\n"
    );
    let expected = ["ready", "reply 11 \"two\"", "error 10 {\"class\": \"C\", \"desc\": \"D\"}", "reply 12 []"];
    at_every_split(&stream, &["{\"execute\":\"x\"}"; 3], &expected);
}

#[test]
fn pretty_monitors_work_alike() {
    let stream = "{\r\n    \"QMP\": {\r\n        \"capabilities\": [\r\n        ]\r\n    }\r\n}\r\n\
                  {\r\n    \"return\": {\r\n    },\r\n    \"id\": 0}\r\n{\r\n    \"return\": \"a}\\\"{\",\r\n    \"id\": 1\r\n}\r\n";
    at_every_split(stream, &["{\"execute\":\"x\"}"], &["ready", "reply 10 \"a}\\\"{\""]);
}

#[test]
fn the_negotiation_enables_oob_where_it_is_offered() {
    let mut bench = Bench::new(LIMIT);
    bench.feed(GREETING.as_bytes());
    assert_eq!(bench.wrote(), "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},\"id\":0}\n");
    // A peer that refuses what it offered is asked again without.
    bench.feed(b"{\"id\": 0, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
    assert_eq!(bench.wrote(), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
    bench.feed(b"{\"return\": {}, \"id\": 1}\r\n");
    assert!(bench.qmp.phase() == Phase::Ready && !bench.qmp.oob());

    let mut bench = Bench::new(LIMIT);
    bench.feed(NO_OOB.as_bytes());
    assert_eq!(bench.wrote(), "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
    bench.feed(b"{\"id\": 0, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
    assert_eq!(bench.error.unwrap().code(), Code::Protocol);
}

#[test]
fn at_most_eight_in_band_commands_are_on_the_wire() {
    let mut bench = Bench::ready(GREETING);
    for call in 0..10 {
        bench.submit(call, "{\"execute\":\"x\"}");
    }
    assert_eq!(bench.wrote().lines().count(), 8);
    bench.submit(20, "{\"exec-oob\":\"y\"}");
    assert_eq!(bench.wrote(), "{\"exec-oob\":\"y\",\"id\":9}\n");
    // A place is given up by its reply alone: a forgotten call keeps it.
    assert_eq!(bench.qmp.forget(3), Delivery::Unknown);
    assert_eq!(bench.wrote(), "");
    assert_eq!(bench.qmp.forgotten(), 1);
    bench.feed(b"{\"return\": {}, \"id\": 4}\r\n");
    assert_eq!(bench.told, Vec::<String>::new());
    assert_eq!(bench.wrote(), "{\"execute\":\"x\",\"id\":0}\n");
    assert_eq!(bench.qmp.forgotten(), 0);
    // The last one is still queued, and can be given up without a trace.
    assert_eq!(bench.qmp.forget(9), Delivery::NotSent);
    bench.feed(b"{\"return\": {}, \"id\": 1}\r\n");
    assert_eq!(bench.wrote(), "");
}

#[test]
fn without_oob_nothing_is_held_back() {
    let mut bench = Bench::ready(NO_OOB);
    for call in 0..40 {
        bench.submit(call, "{\"execute\":\"x\"}");
    }
    assert_eq!(bench.wrote().lines().count(), 40);
    let oob = Arc::new(Request::parse(b"{\"exec-oob\":\"y\"}", LIMIT).unwrap());
    assert_eq!(bench.qmp.submit(50, &oob, false, None).unwrap_err().code(), Code::Unsupported);
}

#[test]
fn one_command_with_an_attachment_is_on_the_wire_at_a_time() {
    let mut bench = Bench::ready(GREETING);
    let request = Arc::new(Request::parse(b"{\"execute\":\"getfd\"}", LIMIT).unwrap());
    bench.qmp.submit(1, &request, false, Some(7)).unwrap();
    bench.qmp.submit(2, &request, false, Some(8)).unwrap();
    bench.submit(3, "{\"execute\":\"x\"}");
    assert_eq!(bench.qmp.outbox().next().unwrap().1, Some(&7));
    assert_eq!(bench.wrote(), "{\"execute\":\"getfd\",\"id\":1}\n");
    bench.buf.extend_from_slice(b"{\"return\": {}, \"id\": 1}\r\n");
    assert!(
        matches!(bench.qmp.next(&bench.buf, &mut Message::default()), Ok(Some(Item::Reply(owner))) if owner.call == 1)
    );
    assert_eq!(bench.qmp.outbox().next().unwrap().1, Some(&8));
    assert_eq!(bench.wrote(), "{\"execute\":\"getfd\",\"id\":2}\n{\"execute\":\"x\",\"id\":3}\n");
}

#[test]
fn what_was_not_written_can_be_taken_back() {
    let mut bench = Bench::ready(NO_OOB);
    for call in 0..3 {
        bench.submit(call, "{\"execute\":\"x\"}");
    }
    assert_eq!(bench.qmp.forget(1), Delivery::NotSent);
    assert_eq!(bench.wrote(), "{\"execute\":\"x\",\"id\":1}\n{\"execute\":\"x\",\"id\":3}\n");
    bench.submit(7, "{\"execute\":\"y\"}");
    assert_eq!(bench.wrote(), "{\"execute\":\"y\",\"id\":4}\n");
    let mut calls = bench.qmp.end();
    calls.sort_unstable_by_key(|(call, _)| *call);
    assert_eq!(calls, [(0, Delivery::Unknown), (2, Delivery::Unknown), (7, Delivery::Unknown)]);
}

#[test]
fn replies_that_nobody_waits_for_are_dropped() {
    let mut bench = Bench::ready(NO_OOB);
    bench.submit(10, "{\"execute\":\"x\"}");
    let wrong = [
        "{\"return\": {}}",
        "{\"return\": {}, \"id\": 0}",
        "{\"return\": {}, \"id\": \"1\"}",
        "{\"return\": {}, \"id\": 1.0}",
        "{\"return\": {}, \"id\": -1}",
        "{\"return\": {}, \"id\": 4294967296}",
        "{\"return\": {}, \"id\": 18446744073709551616}",
        "{\"return\": {}, \"id\": [1]}",
        "{\"return\": {}, \"id\": null}",
    ];
    for reply in wrong {
        bench.feed(reply.as_bytes());
        bench.feed(b"\r\n");
    }
    assert!(bench.error.is_none(), "{:?}", bench.error);
    assert_eq!(bench.told, Vec::<String>::new());
    bench.feed(b"{\"return\": 1, \"id\": 1}{\"return\": 2, \"id\": 1}");
    assert_eq!(bench.told, ["reply 10 1"]);
    // A reply sent twice does not answer the next request.
    bench.submit(11, "{\"execute\":\"x\"}");
    bench.feed(b"{\"return\": 3, \"id\": 1}");
    assert_eq!(bench.told, ["reply 10 1"]);
}

#[test]
fn an_error_without_id_belongs_to_the_only_request() {
    let mut bench = Bench::ready(NO_OOB);
    let error = b"{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\r\n";
    bench.feed(error);
    assert!(bench.told.is_empty() && bench.error.is_none());
    bench.submit(10, "{\"execute\":\"x\"}");
    bench.feed(error);
    assert_eq!(bench.told, ["error 10 {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}"]);
    bench.submit(11, "{\"execute\":\"x\"}");
    bench.submit(12, "{\"execute\":\"x\"}");
    bench.feed(error);
    assert_eq!(bench.error.unwrap().code(), Code::Protocol);
}

#[test]
fn a_reply_over_the_limit_leaves_the_link_in_step() {
    let mut bench = Bench::ready(GREETING);
    bench.submit(10, "{\"execute\":\"x\"}");
    bench.submit(11, "{\"execute\":\"x\"}");
    let long = "x".repeat(LIMIT);
    for chunk in
        format!("{{\"return\": \"{long}\", \"id\": 2}}\r\n{{\"return\": 5, \"id\": 1}}\r\n").as_bytes().chunks(4096)
    {
        bench.feed(chunk);
        assert!(bench.buf.len() <= LIMIT + 4096, "{} bytes held", bench.buf.len());
    }
    assert_eq!(bench.told, ["too large 11", "reply 10 5"]);
    // With one request open there is no doubt whose it is, even if it never ends.
    bench.submit(12, "{\"execute\":\"x\"}");
    bench.feed(b"{\"return\": \"");
    for _ in 0..2 * LIMIT / 4096 {
        bench.feed(&long.as_bytes()[..4096]);
    }
    assert_eq!(bench.told.last().unwrap(), "too large 12");
    bench.feed(b"\", \"id\": 3}\r\n");
    bench.submit(13, "{\"execute\":\"x\"}");
    assert_eq!(bench.qmp.forgotten(), 0);
}

#[test]
fn an_event_over_the_limit_is_told() {
    let mut bench = Bench::ready(GREETING);
    bench.submit(10, "{\"execute\":\"x\"}");
    let long = "x".repeat(LIMIT);
    bench.feed(format!("{{\"timestamp\": {{}}, \"event\": \"E\", \"data\": {{\"x\": \"{long}").as_bytes());
    bench.feed(b"\"}}\r\n{\"return\": 5, \"id\": 1}\r\n");
    assert_eq!(bench.told, ["event too large", "reply 10 5"]);
}

#[test]
fn a_greeting_over_the_limit_and_a_second_greeting_end_the_session() {
    let mut bench = Bench::new(1024);
    bench.feed(format!("{{\"QMP\": \"{}", "x".repeat(2000)).as_bytes());
    assert_eq!(bench.error.unwrap().code(), Code::Limit);
    let mut bench = Bench::ready(GREETING);
    bench.feed(GREETING.as_bytes());
    assert_eq!(bench.error.unwrap().code(), Code::Protocol);
}

#[test]
fn a_greeting_that_is_known_is_recognised_at_every_split() {
    let first = Bench::ready(GREETING);
    let known = first.qmp.compact_greeting().expect("QEMU's compact writer").clone();
    let stream = format!("{GREETING}{{\"return\": {{}}, \"id\": 0}}\r\n");
    let other = GREETING.replace("\"micro\": ", "\"micro\": 1");
    for (stream, is_known) in [(stream.clone(), true), (stream.replace(GREETING, &other), false)] {
        for split in 1..stream.len() {
            let mut bench = Bench::new(LIMIT);
            for piece in [&stream.as_bytes()[..split], &stream.as_bytes()[split..]] {
                // What the owner has, with what it reads now behind it.
                let seen = [&bench.buf[..], piece].concat();
                bench.qmp.recognise(&known, &seen);
                bench.feed(piece);
            }
            let shares = bench.qmp.compact_greeting().is_some_and(|greeting| Arc::ptr_eq(greeting, &known));
            assert!(!shares || is_known, "another greeting was taken for the known one");
            assert!(shares || !is_known || split < GREETING.len(), "not recognised, split at {split}");
            assert_eq!((bench.told, bench.error.is_none()), (vec!["ready".to_owned()], true), "split at {split}");
            assert_eq!(bench.qmp.greeting(), stream.lines().next().unwrap().as_bytes());
            let negotiation = b"{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},\"id\":0}\n";
            assert_eq!(bench.wrote.escape_ascii().to_string(), negotiation.escape_ascii().to_string());
        }
    }
}
