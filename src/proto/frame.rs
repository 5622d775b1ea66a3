//! Bytes of a QMP monitor, in any split, to whole messages that are told apart.
//!
//! QEMU ends a message with CR LF but does not promise one a line (`pretty=on` does not write so), so messages are found
//! by their JSON structure. Scanning structure costs a dozen instructions a byte. Where the greeting has shown QEMU's
//! compact writer, a message that begins in one of its exact forms is framed by its line end instead, if its tail has
//! the exact form too: a JSON string holds no raw newline, so such a line is a message.

use std::ops::Range;

use super::json::{MAX_DEPTH, Mode, Scanner};
use super::token::{digits_of_eight, skip_plain, skip_text};
use crate::error::{Code, Error, Result};

const KEYS: [&str; 5] = ["QMP", "event", "return", "error", "id"];
const KINDS: [Kind; 4] = [Kind::Greeting, Kind::Event, Kind::Return, Kind::Error];
const ID: usize = 4;

const COMPACT_GREETING: &[u8] = br#"{"QMP": {"version": {"qemu": {"#;
const OBJECT_REPLY: &[u8] = br#"{"return": {"#;
const ARRAY_REPLY: &[u8] = br#"{"return": ["#;
const EVENT: &[u8] = br#"{"timestamp": {"seconds": "#;
const REPLY: &[u8] = br#"{"return": "#;
/// Up to this size an incomplete line is scanned while it is waited for: that costs little, and shows what is no JSON.
const SMALL: usize = 4096;

/// A line below this size is a short one.
const SHORT: usize = 128;

/// Finds messages in a growing buffer.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// Where the current message begins.
    start: usize,
    /// How far the line end was searched for.
    searched: usize,
    /// How much of an oversized message was dropped already.
    dropped: u64,
    phase: Phase,
    /// The peer writes as QEMU's compact writer does.
    compact: bool,
    /// The last line was a short one.
    short_lines: bool,
    /// A line end came since the last message.
    line_ended: bool,
    /// Made when a message needs it.
    scanner: Option<Box<Scanner>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Between,
    Line(Form),
    Structure,
    Skip,
}

/// Has a message begun?
enum Begun {
    /// It has one of QEMU's forms, as far as that can be told.
    Line(Form),
    /// It is for the scanner.
    Other,
    /// There is none, or too little of it to choose how to read it.
    NotYet,
    /// It is no message.
    Wrong,
}

/// The beginnings of QEMU's compact messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A reply whose value this ends.
    Reply {
        closer: u8,
    },
    Event,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// No whole message: read more.
    More,
    /// A whole message, which was put where the caller wanted it.
    Message,
    /// A message over the size limit has ended; the stream is in step.
    TooLarge(Box<TooLarge>),
}

/// A whole message; all offsets are into the buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// The member `id` and one comma; empty if there is none.
    pub id_member: Range<usize>,
    /// The value of `id`; empty if there is none.
    pub id_value: Range<usize>,
    /// The value of `return`, `error` or `QMP`; an event's name without its quotes.
    pub value: Range<usize>,
}

impl Default for Message {
    fn default() -> Self {
        let (id_member, id_value, value) = (0..0, 0..0, 0..0);
        Message { start: 0, end: 0, kind: Kind::Greeting, id: Id::None, id_member, id_value, value }
    }
}

/// What a message is (qmp-spec: "Server Greeting", "Asynchronous events", "Success", "Error").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first message of a session.
    Greeting,
    /// An event.
    Event,
    /// A successful reply.
    Return,
    /// An error reply.
    Error,
}

/// The id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// It has none.
    None,
    /// A plain number.
    Number(u64),
    /// Something that we never send.
    Other,
}

/// What is known of a message over the size limit.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Its id.
    pub id: Id,
    /// What it was, if that could be told.
    pub kind: Option<Kind>,
    /// Its size in bytes.
    pub size: u64,
}

impl Framer {
    /// `limit` bounds a message in bytes.
    pub fn new(limit: usize) -> Self {
        let phase = Phase::Between;
        Framer {
            limit,
            start: 0,
            searched: 0,
            dropped: 0,
            phase,
            compact: false,
            short_lines: false,
            line_ended: true,
            scanner: None,
        }
    }

