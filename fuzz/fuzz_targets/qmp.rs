//! A QMP session with whatever a peer sends, in one piece and in small ones: nothing panics, each call is answered at most
//! once and with text that is fit for C, and what the bytes mean does not depend on how they were split.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use qmp::error::Code;
use qmp::proto::frame::Message;
use qmp::proto::qmp::{Item, Qmp};
use qmp::proto::request::Request;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What a session told, and what became of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    told: Vec<String>,
    error: Option<Code>,
    /// Calls that were never answered.
    left: BTreeSet<u32>,
}

/// The first byte of the input.
#[derive(Clone, Copy)]
struct Choice(u8);

impl Choice {
    fn oob(self) -> bool {
        self.0 & 1 != 0
    }
    fn is_written(self) -> bool {
        self.0 & 2 != 0
    }
    fn forgets_one(self) -> bool {
        self.0 & 4 != 0
    }
    fn limit(self) -> usize {
        if self.0 & 8 != 0 { 200 } else { 1 << 20 }
    }
    fn calls(self) -> u32 {
        u32::from(self.0 >> 4)
    }
}

fn text(buf: &[u8], message: &Message) -> String {
    let whole = std::str::from_utf8(&buf[message.start..message.end]).expect("a message that is not UTF-8");
    assert!(!whole.contains('\0'), "a message with a NUL");
    for part in [&message.id_member, &message.id_value, &message.value] {
        assert!(part.is_empty() || message.start <= part.start && part.end <= message.end, "a part beyond its message");
        assert!(whole.is_char_boundary(part.start.saturating_sub(message.start)), "a part that begins in a character");
    }
    String::from_utf8_lossy(&buf[message.value.clone()]).into_owned()
}

/// Does the meaning of this stream not depend on how it was split? It has to be JSON to its end, which may be missing. And
/// of a peer that greets as QEMU's compact writer does, what begins and ends as its messages do is taken for one when it
/// comes in one piece: so each line has to be one message, with the members that QEMU gives it and no others.
fn is_sound(stream: &[u8]) -> bool {
    let greeting = br#"{"QMP": {"version": {"qemu": {"#;
    let by_line = stream.windows(greeting.len()).any(|part| part == greeting);
    let mut values = serde_json::Deserializer::from_slice(stream).into_iter::<&RawValue>();
    values.all(|value| value.err().is_none_or(|why| why.is_eof()))
        && (!by_line || stream.split_inclusive(|b| *b == b'\n').all(|line| !line.ends_with(b"\n") || is_qemus(line)))
}

/// Is this line one message with the members that QEMU gives it, or none?
fn is_qemus(line: &[u8]) -> bool {
    let Ok(Members(names)) = serde_json::from_slice(line) else { return line.trim_ascii().is_empty() };
    match &names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["timestamp", "event"] | ["timestamp", "event", "data"] => true,
        [one] | [one, "id"] | ["id", one] => ["QMP", "return", "error"].contains(one),
        _ => false,
    }
}

/// The names of an object's members, in their order, each as often as it is there.
struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Members;
            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        from.deserialize_map(Names)
    }
}

fn play(choice: Choice, stream: &[u8], piece: usize) -> Outcome {
    let mut qmp = Qmp::<()>::new(choice.limit(), choice.oob());
    let request = Arc::new(Request::parse(br#"{"execute":"x","id":[1]}"#, 1000).expect("a good request"));
    let (mut told, mut error, mut waiting, mut buf) = (Vec::new(), None, BTreeSet::new(), Vec::new());
    let mut message = Message::default();
    // Of a message over the limit no more is kept than the number it is in, and none may have more than 4096 bytes.
    let word = stream
        .split(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
        .min(4096);
    'stream: for part in stream.chunks(piece) {
        buf.extend_from_slice(part);
        loop {
            match qmp.next(&buf, &mut message) {
                Ok(Some(Item::Ready)) => {
                    told.push("ready".to_owned());
                    for call in 0..choice.calls() {
                        qmp.submit(call, &request, call % 2 == 0, None).expect("a place or the queue");
                        waiting.insert(call);
                    }
                    if choice.is_written() {
                        let len = qmp.outbox().len();
                        qmp.outbox().wrote(len);
                    }
                    if choice.forgets_one() && waiting.remove(&0) {
                        qmp.forget(0);
                    }
                }
                Ok(Some(Item::Event)) => told.push(format!("event {}", text(&buf, &message))),
                Ok(Some(Item::Reply(owner))) => {
                    assert!(waiting.remove(&owner.call), "an answer that nobody waits for");
                    told.push(format!("{} {:?} {}", owner.call, message.kind, text(&buf, &message)));
                }
                Ok(Some(Item::ReplyTooLarge(call))) => {
                    assert!(waiting.remove(&call), "an answer that nobody waits for");
                    told.push(format!("{call} too large"));
                }
                Ok(Some(Item::EventTooLarge)) => told.push("event too large".to_owned()),
                Ok(None) => break,
                Err(why) => {
                    error = Some(why.code());
                    break 'stream;
                }
            }
        }
        buf.drain(..qmp.consumed());
        qmp.shift();
        assert!(buf.len() <= choice.limit().max(word) + piece + 64, "{} bytes are held", buf.len());
    }
    let left: Vec<u32> = qmp.end().into_iter().map(|(call, _)| call).collect();
    assert_eq!(left.len(), waiting.len(), "a call is lost, or ends twice");
    assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), waiting);
    Outcome { told, error, left: waiting }
}

fuzz_target!(|data: &[u8]| {
    let [choice, piece, stream @ ..] = data else { return };
    let choice = Choice(*choice);
    let whole = play(choice, stream, stream.len().max(1));
    let split = play(choice, stream, usize::from(*piece).max(1));
    // Of what is over the limit the pieces decide when it is noticed; and of what is no JSON, whether.
    if choice.limit() > stream.len() && is_sound(stream) {
        assert_eq!(whole, split, "in pieces of {piece}");
    }
});
