//! One stream socket of a driver: dialling or listening until it is open, reading into shared scratch, writing an outbox.
//!
//! It knows no protocol. Its driver says what to do with the bytes, and tells the application what came of it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::Interest;

use super::dial::{Address, Attempt, Dialer, Goal, Listener, Place};
use super::fds::Fds;
use super::inbox;
use super::names::Lookup;
use crate::error::{Code, Error, Result};
use crate::proto::outbox::Outbox;
use crate::reactor::{Io, Ready};
use crate::sys::socket as sys;

/// How much one link may bring in one round: the others have their turn after that.
const ROUND: usize = 512 * 1024;

/// A socket on its way, or open.
pub struct Wire {
    /// Which of its driver's sources this is.
    source: u8,
    stage: Stage,
    /// The beginning of an incomplete message.
    held: Vec<u8>,
    /// Is the socket watched for room to write?
    blocked: bool,
    /// Writing failed: what is still to be read is read, then the link is lost.
    broken: bool,
    /// The last round left something unread.
    unfinished: bool,
    is_unix: bool,
    /// The other side has ended the stream: it is read to its end, however many rounds that takes.
    ending: bool,
}

enum Stage {
    /// Where to go is known, nothing is begun.
    Begin(Box<Place>),
    /// The addresses of a host are asked for.
    Name(Box<Lookup>),
    /// An attempt is under way.
    Dial(Box<Way>, OwnedFd),
    /// Between two attempts.
    Pause(Box<Way>),
    Listen(Box<Listener>),
    /// Somebody has dialled in. The listener is kept until it is clear that it is the one who is waited for.
    Dialled(Box<(OwnedFd, Listener)>),
    Open(OwnedFd),
    Closed,
}

/// A socket's way to be open. Boxed wherever it stands: an open one needs none of it.
struct Way {
    dialer: Dialer,
    /// How long the attempt, or the pause, lasts.
    until: Option<Instant>,
}

