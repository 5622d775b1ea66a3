//! The socket driver: QEMU's own monitor, over UNIX or TCP.

pub mod dial;
mod inbox;

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use mio::Interest;

use super::{Sink, Submission};
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::frame::{Kind, Message};
use crate::proto::qmp::{Item, Phase, Qmp};
use crate::proto::reply;
use crate::proto::slots::Slot;
use crate::reactor::{Io, Ready};
use crate::sys::buffer::Buffer;
use crate::sys::socket as sys;
use dial::{Attempt, Dialer, Listener, Place};

/// How much one link may bring in one round: the others have their turn after that.
const ROUND: usize = 512 * 1024;
/// A reply at least this long is handed over in the buffer that it was read into; a shorter one is copied.
const HAND_OVER: usize = 32 * 1024;

/// A link to one monitor socket.
pub struct Socket {
    port: usize,
    stage: Stage,
    qmp: Qmp<Vec<OwnedFd>>,
    /// The beginning of an incomplete message.
    held: Vec<u8>,
    /// Is the socket watched for room to write?
    blocked: bool,
    /// Writing failed: what is still to be read is read, then the link is lost.
    broken: bool,
    is_unix: bool,
}

enum Stage {
    /// Where to go is known, nothing is begun.
    Begin(Place),
    /// Dialling, or between two attempts.
    Dial(Dialer, Option<OwnedFd>),
    Listen(Listener),
    Open(OwnedFd),
    Closed,
}

impl Socket {
    /// A link that will go to `place`. `limit` bounds a message in bytes, `oob` asks for out-of-band execution.
    pub fn new(port: usize, place: Place, limit: usize, oob: bool) -> Self {
        Socket {
            port,
            stage: Stage::Begin(place),
            qmp: Qmp::new(limit, oob),
            held: Vec::new(),
            blocked: false,
            broken: false,
            is_unix: false,
        }
    }

