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

/// Is it JSON to its end, which may be missing? A line of QEMU's form is not looked at more closely if it comes in one piece.
fn is_json(stream: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(stream).into_iter::<&RawValue>();
    values.all(|value| value.err().is_none_or(|why| why.is_eof()))
}

/// Does no line end inside a message, or does the peer not greet as QEMU's compact writer does? That one writes a message a
/// line, and what begins and ends as its replies do is taken for one.
fn is_by_line(stream: &[u8]) -> bool {
    let greeting = br#"{"QMP": {"version": {"qemu": {"#;
    let whole = |line: &[u8]| {
        let mut values = serde_json::Deserializer::from_slice(line).into_iter::<&RawValue>();
        !line.ends_with(b"\n") || values.all(|value| value.is_ok())
    };
    !stream.windows(greeting.len()).any(|part| part == greeting) || stream.split_inclusive(|b| *b == b'\n').all(whole)
}

fn play(choice: Choice, stream: &[u8], piece: usize) -> Outcome {
    let mut qmp = Qmp::<()>::new(choice.limit(), choice.oob());
    let request = Arc::new(Request::parse(br#"{"execute":"x","id":[1]}"#, 1000).expect("a good request"));
    let (mut told, mut error, mut waiting, mut buf) = (Vec::new(), None, BTreeSet::new(), Vec::new());
    let mut message = Message::default();
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
        assert!(buf.len() <= choice.limit() + piece + 64, "{} bytes are held", buf.len());
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
    if choice.limit() > stream.len() && is_json(stream) && is_by_line(stream) {
        assert_eq!(whole, split, "in pieces of {piece}");
    }
});
