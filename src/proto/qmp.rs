//! One QMP session, from the greeting to the last reply (QEMU: docs/interop/qmp-spec).
//!
//! The owner reads bytes into a buffer and calls [`Qmp::next`] until it has no more to tell; writes what
//! stands in [`Qmp::outbox`]; and hands in requests by [`Qmp::submit`]. `F` is whatever travels with a request besides its
//! bytes (descriptors); this layer never looks at it.

use std::ops::Range;
use std::sync::Arc;

use super::frame::{Framer, Id, Kind, Message, Step, TooLarge};
use super::greeting::Greeting;
use super::outbox::{Outbox, Span};
use super::queue::Queue;
use super::request::Request;
use super::slots::{Owner, Slots, Way};
use crate::error::{Code, Delivery, Error, Result};

/// With out-of-band execution enabled QEMU queues this many in-band commands, then stops reading, and an out-of-band
/// command would wait like any other (qmp-spec, "Out-of-band execution").
const MAX_IN_BAND: usize = 8;

/// The call number of our own `qmp_capabilities`.
const NEGOTIATION: u32 = u32::MAX;

/// A message this many times over the size limit is not waited out: the peer will not come back into step.
const HOPELESS: u64 = 16;

/// The client's side of a QMP session.
#[derive(Debug)]
pub struct Qmp<F> {
    framer: Framer,
    slots: Slots,
    out: Outbox<F>,
    queue: Queue<Queued<F>>,
    greeting: Option<Arc<Greeting>>,
    phase: Phase,
    want_oob: bool,
    oob: bool,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// QEMU has not said anything yet: it serves one client at a time, so another one may be there.
    Greeting,
    /// `qmp_capabilities` is sent.
    Negotiation,
    /// Commands may be sent.
    Ready,
}

#[derive(Debug)]
struct Queued<F> {
    call: u32,
    request: Arc<Request>,
    value_only: bool,
    attachment: Option<F>,
}

/// What a message meant. Its parts are where the caller of [`Qmp::next`] wanted them.
#[derive(Debug)]
pub enum Item {
    /// The session is ready for commands.
    Ready,
    /// An event: the message's `value` is its name, the whole message its JSON.
    Event,
    /// The answer to a request.
    Reply(Owner),
    /// The answer to this call is over the size limit.
    ReplyTooLarge(u32),
    /// An event, or something that nobody waits for, was over the size limit.
    EventTooLarge,
}

impl<F> Qmp<F> {
    /// A session that waits for its greeting. `limit` bounds a message in bytes; `want_oob` asks for out-of-band
    /// execution where QEMU offers it.
    pub fn new(limit: usize, want_oob: bool) -> Self {
        Qmp {
            framer: Framer::new(limit),
            slots: Slots::default(),
            out: Outbox::new(),
            queue: Queue::new(),
            greeting: None,
            phase: Phase::Greeting,
            want_oob,
            oob: false,
        }
    }

    /// How far the session is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Has the peer not said anything yet?
    pub fn is_fresh(&self) -> bool {
        self.phase == Phase::Greeting && self.framer.is_fresh()
    }

    /// The greeting as it came, once it came.
    pub fn greeting(&self) -> &[u8] {
        self.greeting.as_ref().map_or(&[], |greeting| greeting.as_bytes())
    }

    /// The greeting as it was read, if it came as QEMU's compact writer has it: for [`Qmp::recognise`].
    pub fn compact_greeting(&self) -> Option<&Arc<Greeting>> {
        self.greeting.as_ref().filter(|_| self.framer.is_compact())
    }

    /// Spares reading the greeting, if these are the first bytes of the session, and it is one that is known.
    pub fn recognise(&mut self, known: &Arc<Greeting>, buf: &[u8]) {
        let line = known.line_at_front(buf).filter(|line| *line <= self.framer.limit());
        if let Some(line) = line.filter(|_| self.is_fresh()) {
            self.framer.greeted(line);
            self.welcome(Arc::clone(known));
        }
    }