    /// Begins to connect.
    pub fn begin<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Begin(Place::Connected(socket)) => self.open(socket, io, sink),
            Stage::Begin(Place::Dial(addresses)) => self.dial(Dialer::new(addresses), io, sink),
            Stage::Begin(Place::Listen(addresses)) => {
                let listener = Listener::bind(&addresses).and_then(|listener| {
                    io.register(listener.as_raw_fd(), Interest::READABLE).map_err(|why| cannot_watch(&why))?;
                    Ok(listener)
                });
                match listener {
                    Ok(listener) => self.stage = Stage::Listen(listener),
                    Err(why) => self.lose(why, io, sink),
                }
            }
            other => self.stage = other,
        }
    }

    /// A source may be ready.
    pub fn ready<S: Sink>(&mut self, ready: Ready, io: &mut Io, sink: &mut S) {
        match &self.stage {
            Stage::Open(_) => {
                if ready.readable || self.broken {
                    self.read(ready.closed || self.broken, io, sink);
                }
                if ready.writable {
                    self.flush(io, sink);
                }
            }
            Stage::Dial(_, Some(_)) if ready.writable || ready.closed => self.decided(io, sink),
            Stage::Listen(listener) => match listener.accept() {
                Ok(Some(socket)) => self.open(socket, io, sink),
                Ok(None) => {}
                Err(why) => self.lose(Error::from_io(Code::Connect, "cannot accept", &why), io, sink),
            },
            _ => {}
        }
    }

    /// The pause between two attempts is over.
    pub fn expired<S: Sink>(&mut self, _now: Instant, io: &mut Io, sink: &mut S) {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Dial(dialer, None) => self.dial(dialer, io, sink),
            other => self.stage = other,
        }
    }

    /// Sends or queues a request.
    pub fn submit<S: Sink>(&mut self, what: Submission<'_>, io: &mut Io, sink: &mut S) -> Result<()> {
        if self.qmp.phase() != Phase::Ready {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        }
        if !what.fds.is_empty() && !self.is_unix {
            return Err(Error::new(Code::Unsupported, "descriptors can be passed over UNIX sockets only"));
        }
        let fds = (!what.fds.is_empty()).then_some(what.fds);
        self.qmp.submit(what.call, what.request, what.value_only, fds)?;
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
        let waited = match (&self.stage, self.qmp.phase()) {
            (Stage::Dial(dialer, _), _) => return dialer.error(),
            (Stage::Listen(_), _) => "nobody connected to the listening socket",
            (_, Phase::Greeting) => {
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
            "fds" => self.is_unix && self.qmp.phase() == Phase::Ready,
            "oob" => self.qmp.oob() && self.qmp.phase() == Phase::Ready,
            _ => false,
        }
    }

    /// Writes what the socket takes.
    pub fn flush<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        let Stage::Open(socket) = &self.stage else { return };
        if self.broken {
            return;
        }
        let wrote = loop {
            let Some((bytes, fds)) = self.qmp.output() else { break Ok(()) };
            let sent = match fds {
                None => sys::send(socket.as_fd(), bytes),
                Some(fds) => sys::send_with_fds(socket.as_fd(), bytes, fds),
            };
            match sent {
                Ok(n) => self.qmp.wrote(n),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => break Err(why),
            }
        };
        let blocked = match wrote {
            Ok(()) => false,
            Err(why) if why.kind() == ErrorKind::WouldBlock => true,
            Err(_) => {
                // The peer is gone; what it said before is still to be read, and tells more than this error.
                self.broken = true;
                io.again();
                return;
            }
        };
        if blocked != self.blocked {
            self.blocked = blocked;
            let interest = if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            if let Err(why) = io.reregister(socket.as_raw_fd(), interest) {
                self.lose(cannot_watch(&why), io, sink);
            }
        }
    }

    fn dial<S: Sink>(&mut self, mut dialer: Dialer, io: &mut Io, sink: &mut S) {
        io.set_deadline(None);
        match dialer.attempt() {
            Attempt::Open(socket) => self.open(socket, io, sink),
            Attempt::Pending(socket) => match io.register(socket.as_raw_fd(), Interest::WRITABLE) {
                Ok(()) => self.stage = Stage::Dial(dialer, Some(socket)),
                Err(why) => self.lose(cannot_watch(&why), io, sink),
            },
            Attempt::Later(pause) => {
                self.stage = Stage::Dial(dialer, None);
                io.set_deadline(Some(Instant::now() + pause));
            }
            Attempt::Failed(why) => self.lose(why, io, sink),
        }
    }

    /// A TCP connection attempt has ended.
    fn decided<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        let Stage::Dial(mut dialer, Some(socket)) = std::mem::replace(&mut self.stage, Stage::Closed) else { return };
        match sys::connect_result(socket.as_fd()) {
            Ok(()) if !sys::is_connected(socket.as_fd()) => self.stage = Stage::Dial(dialer, Some(socket)),
            Ok(()) => {
                // The source is registered for the attempt; a fresh registration starts with a fresh edge.
                let _ = io.deregister(socket.as_raw_fd());
                self.open(socket, io, sink);
            }
            Err(why) => {
                drop(socket);
                match dialer.failed(why) {
                    Some(error) => self.lose(error, io, sink),
                    None => self.dial(dialer, io, sink),
                }
            }
        }
    }

    fn open<S: Sink>(&mut self, socket: OwnedFd, io: &mut Io, sink: &mut S) {
        self.is_unix = sys::is_unix(socket.as_fd());
        if !self.is_unix {
            sys::set_nodelay(socket.as_fd());
        }
        let registered = io.register(socket.as_raw_fd(), Interest::READABLE);
        self.stage = Stage::Open(socket);
        match registered {
            Ok(()) => {}
            Err(why) => self.lose(cannot_watch(&why), io, sink),
        }
    }

    fn read<S: Sink>(&mut self, to_the_end: bool, io: &mut Io, sink: &mut S) {
        let mut buf = inbox::open(&mut self.held, &mut io.scratch);
        let result = self.read_into(&mut buf, to_the_end, io, sink);
        inbox::close(buf, &mut self.held, &mut io.scratch);
        match result {
            Ok(()) if self.qmp.output().is_some() && !self.blocked => self.flush(io, sink),
            Ok(()) => {}
            Err(why) => self.lose(why, io, sink),
        }
    }

    fn read_into<S: Sink>(&mut self, buf: &mut Vec<u8>, to_the_end: bool, io: &mut Io, sink: &mut S) -> Result<()> {
        let mut budget = ROUND;
        loop {
            let Stage::Open(socket) = &self.stage else { return Ok(()) };
            let room = buf.capacity() - buf.len();
            let n = match sys::receive(socket.as_fd(), buf) {
                Ok(0) => return Err(self.end_of_stream(None)),
                Ok(n) => n,
                Err(why) if why.kind() == ErrorKind::Interrupted => continue,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    return if self.broken { Err(self.end_of_stream(None)) } else { Ok(()) };
                }
                Err(why) => return Err(self.end_of_stream(Some(&why))),
            };
            self.digest(buf, sink)?;
            // A stream socket that gave less than there was room for is drained (epoll(7)): the next bytes bring a
            // new edge.
            if n < room && !to_the_end {
                return Ok(());
            }
            budget = budget.saturating_sub(n);
            if budget == 0 {
                io.again();
                return Ok(());
            }
            inbox::make_room(buf);
        }
    }

    /// Takes every whole message out of the buffer.
    fn digest<S: Sink>(&mut self, buf: &mut Vec<u8>, sink: &mut S) -> Result<()> {
        while let Some(item) = self.qmp.next(buf)? {
            match item {
                Item::Event(message) => {
                    let name = buf.get(message.value.clone()).unwrap_or_default();
                    let json = buf.get(message.start..message.end).unwrap_or_default();
                    sink.event(self.port, name, json);
                }
                Item::Reply(message, slot) => {
                    let last = self.qmp.consumed() >= buf.len();
                    let outcome = answer(buf, &message, &slot, last);
                    sink.answered(slot.call, outcome);
                    if buf.is_empty() {
                        self.qmp.shift();
                    }
                }
                Item::Ready => sink.connected(self.port),
                Item::ReplyTooLarge(call) => sink.answered(call, Err(self.qmp.over_limit())),
                Item::EventTooLarge => sink.events_lost(self.port, Some(1)),
            }
        }
        inbox::drop_front(buf, self.qmp.consumed());
        self.qmp.shift();
        Ok(())
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
        if let Stage::Open(socket) = std::mem::replace(&mut self.stage, Stage::Closed) {
            // Another process may hold a copy: without this QEMU's only place would stay taken.
            sys::shut_down(socket.as_fd());
        }
        for (call, delivery) in self.qmp.end() {
            sink.answered(call, Err(why.clone().with_delivery(delivery)));
        }
        io.finish();
        sink.closed(self.port, why);
    }
}

