//! The socket driver: QEMU's own monitor, over UNIX or TCP.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::dial::Place;
use super::fds::Fds;
use super::inbox;
use super::wire::{Stop, Waiting, Wire};
use super::{Reply, Sink, Submission};
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::frame::{Kind, Message};
use crate::proto::qmp::{Item, Phase, Qmp};
use crate::proto::reply;
use crate::proto::slots::Owner;
use crate::reactor::{Io, Ready};
use crate::sys::buffer::Buffer;

/// A reply at least this long is handed over in the buffer that it was read into; a shorter one is copied.
const HAND_OVER: usize = 32 * 1024;

/// A link to one monitor socket.
pub struct Socket {
    port: usize,
    wire: Wire,
    qmp: Qmp<Fds>,
}

impl Socket {
    /// A link that will go to `place`. `limit` bounds a message in bytes, `oob` asks for out-of-band execution.
    pub fn new(port: usize, place: Place, limit: usize, oob: bool) -> Self {
        Socket { port, wire: Wire::new(0, place), qmp: Qmp::new(limit, oob) }
    }

    /// Begins to connect.
    pub fn begin<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        let begun = self.wire.begin(io);
        self.moved(begun, io, sink);
    }

    /// A source may be ready.
    pub fn ready<S: Sink>(&mut self, ready: Ready, io: &mut Io, sink: &mut S) {
        if !self.wire.is_open() {
            let advanced = self.wire.advance(ready, io);
            return self.moved(advanced, io, sink);
        }
        if ready.readable || self.wire.is_unfinished() {
            self.read(ready.closed, io, sink);
        }
        if ready.writable {
            self.flush(io, sink);
        }
    }

    /// The driver asked to go on.
    pub fn resume<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        self.read(false, io, sink);
    }

    /// The pause between two attempts is over.
    pub fn expired<S: Sink>(&mut self, now: Instant, io: &mut Io, sink: &mut S) {
        let tried = self.wire.retry(now, io);
        self.moved(tried, io, sink);
    }

    /// Sends or queues a request.
    pub fn submit<S: Sink>(&mut self, what: Submission<'_>, io: &mut Io, sink: &mut S) -> Result<()> {
        if self.qmp.phase() != Phase::Ready {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        }
        if what.fds.is_some() && !self.wire.is_unix() {
            return Err(Error::new(Code::Unsupported, "descriptors can be passed over UNIX sockets only"));
        }
        self.qmp.outbox().borrow_buffer(&mut io.spare);
        self.qmp.submit(what.call, what.request, what.value_only, what.fds)?;
        if what.cork {
            io.flush_later()
        } else {
            self.flush(io, sink)
        }
        Ok(())
    }

    /// Nobody waits for this call any more.
    pub fn forget(&mut self, call: u32) -> Delivery {
        self.qmp.forget(call)
    }

    /// How many requests that were given up QEMU still has to answer.
    pub fn forgotten(&self) -> usize {
        self.qmp.forgotten()
    }

    /// Ends the link.
    pub fn close<S: Sink>(&mut self, why: Error, io: &mut Io, sink: &mut S) {
        self.lose(why, io, sink);
    }

    /// The error of a connect whose deadline has come.
    pub fn not_connected_yet(&self) -> Error {
        let waited = match (self.wire.waiting(), self.qmp.phase()) {
            (Some(Waiting::Dial(dialer)), _) => return dialer.error(),
            (Some(Waiting::Name(host)), _) => {
                return Error::new(Code::Timeout, format!("waited for the addresses of the host {host}"));
            }
            (Some(Waiting::Peer), _) => "nobody connected to the listening socket",
            (None, Phase::Greeting) => {
                "connected, and waited for QEMU's greeting, which did not come: another client may hold this monitor \
                 (QEMU serves one at a time), or it is not a QMP monitor"
            }
            _ => "the greeting came, and QEMU's answer to qmp_capabilities was waited for",
        };
        Error::new(Code::Timeout, waited)
    }

    /// The greeting as it came.
    pub fn greeting(&self) -> &[u8] {
        self.qmp.greeting()
    }

    /// `events`, `fds`, `oob`.
    pub fn supports(&self, feature: &str) -> bool {
        match feature {
            "events" => self.qmp.phase() == Phase::Ready,
            "fds" => self.wire.is_unix() && self.qmp.phase() == Phase::Ready,
            "oob" => self.qmp.oob() && self.qmp.phase() == Phase::Ready,
            _ => false,
        }
    }

    /// Writes what the socket takes.
    pub fn flush<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        loop {
            let refused = match self.wire.try_flush(self.qmp.outbox(), io) {
                Ok(None) => return self.qmp.outbox().lend_buffer(&mut io.spare),
                Ok(Some(why)) => Error::from_io(Code::System, "the descriptors cannot be passed", &why),
                Err(why) => return self.lose(why, io, sink),
            };
            // The kernel does not pass on the descriptors that go next: their request ends, and the others go on.
            let Some(call) = self.qmp.take_back_attached() else { return self.lose(refused, io, sink) };
            sink.answered(call, Err(refused.with_delivery(Delivery::NotSent)));
        }
    }

    fn moved<S: Sink>(&mut self, outcome: Result<()>, io: &mut Io, sink: &mut S) {
        match outcome {
            Ok(()) => io.set_deadline(self.wire.retry_at()),
            Err(why) => self.lose(why, io, sink),
        }
    }

    fn read<S: Sink>(&mut self, to_the_end: bool, io: &mut Io, sink: &mut S) {
        if self.qmp.has_queued() {
            // An answer makes room for it.
            self.qmp.outbox().borrow_buffer(&mut io.spare);
        }
        let read = if self.qmp.phase() == Phase::Greeting {
            self.read_greeting(to_the_end, io, sink)
        } else {
            let (qmp, port) = (&mut self.qmp, self.port);
            self.wire.read(to_the_end, io, |buf| digest(qmp, port, buf, sink))
        };
        if self.qmp.has_queued() {
            io.expect();
        }
        match read {
            Ok(()) if !self.qmp.outbox().is_empty() && !self.wire.is_blocked() => self.flush(io, sink),
            Ok(()) => {}
            Err(Stop::Failed(why)) => self.lose(why, io, sink),
            Err(Stop::Ended(why)) => self.ended(why.as_ref(), io, sink),
        }
    }

    fn ended<S: Sink>(&mut self, why: Option<&io::Error>, io: &mut Io, sink: &mut S) {
        let again = if self.qmp.is_fresh() { self.wire.listen_again(io) } else { Ok(false) };
        match again {
            Ok(true) => {}
            Ok(false) => self.lose(self.end_of_stream(why), io, sink),
            Err(why) => self.lose(why, io, sink),
        }
    }

    /// Reads what may begin with a greeting that is known, and keeps the one that came.
    #[inline(never)]
    fn read_greeting<S: Sink>(&mut self, to_the_end: bool, io: &mut Io, sink: &mut S) -> std::result::Result<(), Stop> {
        let (qmp, port) = (&mut self.qmp, self.port);
        let known = io.greeting.clone();
        let read = self.wire.read(to_the_end, io, |buf| {
            if let Some(known) = &known {
                qmp.recognise(known, buf);
            }
            digest(qmp, port, buf, sink)
        });
        if self.qmp.phase() != Phase::Greeting {
            self.wire.stop_listening();
            io.greeting = self.qmp.compact_greeting().map(Arc::clone).or_else(|| io.greeting.take());
        }
        read
    }

    fn end_of_stream(&self, why: Option<&io::Error>) -> Error {
        let when = match self.qmp.phase() {
            Phase::Greeting => "the other side closed the connection before its greeting",
            Phase::Negotiation => "the other side closed the connection during the capability negotiation",
            Phase::Ready => "the other side closed the connection",
        };
        match why {
            Some(why) => Error::from_io(Code::Disconnected, when, why),
            None => Error::new(Code::Disconnected, when),
        }
    }

    fn lose<S: Sink>(&mut self, why: Error, io: &mut Io, sink: &mut S) {
        self.wire.shut();
        for (call, delivery) in self.qmp.end() {
            sink.answered(call, Err(why.clone().with_delivery(delivery)));
        }
        io.finish();
        sink.closed(self.port, why);
    }
}