impl Way {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// What a socket that is not open waits for.
#[derive(Debug)]
pub enum Waiting<'a> {
    /// The addresses of this host.
    Name(&'a str),
    /// Connecting; the dialler knows how that went so far.
    Dial(&'a Dialer),
    /// Somebody to dial in.
    Peer,
}

/// Why reading has ended for good.
#[derive(Debug)]
pub enum Stop {
    /// The other side closed the connection, or it broke.
    Ended(Option<io::Error>),
    /// What came cannot be used.
    Failed(Error),
}

impl Wire {
    /// A socket that will go to `place`.
    pub fn new(source: usize, place: Place) -> Self {
        let stage = Stage::Begin(Box::new(place));
        Wire {
            source: source as u8,
            stage,
            held: Vec::new(),
            blocked: false,
            broken: false,
            unfinished: false,
            is_unix: false,
            ending: false,
        }
    }

    /// Is there a connection?
    pub fn is_open(&self) -> bool {
        self.socket().is_some()
    }

    /// Is it a UNIX socket, which can carry descriptors?
    pub fn is_unix(&self) -> bool {
        self.is_unix
    }

    /// What is waited for before there is a connection.
    pub fn waiting(&self) -> Option<Waiting<'_>> {
        match &self.stage {
            Stage::Name(lookup) => Some(Waiting::Name(lookup.host())),
            Stage::Dial(way, _) | Stage::Pause(way) => Some(Waiting::Dial(&way.dialer)),
            Stage::Listen(_) => Some(Waiting::Peer),
            _ => None,
        }
    }

    /// When the next attempt is due.
    pub fn retry_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Pause(way) | Stage::Dial(way, _) => way.until,
            _ => None,
        }
    }

    /// Begins to connect.
    pub fn begin(&mut self, io: &mut Io) -> Result<()> {
        let place = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Begin(place) => *place,
            other => {
                self.stage = other;
                return Ok(());
            }
        };
        match place {
            Place::Connected(socket) => self.open(socket, io),
            Place::Dial(Goal::Addresses(addresses)) => self.dial(Dialer::new(addresses), io),
            Place::Dial(Goal::Name(host, port)) => match Lookup::start(&host, port) {
                Ok(lookup) => {
                    self.watch(lookup.as_raw_fd(), Interest::READABLE, io)?;
                    self.stage = Stage::Name(Box::new(lookup));
                    Ok(())
                }
                Err(found) => self.dial(Dialer::new(found?), io),
            },
            Place::Listen(addresses) => self.listen(Box::new(Listener::bind(&addresses)?), io),
        }
    }

    fn listen(&mut self, listener: Box<Listener>, io: &mut Io) -> Result<()> {
        self.watch(listener.as_raw_fd(), Interest::READABLE, io)?;
        self.stage = Stage::Listen(listener);
        Ok(())
    }

    fn dialled(&mut self, socket: OwnedFd, io: &mut Io) -> Result<()> {
        let Stage::Listen(listener) = std::mem::replace(&mut self.stage, Stage::Closed) else { return Ok(()) };
        let _ = io.deregister(listener.as_raw_fd());
        self.open(socket, io)?;
        if let Stage::Open(socket) = std::mem::replace(&mut self.stage, Stage::Closed) {
            self.stage = Stage::Dialled(Box::new((socket, *listener)));
        }
        Ok(())
    }

    /// Whoever dialled in has gone without a word: somebody who looked whether this port is open, or whether this socket
    /// is in use. Waits for the next one. False: nobody was waited for.
    pub fn listen_again(&mut self, io: &mut Io) -> Result<bool> {
        let Some((socket, listener)) = self.take_dialled() else { return Ok(false) };
        let _ = io.deregister(socket.as_raw_fd());
        (self.blocked, self.broken, self.unfinished, self.ending) = (false, false, false, false);
        self.listen(Box::new(listener), io)?;
        Ok(true)
    }

    /// Who dialled in is the one who was waited for.
    pub fn stop_listening(&mut self) {
        if let Some((socket, _)) = self.take_dialled() {
            self.stage = Stage::Open(socket);
        }
    }

    fn take_dialled(&mut self) -> Option<(OwnedFd, Listener)> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Dialled(both) => Some(*both),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The socket, once there is a connection.
    #[inline(always)]
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Open(socket) => Some(socket.as_fd()),
            Stage::Dialled(both) => Some(both.0.as_fd()),
            _ => None,
        }
    }

    /// A source that is not open yet may be ready.
    pub fn advance(&mut self, ready: Ready, io: &mut Io) -> Result<()> {
        match &mut self.stage {
            Stage::Name(lookup) => match lookup.answer() {
                Some(found) => self.named(found, io),
                None => Ok(()),
            },
            Stage::Dial(..) if ready.writable || ready.closed => self.decided(io),
            Stage::Listen(listener) => match listener.accept() {
                Ok(Some(socket)) => self.dialled(socket, io),
                Ok(None) => Ok(()),
                Err(why) => Err(Error::from_io(Code::Connect, "cannot accept", &why)),
            },
            _ => Ok(()),
        }
    }

    fn named(&mut self, found: Result<Vec<Address>>, io: &mut Io) -> Result<()> {
        if let Stage::Name(lookup) = &self.stage {
            let _ = io.deregister(lookup.as_raw_fd());
        }
        self.stage = Stage::Closed;
        self.dial(Dialer::new(found?), io)
    }

    /// The pause between two attempts may be over, or the patience with one.
    pub fn retry(&mut self, now: Instant, io: &mut Io) -> Result<()> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Pause(way) if way.is_over(now) => self.dial(way.dialer, io),
            Stage::Dial(way, socket) if way.is_over(now) => {
                drop(socket);
                self.dial_on(way.dialer, io::Error::from(ErrorKind::TimedOut), io)
            }
            other => {
                self.stage = other;
                Ok(())
            }
        }
    }

    /// Was the wish to go on this socket's?
    pub fn is_unfinished(&self) -> bool {
        self.unfinished || self.broken
    }

    /// Reads what there is and lets `digest` take whole messages off the front. `to_the_end`: until it would block.
    pub fn read(
        &mut self,
        to_the_end: bool,
        io: &mut Io,
        mut digest: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> std::result::Result<(), Stop> {
        self.unfinished = false;
        self.ending |= to_the_end;
        inbox::open(&mut self.held, &mut io.scratch);
        let result = self.read_into(&mut io.scratch, self.ending || self.broken, &mut digest);
        inbox::close(&mut self.held, &mut io.scratch);
        if self.unfinished {
            io.again();
        }
        result
    }

    fn read_into(
        &mut self,
        buf: &mut Vec<u8>,
        to_the_end: bool,
        digest: &mut impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> std::result::Result<(), Stop> {
        let Some(socket) = self.socket() else { return Ok(()) };
        let mut budget = ROUND;
        loop {
            let room = buf.capacity() - buf.len();
            let n = match sys::receive(socket, buf) {
                Ok(0) => return Err(Stop::Ended(None)),
                Ok(n) => n,
                Err(why) if why.kind() == ErrorKind::Interrupted => continue,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    return if self.broken { Err(Stop::Ended(None)) } else { Ok(()) };
                }
                Err(why) => return Err(Stop::Ended(Some(why))),
            };
            digest(buf).map_err(Stop::Failed)?;
            // A stream socket that gave less than there was room for is drained (epoll(7)): the next bytes bring a
            // new edge.
            if n < room && !to_the_end {
                return Ok(());
            }
            budget = budget.saturating_sub(n);
            if budget == 0 {
                self.unfinished = true;
                return Ok(());
            }
            inbox::make_room(buf);
        }
    }

    /// Writes what the socket takes.
    pub fn flush(&mut self, out: &mut Outbox<Fds>, io: &mut Io) -> Result<()> {
        if self.try_flush(out, io)?.is_some() {
            self.broken(io);
        }
        Ok(())
    }

    /// The same. Tells why the kernel does not pass on the descriptors that go next: that is no fault of the connection.
    pub fn try_flush(&mut self, out: &mut Outbox<Fds>, io: &mut Io) -> Result<Option<io::Error>> {
        let Some(socket) = self.socket() else { return Ok(None) };
        let fd = socket.as_raw_fd();
        if self.broken {
            return Ok(None);
        }
        let wrote = loop {
            let Some((bytes, fds)) = out.next() else { break Ok(()) };
            let sent = match fds {
                None => sys::send(socket, bytes),
                Some(fds) => sys::send_with_fds(socket, bytes, fds),
            };
            match sent {
                Ok(n) => {
                    out.wrote(n);
                    if out.is_empty() {
                        break Ok(());
                    }
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if fds.is_some() && !is_of_connection(&why) => return Ok(Some(why)),
                Err(why) => break Err(why),
            }
        };
        let blocked = match wrote {
            Ok(()) => false,
            Err(why) if why.kind() == ErrorKind::WouldBlock => true,
            Err(_) => {
                self.broken(io);
                return Ok(None);
            }
        };
        if blocked != self.blocked {
            self.blocked = blocked;
            let interest = if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            io.reregister(fd, self.source.into(), interest).map_err(|why| cannot_watch(&why))?;
        }
        Ok(None)
    }

    /// The peer is gone; what it said before is still to be read, and tells more than the error of writing.
    fn broken(&mut self, io: &mut Io) {
        self.broken = true;
        io.again();
    }

    /// Does the socket take no more for now?
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Waits until there is something to read, but no longer than this.
    pub fn wait(&self, patience: Duration) {
        if let Some(socket) = self.socket() {
            crate::sys::wait_readable(socket.as_raw_fd(), patience);
        }
    }

    /// Ends the connection, whoever else holds a copy of the socket: QEMU's only place would stay taken.
    pub fn shut(&mut self) {
        if let Some(socket) = self.socket() {
            sys::shut_down(socket);
            self.stage = Stage::Closed;
        }
    }

    fn dial(&mut self, mut dialer: Dialer, io: &mut Io) -> Result<()> {
        match dialer.attempt() {
            Attempt::Open(socket) => self.open(socket, io),
            Attempt::Pending(socket) => {
                self.watch(socket.as_raw_fd(), Interest::WRITABLE, io)?;
                let until = dialer.patience().map(|patience| Instant::now() + patience);
                self.stage = Stage::Dial(Box::new(Way { dialer, until }), socket);
                Ok(())
            }
            Attempt::Later(pause) => {
                let until = Some(Instant::now() + pause);
                self.stage = Stage::Pause(Box::new(Way { dialer, until }));
                Ok(())
            }
            Attempt::Failed(why) => Err(why),
        }
    }

    /// A TCP connection attempt has ended.
    fn decided(&mut self, io: &mut Io) -> Result<()> {
        let Stage::Dial(way, socket) = std::mem::replace(&mut self.stage, Stage::Closed) else {
            return Ok(());
        };
        let decided = sys::connect_result(socket.as_fd()).and_then(|()| match sys::peer(socket.as_fd()) {
            // Nobody listens there.
            sys::Peer::Itself => Err(io::Error::from_raw_os_error(libc::ECONNREFUSED)),
            other => Ok(other),
        });
        match decided {
            Ok(sys::Peer::None) => {
                self.stage = Stage::Dial(way, socket);
                Ok(())
            }
            Ok(_) => {
                // The source is registered for the attempt; a fresh registration starts with a fresh edge.
                let _ = io.deregister(socket.as_raw_fd());
                self.open(socket, io)
            }
            Err(why) => {
                drop(socket);
                self.dial_on(way.dialer, why, io)
            }
        }
    }

    /// An attempt has failed: the next one, if there is one.
    fn dial_on(&mut self, mut dialer: Dialer, why: io::Error, io: &mut Io) -> Result<()> {
        match dialer.failed(why) {
            Some(error) => Err(error),
            None => self.dial(dialer, io),
        }
    }

    fn open(&mut self, socket: OwnedFd, io: &mut Io) -> Result<()> {
        self.is_unix = sys::is_unix(socket.as_fd());
        if !self.is_unix {
            sys::set_nodelay(socket.as_fd());
        }
        let fd = socket.as_raw_fd();
        self.stage = Stage::Open(socket);
        self.watch(fd, Interest::READABLE, io)
    }

    fn watch(&self, fd: i32, interest: Interest, io: &mut Io) -> Result<()> {
        io.register(fd, self.source.into(), interest).map_err(|why| cannot_watch(&why))
    }
}

/// Does this error of writing tell of the connection, rather than of what was to be written?
fn is_of_connection(why: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected, WouldBlock};
    matches!(
        why.kind(),
        BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected | WouldBlock
    )
}

fn cannot_watch(why: &io::Error) -> Error {
    Error::from_io(Code::System, "the socket cannot be watched", why)
}