    /// Looks for the next message and takes it apart in `message`. `outstanding` tells the ids of requests that wait for a
    /// reply.
    pub fn next(&mut self, buf: &[u8], message: &mut Message, outstanding: impl Fn(u64) -> bool) -> Result<Step> {
        loop {
            let begun = match self.phase {
                Phase::Between => self.begin(buf),
                Phase::Line(form) => Begun::Line(form),
                Phase::Structure | Phase::Skip => return self.structure(buf, message),
            };
            match begun {
                Begun::Line(form) => {
                    if let Some(step) = self.line(buf, form, message, &outstanding) {
                        return Ok(step);
                    }
                }
                Begun::Other => {}
                Begun::NotYet => return Ok(Step::More),
                Begun::Wrong => {
                    return Err(broken("expected a JSON object", buf.get(self.start..).unwrap_or_default()));
                }
            }
            self.begin_structure();
        }
    }

    /// The largest message, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// So many bytes at the front of the stream are the greeting of QEMU's compact writer, with its line end.
    pub fn greeted(&mut self, line: usize) {
        self.compact = true;
        self.finish(line);
        self.line_ended = true;
    }

    /// Has nothing been looked at yet?
    pub fn is_fresh(&self) -> bool {
        self.phase == Phase::Between && self.start == 0 && self.dropped == 0
    }

    /// Does the peer write as QEMU's compact writer does?
    pub fn is_compact(&self) -> bool {
        self.compact
    }

    /// How many bytes at the front of the buffer are no longer needed.
    pub fn consumed(&self) -> usize {
        match (&self.scanner, self.phase) {
            (Some(scanner), Phase::Skip) => scanner.keep_from(),
            _ => self.start,
        }
    }

    /// The owner dropped [`Framer::consumed`] bytes from the front of the buffer.
    pub fn shift(&mut self) {
        let n = self.consumed();
        if n == 0 {
            return;
        }
        if self.phase == Phase::Between {
            // Whatever looks for the next message begins at its beginning.
            self.start = 0;
            return;
        }
        if let Some(scanner) = &mut self.scanner {
            scanner.shift(n);
        }
        self.searched = self.searched.saturating_sub(n);
        self.dropped = self.dropped.saturating_add(n.saturating_sub(self.start) as u64);
        self.start = self.start.saturating_sub(n);
    }

    /// Is this inside a message over the size limit, whose bytes are being dropped?
    pub fn skipping(&self) -> bool {
        self.phase == Phase::Skip
    }

    /// How many bytes of it were dropped so far.
    pub fn skipped(&self) -> u64 {
        self.dropped
    }

    /// What the message being skipped is, if that can be told yet.
    pub fn skipped_kind(&self) -> Option<Kind> {
        let scanner = self.scanner.as_ref()?;
        KINDS.iter().enumerate().find(|(index, _)| scanner.seen(*index)).map(|(_, kind)| *kind)
    }

    /// Finds the beginning of a message.
    #[inline(always)]
    fn begin(&mut self, buf: &[u8]) -> Begun {
        self.skip_space(buf);
        let rest = buf.get(self.start..).unwrap_or_default();
        match rest.first() {
            None => return Begun::NotYet,
            Some(b'{') => {}
            Some(_) => return Begun::Wrong,
        }
        // Who leaves out a line end once is not QEMU's compact writer.
        self.compact &= self.line_ended;
        if self.compact {
            if let Some(form) = form_of(rest) {
                self.phase = Phase::Line(form);
                self.searched = self.start;
                return Begun::Line(form);
            }
            if [OBJECT_REPLY, ARRAY_REPLY, EVENT].iter().any(|form| form.starts_with(rest)) {
                return Begun::NotYet;
            }
        }
        Begun::Other
    }