    /// Is out-of-band execution enabled?
    pub fn oob(&self) -> bool {
        self.oob
    }

    /// Do requests wait for a place?
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many requests that were given up QEMU still has to answer.
    pub fn forgotten(&self) -> usize {
        self.slots.forgotten()
    }

    /// Looks for the next thing that the bytes in `buf` mean, and puts the parts of its message, as offsets in `buf`, into
    /// `message`. `None`: everything whole is taken; drop
    /// [`Qmp::consumed`] bytes from the front of the buffer, call [`Qmp::shift`], and read more behind the rest.
    pub fn next(&mut self, buf: &[u8], message: &mut Message) -> Result<Option<Item>> {
        loop {
            let slots = &self.slots;
            let item = match self.framer.next(buf, message, |id| slots.is_used(id))? {
                Step::More => return self.overflow(),
                Step::Message => match message.kind {
                    Kind::Event => Some(Item::Event),
                    Kind::Return | Kind::Error => self.replied(buf, message)?,
                    Kind::Greeting => self.greeted(buf, message).map(|()| None)?,
                },
                Step::TooLarge(what) => self.too_large(&what)?,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    /// How many bytes at the front of the buffer are done with.
    pub fn consumed(&self) -> usize {
        self.framer.consumed()
    }

    /// The owner dropped [`Qmp::consumed`] bytes from the front of the buffer.
    pub fn shift(&mut self) {
        self.framer.shift();
    }

    /// Sends a request, or queues it if all places are taken. Only in phase [`Phase::Ready`].
    pub fn submit(&mut self, call: u32, request: &Arc<Request>, value_only: bool, attachment: Option<F>) -> Result<()> {
        if request.out_of_band() && !self.oob {
            return Err(Error::new(
                Code::Unsupported,
                "exec-oob needs out-of-band execution, which is not enabled here",
            ));
        }
        // What has to wait keeps its order; out-of-band commands overtake it, unless they would carry a descriptor too.
        let overtakes = request.out_of_band() && attachment.is_none();
        if overtakes || (self.queue.is_empty() && self.may_go(request, attachment.is_some())) {
            self.place(call, request, value_only, attachment);
        } else {
            self.queue.push_back(Queued { call, request: Arc::clone(request), value_only, attachment });
        }
        Ok(())
    }

    /// Gives up a request: its late reply will be dropped. Tells how far it got.
    pub fn forget(&mut self, call: u32) -> Delivery {
        if self.queue.take_one(|queued| queued.call == call).is_some() {
            self.refill();
            return Delivery::NotSent;
        }
        let Some((id, span)) = self.slots.find(call) else { return Delivery::NotSent };
        if self.out.has_begun(span) {
            self.slots.forget(id);
            return Delivery::Unknown;
        }
        self.take_back(id, span);
        Delivery::NotSent
    }

    /// Takes back the first command with an attachment, of which nothing is written. Tells whose it is.
    pub fn take_back_attached(&mut self) -> Option<u32> {
        let (id, span, call) = self.slots.find_at(self.out.first_attached()?)?;
        self.take_back(id, span);
        Some(call)
    }

    fn take_back(&mut self, id: u64, span: Span) {
        self.out.take_back(span);
        self.slots.release(id);
        self.slots.move_up(span);
        self.refill();
    }

    /// The session is over: every call that still waited, in order, with how far it got.
    pub fn end(&mut self) -> Vec<(u32, Delivery)> {
        let on_wire = self.slots.drain().into_iter().filter(|(call, _)| *call != NEGOTIATION);
        let delivery = |span| if self.out.has_begun(span) { Delivery::Unknown } else { Delivery::NotSent };
        let mut calls: Vec<_> = on_wire.map(|(call, span)| (call, delivery(span))).collect();
        calls.extend(self.queue.take().map(|queued| (queued.call, Delivery::NotSent)));
        calls
    }

    /// What is to be written.
    pub fn outbox(&mut self) -> &mut Outbox<F> {
        &mut self.out
    }

    /// Is there a place for it? QEMU keeps the descriptors of the latest message that had some, and with out-of-band
    /// execution it reads ahead: a second command with descriptors would take away those of the first.
    fn may_go(&self, request: &Request, attached: bool) -> bool {
        let room = !self.oob || request.out_of_band() || self.slots.in_band() < MAX_IN_BAND;
        room && !(attached && self.slots.any_attached())
    }

    fn place(&mut self, call: u32, request: &Arc<Request>, value_only: bool, attachment: Option<F>) {
        let way = Way { out_of_band: request.out_of_band(), attached: attachment.is_some() };
        let request_with_id = request.id().is_some().then(|| Arc::clone(request));
        let id = self.slots.free_id();
        let span = self.out.push(attachment, |bytes| {
            let body = request.body();
            bytes.reserve(body.len().saturating_add(LONGEST_END));
            bytes.extend_from_slice(body);
            end_command(bytes, id);
        });
        self.slots.put(id, Owner { call, value_only, request: request_with_id }, span, way);
    }

    /// Puts queued requests on the wire while there are places.
    #[inline]
    fn refill(&mut self) {
        if !self.queue.is_empty() {
            self.place_queued();
        }
    }

    fn place_queued(&mut self) {
        while self.queue.front().is_some_and(|queued| self.may_go(&queued.request, queued.attachment.is_some())) {
            let Some(Queued { call, request, value_only, attachment }) = self.queue.pop_front() else { return };
            self.place(call, &request, value_only, attachment);
        }
    }

    fn greeted(&mut self, buf: &[u8], message: &Message) -> Result<()> {
        if self.phase != Phase::Greeting {
            return Err(Error::new(Code::Protocol, "a second greeting came"));
        }
        let (text, value) = (text_of(buf, message.start..message.end), text_of(buf, message.value.clone()));
        self.welcome(Arc::new(Greeting::read(text, value)?));
        Ok(())
    }

    fn welcome(&mut self, greeting: Arc<Greeting>) {
        let oob = self.want_oob && greeting.offers_oob();
        self.greeting = Some(greeting);
        self.phase = Phase::Negotiation;
        self.negotiate(oob);
    }

    fn negotiate(&mut self, oob: bool) {
        self.oob = oob;
        let body: &[u8] = if oob {
            br#"{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}"#
        } else {
            br#"{"execute":"qmp_capabilities""#
        };
        let id = self.slots.free_id();
        let span = self.out.push(None, |bytes| {
            bytes.extend_from_slice(body);
            end_command(bytes, id);
        });
        let owner = Owner { call: NEGOTIATION, value_only: true, request: None };
        self.slots.put(id, owner, span, Way { out_of_band: true, attached: false });
    }

    fn replied(&mut self, buf: &[u8], message: &Message) -> Result<Option<Item>> {
        let id = match message.id {
            Id::Number(id) => id,
            Id::None if message.kind == Kind::Error => match self.unmatched(buf, message)? {
                Some(id) => id,
                None => return Ok(None),
            },
            // Not an id of ours: nobody waits for it.
            Id::None | Id::Other => return Ok(None),
        };
        let owner = self.slots.release(id);
        self.refill();
        match owner {
            Some(owner) if owner.call == NEGOTIATION => self.negotiated(buf, message),
            owner => Ok(owner.map(Item::Reply)),
        }
    }

    /// An error without id: QEMU could not read something. It belongs to the only request there is. With several it
    /// cannot be told whose it is, and no later answer can be trusted.
    fn unmatched(&self, buf: &[u8], message: &Message) -> Result<Option<u64>> {
        if self.slots.used() <= 1 {
            return Ok(self.slots.only());
        }
        let text = shown_value(buf, message);
        Err(Error::new(Code::Protocol, format!("an error without id came while several requests were open: {text}")))
    }

    fn negotiated(&mut self, buf: &[u8], message: &Message) -> Result<Option<Item>> {
        if message.kind == Kind::Return {
            self.phase = Phase::Ready;
            return Ok(Some(Item::Ready));
        }
        if self.oob {
            // A peer that lists a capability and then refuses it is still good for the rest.
            self.negotiate(false);
            return Ok(None);
        }
        let text = shown_value(buf, message);
        Err(Error::new(Code::Protocol, format!("qmp_capabilities was refused: {text}")))
    }

    /// Inside a message over the limit: with one request on the wire there is no doubt whose answer it is, and no need
    /// to wait for its end.
    fn overflow(&mut self) -> Result<Option<Item>> {
        if !self.framer.skipping() {
            return Ok(None);
        }
        if self.phase != Phase::Ready || self.framer.skipped() / HOPELESS > self.framer.limit() as u64 {
            return Err(self.over_limit());
        }
        if !matches!(self.framer.skipped_kind(), Some(Kind::Return | Kind::Error)) {
            return Ok(None);
        }
        let Some(id) = self.slots.only() else { return Ok(None) };
        let Some(call) = self.slots.caller(id) else { return Ok(None) };
        self.slots.forget(id);
        Ok(Some(Item::ReplyTooLarge(call)))
    }

    fn too_large(&mut self, what: &TooLarge) -> Result<Option<Item>> {
        if self.phase != Phase::Ready {
            return Err(self.over_limit());
        }
        match (what.kind, &what.id) {
            (Some(Kind::Return | Kind::Error), Id::Number(id)) => {
                let owner = self.slots.release(*id);
                self.refill();
                Ok(owner.map(|owner| Item::ReplyTooLarge(owner.call)))
            }
            (Some(Kind::Event), _) => Ok(Some(Item::EventTooLarge)),
            _ => Ok(None),
        }
    }

    /// The error for what is over the size limit.
    pub fn over_limit(&self) -> Error {
        let limit = self.framer.limit();
        let text = format!("a message is larger than the option max-message allows ({limit} bytes)");
        Error::new(Code::Limit, text).with_delivery(Delivery::Answered)
    }
}

/// The value of a message, for an error.
fn shown_value(buf: &[u8], message: &Message) -> String {
    String::from_utf8_lossy(text_of(buf, message.value.clone())).into_owned()
}

fn text_of(buf: &[u8], range: Range<usize>) -> &[u8] {
    buf.get(range).unwrap_or_default()
}

/// The most digits of an id.
const DIGITS: usize = 10;
const LONGEST_END: usize = b",\"id\":}\n".len() + DIGITS;

/// Appends the end of a command: its wire id.
#[inline(always)]
fn end_command(bytes: &mut Vec<u8>, id: u32) {
    match u8::try_from(id) {
        // As good as all of them.
        Ok(digit @ 0..=9) => bytes.extend_from_slice(&[b',', b'"', b'i', b'd', b'"', b':', b'0' | digit, b'}', b'\n']),
        _ => end_by_long_id(bytes, id),
    }
}

#[inline(never)]
fn end_by_long_id(bytes: &mut Vec<u8>, mut id: u32) {
    let mut digits = [0; DIGITS];
    let mut start = DIGITS;
    for place in digits.iter_mut().rev() {
        *place = b'0' | (id % 10) as u8;
        id /= 10;
        start = start.wrapping_sub(1);
        if id == 0 {
            break;
        }
    }
    bytes.extend_from_slice(b",\"id\":");
    bytes.extend_from_slice(digits.get(start..).unwrap_or_default());
    bytes.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_with_their_ids() {
        for id in [0, 7, 9, 10, 11, 99, 100, 1_000_000_000, 1_234_567_890, u32::MAX] {
            let mut bytes = Vec::new();
            end_command(&mut bytes, id);
            assert_eq!(String::from_utf8(bytes).unwrap(), format!(",\"id\":{id}}}\n"));
        }
    }
}