/// What the caller gets for a reply. `last`: nothing follows it in the buffer, which may be handed over.
fn answer(buf: &mut Vec<u8>, message: &Message, slot: &Slot, last: bool) -> Result<Buffer> {
    let id = slot.request.as_ref().and_then(|request| request.id());
    if message.kind == Kind::Error {
        let whole = reply::envelope(buf, message, id).concat();
        return Err(reply::command_error(buf.get(message.value.clone()).unwrap_or_default(), whole));
    }
    let long = message.end - message.start >= HAND_OVER;
    if slot.value_only {
        return Ok(if long && last {
            Buffer::from_vec(std::mem::take(buf), message.value.clone())
        } else {
            Buffer::concat(&[buf.get(message.value.clone()).unwrap_or_default()])
        });
    }
    if !(long && last) {
        return Ok(Buffer::concat(&reply::envelope(buf, message, id)));
    }
    let mut bytes = std::mem::take(buf);
    bytes.truncate(message.end);
    match id {
        Some(id) => drop(bytes.splice(message.id_value.clone(), id.iter().copied())),
        None => drop(bytes.drain(message.id_member.clone())),
    }
    let end = bytes.len();
    Ok(Buffer::from_vec(bytes, message.start..end))
}

fn cannot_watch(why: &io::Error) -> Error {
    Error::from_io(Code::System, "the socket cannot be watched", why)
}