/// Takes every whole message out of the buffer.
fn digest<S: Sink>(qmp: &mut Qmp<Fds>, port: usize, buf: &mut Vec<u8>, sink: &mut S) -> Result<()> {
    let mut message = Message::default();
    while let Some(item) = qmp.next(buf, &mut message)? {
        match item {
            Item::Event => {
                let name = buf.get(message.value.clone()).unwrap_or_default();
                let json = buf.get(message.start..message.end).unwrap_or_default();
                sink.event(port, name, json);
            }
            Item::Reply(owner) => {
                let last = qmp.consumed() >= buf.len();
                let outcome = answer(buf, &message, &owner, last);
                sink.answered(owner.call, outcome);
                if last {
                    break;
                }
            }
            Item::Ready => sink.connected(port),
            Item::ReplyTooLarge(call) => sink.answered(call, Err(qmp.over_limit())),
            Item::EventTooLarge => sink.events_lost(port, Some(1)),
        }
    }
    inbox::drop_front(buf, qmp.consumed());
    qmp.shift();
    Ok(())
}

/// What the caller gets for a reply. If it is the last message in the buffer, that may be handed over.
fn answer<'a>(buf: &'a mut Vec<u8>, message: &Message, owner: &'a Owner, last: bool) -> Result<Reply<'a>> {
    let id = owner.request.as_ref().and_then(|request| request.id());
    if message.kind == Kind::Error {
        let whole = reply::envelope(buf, message, id).concat();
        return Err(reply::command_error(buf.get(message.value.clone()).unwrap_or_default(), whole));
    }
    let long = message.end - message.start >= HAND_OVER;
    if !(long && last) {
        let value = || [buf.get(message.value.clone()).unwrap_or_default(), b"", b"", b""];
        return Ok(Reply::Pieces(if owner.value_only { value() } else { reply::envelope(buf, message, id) }));
    }
    if owner.value_only {
        return Ok(Reply::Whole(Buffer::from_vec(std::mem::take(buf), message.value.clone())));
    }
    let mut bytes = std::mem::take(buf);
    bytes.truncate(message.end);
    match id {
        Some(id) => drop(bytes.splice(message.id_value.clone(), id.iter().copied())),
        None => drop(bytes.drain(message.id_member.clone())),
    }
    let end = bytes.len();
    Ok(Reply::Whole(Buffer::from_vec(bytes, message.start..end)))
}