    fn skip_space(&mut self, buf: &[u8]) {
        // Between QEMU's messages there is nothing but their line ends.
        if buf.get(self.start).is_none_or(|byte| *byte > b' ') {
            return;
        }
        let rest = buf.get(self.start..).unwrap_or_default();
        let space = rest.iter().take_while(|byte| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.line_ended |= rest.get(..space).is_some_and(|space| space.contains(&b'\n'));
        self.start = self.start.wrapping_add(space);
    }

    fn begin_structure(&mut self) {
        self.phase = Phase::Structure;
        let start = self.start;
        self.scanner.get_or_insert_with(|| Box::new(Scanner::new(&KEYS, Mode::Peer))).restart(start);
    }

    /// The fast path. `None`: this message is for the scanner.
    #[inline]
    fn line(
        &mut self,
        buf: &[u8],
        form: Form,
        message: &mut Message,
        outstanding: &impl Fn(u64) -> bool,
    ) -> Option<Step> {
        // A NUL must not get through, and UTF-8 is for the scanner's side to check: both end the text, as the line end does.
        let end = skip_text(buf, self.searched, self.short_lines);
        let next = match buf.get(end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => end.wrapping_add(2),
            [b'\n', ..] => end.wrapping_add(1),
            [] | [b'\r'] => {
                self.searched = end;
                let held = buf.get(self.start..).unwrap_or_default();
                return (held.len() <= self.limit && !is_suspicious(held, form, outstanding)).then_some(Step::More);
            }
            _ => return None,
        };
        let line = buf.get(self.start..end)?;
        if line.len() > self.limit {
            return None;
        }
        exact_form(line, self.start, form, outstanding, message)?;
        self.short_lines = line.len() < SHORT;
        self.finish(next);
        self.line_ended = true;
        Some(Step::Message)
    }

    /// Ends a message: the next one begins at `end` or behind white space there.
    fn finish(&mut self, end: usize) {
        self.start = end;
        self.line_ended = false;
        self.dropped = 0;
        self.phase = Phase::Between;
    }

    fn structure(&mut self, buf: &[u8], message: &mut Message) -> Result<Step> {
        let Some(scanner) = &mut self.scanner else { return Ok(Step::More) };
        let done = scanner.scan(buf).map_err(|fault| {
            let near = buf.get(fault.at.saturating_sub(20).max(self.start.min(fault.at))..).unwrap_or_default();
            broken(fault.what, near)
        })?;
        let end = scanner.position();
        if self.phase == Phase::Structure && end.saturating_sub(self.start) > self.limit {
            self.phase = Phase::Skip;
        }
        if !done {
            let grown = buf.get(self.start..).filter(|held| held.len() > SMALL).and_then(form_of);
            if let Some(form) = grown.filter(|_| self.phase == Phase::Structure && self.compact) {
                // A long reply that began in a short read: its line end will show its end at less cost.
                self.phase = Phase::Line(form);
                self.searched = self.start;
            }
            return Ok(Step::More);
        }
        let step = if self.phase == Phase::Skip {
            let size = self.dropped.saturating_add(end.saturating_sub(self.start) as u64);
            Step::TooLarge(Box::new(TooLarge { id: self.id(), kind: self.skipped_kind(), size }))
        } else {
            *message = self.whole(buf, end)?;
            Step::Message
        };
        self.finish(end);
        // The line end goes with its message, so that nothing is left behind the last one.
        self.skip_space(buf);
        Ok(step)
    }

    /// A message that the scanner has found.
    fn whole(&mut self, buf: &[u8], end: usize) -> Result<Message> {
        let message = self.classify(buf, end)?;
        if message.kind == Kind::Greeting {
            let line = buf.get(message.start..end).unwrap_or_default();
            let ends_as_qemu = buf.get(end..).unwrap_or_default().starts_with(b"\r\n");
            self.compact = ends_as_qemu && line.starts_with(COMPACT_GREETING) && !line.contains(&b'\n');
        }
        if self.compact {
            // Few messages will need it again.
            self.scanner = None;
        }
        Ok(message)
    }

    fn id(&self) -> Id {
        match &self.scanner {
            Some(scanner) if scanner.seen(ID) => scanner.number().map_or(Id::Other, Id::Number),
            _ => Id::None,
        }
    }

    fn classify(&self, buf: &[u8], end: usize) -> Result<Message> {
        let text = buf.get(self.start..end).unwrap_or_default();
        if let Err(why) = std::str::from_utf8(text) {
            return Err(broken("invalid UTF-8", text.get(why.valid_up_to()..).unwrap_or_default()));
        }
        let Some(scanner) = &self.scanner else { return Err(broken("no message", text)) };
        let mut found = KINDS.iter().enumerate().filter_map(|(index, kind)| Some((*kind, scanner.member(index)?)));
        let (Some((kind, member)), None) = (found.next(), found.next()) else {
            return Err(broken("expected one of the members QMP, event, return and error", text));
        };
        let mut value = member.value.clone();
        if kind == Kind::Event {
            let name = buf.get(value.clone()).unwrap_or_default();
            let plain = name.len() > 2 && name.first() == Some(&b'"') && !name.contains(&b'\\');
            if !plain {
                return Err(broken("expected the name of an event", name));
            }
            value = value.start.wrapping_add(1)..value.end.saturating_sub(1);
        }
        let id = scanner.member(ID).cloned().unwrap_or_default();
        let (id_member, id_value) = (id.cut, id.value);
        Ok(Message { start: self.start, end, kind, id: self.id(), id_member, id_value, value })
    }
}

/// Must an incomplete line be scanned? A peer that greets like QEMU and then ends no line, or sends what is no JSON,
/// must not be waited for.
fn is_suspicious(held: &[u8], form: Form, outstanding: &impl Fn(u64) -> bool) -> bool {
    let begin = held.get(..SMALL).unwrap_or(held);
    let openers = begin.iter().filter(|byte| matches!(**byte, b'[' | b'{')).count();
    let fits = || exact_form(held, 0, form, outstanding, &mut Message::default()).is_some();
    let whole = || held.last() == Some(&b'}') && fits();
    held.len() <= SMALL || openers > MAX_DEPTH || whole()
}

/// In which of the forms that are framed by line does it begin?
fn form_of(text: &[u8]) -> Option<Form> {
    match text.get(REPLY.len()) {
        Some(b'{') if text.starts_with(REPLY) => Some(Form::Reply { closer: b'}' }),
        Some(b'[') if text.starts_with(REPLY) => Some(Form::Reply { closer: b']' }),
        Some(_) if text.starts_with(EVENT) => Some(Form::Event),
        _ => None,
    }
}

/// Takes a message of this form apart, if it is exactly as QEMU's compact writer has it. Its line begins at `base` of the
/// buffer.
#[inline(always)]
fn exact_form(
    line: &[u8],
    base: usize,
    form: Form,
    outstanding: &impl Fn(u64) -> bool,
    message: &mut Message,
) -> Option<()> {
    match form {
        Form::Event => event(line, base, message),
        Form::Reply { closer } => reply(line, base, closer, outstanding, message),
    }
}

/// A reply in QEMU's compact form.
fn reply(
    line: &[u8],
    base: usize,
    closer: u8,
    outstanding: &impl Fn(u64) -> bool,
    message: &mut Message,
) -> Option<()> {
    const TAIL: &[u8] = b", \"id\": ";
    let body = line.strip_suffix(b"}")?;
    let (mut before, mut id, mut unit) = (body, 0u64, 1u64);
    while let Some((last, rest)) = before.split_last().filter(|(last, _)| last.is_ascii_digit()) {
        // No slot has more digits.
        if unit > 1_000_000_000 {
            return None;
        }
        id = id.wrapping_add(unit.wrapping_mul(last.wrapping_sub(b'0').into()));
        unit = unit.wrapping_mul(10);
        before = rest;
    }
    let value = before.strip_suffix(TAIL)?;
    if unit == 1 || value.last() != Some(&closer) || value.len() < OBJECT_REPLY.len() || !outstanding(id) {
        return None;
    }
    let at = |offset: usize| base.wrapping_add(offset);
    *message = Message {
        start: base,
        end: at(line.len()),
        kind: Kind::Return,
        id: Id::Number(id),
        id_member: at(value.len())..at(body.len()),
        id_value: at(before.len())..at(body.len()),
        value: at(REPLY.len())..at(value.len()),
    };
    Some(())
}

/// An event in QEMU's compact form, of a time in this age: others are for the scanner.
fn event(line: &[u8], base: usize, message: &mut Message) -> Option<()> {
    const BETWEEN: &[u8] = b", \"microseconds\": ";
    const SECONDS: usize = EVENT.len();
    const MICROSECONDS: usize = SECONDS + 10 + BETWEEN.len();
    // All of them are longer, and what has one length has one check.
    let head = line.first_chunk::<{ MICROSECONDS + 8 }>()?;
    let (seconds, rest) = head.get(SECONDS..)?.split_first_chunk()?;
    let microseconds = rest.strip_prefix(BETWEEN)?;
    let digits = digits_of_eight(microseconds.first_chunk()?);
    if !is_number(seconds) || !(1..=6).contains(&digits) {
        return None;
    }
    let rest = line.get(MICROSECONDS.wrapping_add(digits)..)?.strip_prefix(b"}, \"event\": \"")?;
    // An escape in the name is for the scanner.
    let len = skip_plain(rest, 0);
    let Some([b'"', tail @ ..]) = rest.get(len..).filter(|_| len > 0) else { return None };
    let plain = matches!(tail, b"}");
    let with_data =
        tail.starts_with(b", \"data\": {") && tail.ends_with(b"}}") && tail.len() >= b", \"data\": {}}".len();
    if !plain && !with_data {
        return None;
    }
    let start = base.wrapping_add(line.len().checked_sub(rest.len())?);
    *message = Message {
        start: base,
        end: base.wrapping_add(line.len()),
        kind: Kind::Event,
        id: Id::None,
        id_member: 0..0,
        id_value: 0..0,
        value: start..start.wrapping_add(len),
    };
    Some(())
}

/// Is it a number of ten digits?
fn is_number(text: &[u8; 10]) -> bool {
    let eight = |part: Option<&[u8; 8]>| part.is_some_and(|part| digits_of_eight(part) == 8);
    text.first() != Some(&b'0') && eight(text.first_chunk()) && eight(text.last_chunk())
}

fn broken(what: &str, near: &[u8]) -> Error {
    let shown = near.get(..40).unwrap_or(near).escape_ascii();
    Error::new(Code::Protocol, format!("not QMP: {what}, near \"{shown}\""))
}
