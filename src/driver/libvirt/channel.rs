//! One connection to a daemon: a socket, and what the bytes go through on it or behind it.

use std::time::Instant;

use super::program::Running;
use super::route::Route;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::driver::child;
use crate::driver::dial::Place;
use crate::driver::fds::Fds;
use crate::driver::wire::{Stop, Waiting, Wire};
use crate::error::{Code, Error, Result};
use crate::proto::outbox::Outbox;
use crate::reactor::{Io, Ready};

/// What may go with a packet.
pub(super) type Out = Outbox<Fds>;

/// A connection on its way, or open for packets.
pub(super) struct Channel {
    wire: Wire,
    layer: Layer,
}

/// What is between the socket and the packets.
enum Layer {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
    Program(Box<Running>),
}

/// The connection and the part of it of a source's number.
pub(super) fn source_of(number: usize) -> (usize, usize) {
    child::source_of(number)
}

impl Channel {
    /// The next connection along this route; its sources get the numbers of this block.
    pub(super) fn new(block: usize, route: &mut Route, io: &mut Io) -> Result<Channel> {
        let (place, layer) = match route {
            Route::Socket(goal) => (Place::Dial(goal.clone()), Layer::Plain),
            Route::Adopted(socket) => {
                let used_up = || Error::new(Code::Unsupported, "a socket that was handed over connects once");
                (Place::Connected(socket.take().ok_or_else(used_up)?), Layer::Plain)
            }
            #[cfg(feature = "tls")]
            Route::Tls(goal, terms) => (Place::Dial(goal.clone()), Layer::Tls(Box::new(Tls::new(terms)?))),
            Route::Program(program) => {
                let (wire, running) = Running::start(program, block, io)?;
                return Ok(Channel { wire, layer: Layer::Program(Box::new(running)) });
            }
        };
        Ok(Channel { wire: Wire::new(block * child::SOURCES_EACH, place), layer })
    }

    /// Begins to connect.
    pub(super) fn begin(&mut self, io: &mut Io) -> Result<()> {
        self.wire.begin(io)
    }

    /// A source may be ready: goes on with connecting, if that is not done.
    pub(super) fn advance(&mut self, ready: Ready, io: &mut Io) -> Result<()> {
        if let Layer::Program(running) = &mut self.layer {
            running.advance(ready, io);
        }
        if self.wire.is_open() { Ok(()) } else { self.wire.advance(ready, io) }
    }

    /// A pause between two attempts may be over, or the patience with a program.
    pub(super) fn expired(&mut self, now: Instant, io: &mut Io) -> Result<()> {
        match &mut self.layer {
            Layer::Program(running) => running.expired(now, io),
            _ => self.wire.retry(now, io),
        }
    }

    /// When one of them is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.layer {
            Layer::Program(running) => running.ending(),
            _ => self.wire.retry_at(),
        }
    }

    /// May packets go over it?
    pub(super) fn is_open(&self) -> bool {
        self.wire.is_open()
            && match &self.layer {
                Layer::Plain | Layer::Program(_) => true,
                #[cfg(feature = "tls")]
                Layer::Tls(tls) => tls.is_open(),
            }
    }

    /// Can descriptors go over it?
    pub(super) fn is_unix(&self) -> bool {
        self.wire.is_unix() && matches!(self.layer, Layer::Plain)
    }

    /// Can nobody else read what goes over it? A UNIX socket leaves the machine no more than TLS leaves it readable.
    pub(super) fn is_private(&self) -> bool {
        self.wire.is_unix() || !matches!(self.layer, Layer::Plain)
    }

    /// Why it is not open yet, for when the deadline comes.
    pub(super) fn not_open_yet(&self) -> Option<Error> {
        match self.wire.waiting() {
            Some(Waiting::Dial(dialer)) => return Some(dialer.error()),
            Some(Waiting::Name(host)) => {
                return Some(Error::new(Code::Timeout, format!("waited for the addresses of the host {host}")));
            }
            _ => {}
        }
        match &self.layer {
            Layer::Plain => None,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.waits_for().map(|what| Error::new(Code::Timeout, format!("waited for {what}"))),
            Layer::Program(running) => running.waits_for(),
        }
    }

    /// Has the last round left something unread?
    pub(super) fn is_unfinished(&self) -> bool {
        let layer = matches!(&self.layer, Layer::Program(running) if running.is_unfinished());
        layer || self.wire.is_unfinished()
    }

    /// Reads what there is and lets `digest` take whole packets off the front. `to_the_end`: until it would block.
    pub(super) fn read(
        &mut self,
        to_the_end: bool,
        io: &mut Io,
        digest: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let read = match &mut self.layer {
            // A read ends early where a descriptor comes, though more follows: a UNIX socket is read until it is empty.
            Layer::Plain => self.wire.read(to_the_end || self.wire.is_unix(), io, digest),
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.read(&mut self.wire, to_the_end, io, digest),
            Layer::Program(running) => return running.read(&mut self.wire, to_the_end, io, digest),
        };
        match read {
            Ok(()) => Ok(()),
            Err(Stop::Failed(why)) => Err(why),
            Err(Stop::Ended(why)) => Err(self.ended(why.as_ref())),
        }
    }

    fn ended(&self, why: Option<&std::io::Error>) -> Error {
        #[cfg(feature = "tls")]
        if let Layer::Tls(tls) = &self.layer {
            if let Some(error) = tls.ended_early() {
                return error;
            }
        }
        let text = "the daemon closed the connection";
        match why {
            Some(why) => Error::from_io(Code::Disconnected, text, why),
            None => Error::new(Code::Disconnected, text),
        }
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self, out: &mut Out, writable: bool, io: &mut Io) -> Result<()> {
        match &mut self.layer {
            Layer::Plain if out.is_empty() || (self.wire.is_blocked() && !writable) => Ok(()),
            Layer::Plain => self.wire.flush(out, io),
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.flush(&mut self.wire, out, writable, io),
            Layer::Program(running) => running.flush(&mut self.wire, out, writable, io),
        }
    }

    /// Waits until there is something to read, but no longer than this.
    pub(super) fn wait(&self, patience: std::time::Duration) {
        self.wire.wait(patience);
    }

    /// Ends it.
    pub(super) fn shut(&mut self) {
        if let Layer::Program(running) = &mut self.layer {
            running.shut();
        }
        self.wire.shut();
    }
}
