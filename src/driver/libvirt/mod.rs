//! The libvirt driver: the monitors of one daemon's domains, over libvirt's own RPC. All of them share this link.

mod channel;
pub mod configured;
pub mod credentials;
mod place;
pub mod program;
pub mod route;
#[cfg(feature = "tls")]
mod tls;

use std::time::{Duration, Instant};

use super::child::SOURCES_EACH;
use super::fds::{Fds, expect_one};
use super::inbox;
use super::told::Told;
use super::{Sink, Submission};
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::libvirt::{Credentials, Host, Line, Login, Settings, Wanted};
use crate::reactor::{Io, Ready, SOURCES};
use channel::Channel;
use route::Route;

/// The most connections to one daemon: each has a block of the sources that a driver may have.
pub const MOST_LINKS: usize = 8;
const _: () = assert!(MOST_LINKS * SOURCES_EACH <= SOURCES);

/// So long the answer to a farewell or a registration is waited for where nobody will turn any more. It takes far less
/// than a millisecond.
const GRACE: Duration = Duration::from_millis(100);

/// What has to be equal for monitors to share a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The URI without the domain.
    pub uri: Box<str>,
    /// Milliseconds of silence after which the daemon is sent a ping; 0: never.
    pub keepalive_interval: u32,
    /// So many pings may stay without an answer.
    pub keepalive_count: u32,
    /// The most connections.
    pub max_links: usize,
    /// Who logs in, where the application says so; files are the same for all.
    pub credentials: Option<Credentials>,
    /// May programs be run that the URI names?
    pub allow_programs: bool,
}

/// A link to one daemon.
pub struct Libvirt {
    shape: Shape,
    host: Host<Fds>,
    channels: Vec<Channel>,
    /// The way that every connection goes.
    route: Route,
    deadline: Option<Instant>,
}

impl Libvirt {
    /// A link of this shape along `route`; the daemon is to open `name`.
    pub fn new(shape: Shape, name: &str, route: Route, login: Login) -> Self {
        let interval = Duration::from_millis(shape.keepalive_interval.into());
        let settings = Settings {
            name: name.to_owned(),
            read_only: route.is_read_only(),
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            count: shape.keepalive_count,
            max_links: if route.is_repeatable() { shape.max_links.min(MOST_LINKS) } else { 1 },
            login,
        };
        Libvirt { shape, host: Host::new(settings), channels: Vec::new(), route, deadline: None }
    }

    /// What monitors that join it have in common.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Can a monitor of this shape join?
    pub fn admits(&self, shape: &Shape) -> bool {
        self.host.is_open() && self.route.is_repeatable() && self.shape == *shape
    }

    /// Begins to connect.
    pub fn begin<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        self.settle(io, sink);
    }

    /// A monitor joins. `limit` bounds its messages in bytes.
    pub fn attach<S: Sink>(&mut self, port: usize, wanted: Option<Wanted>, limit: usize, io: &mut Io, sink: &mut S) {
        self.host.attach(port, wanted, limit, &mut Told(sink));
        self.settle(io, sink);
    }

    /// Sends or queues a request.
    pub fn submit<S: Sink>(&mut self, port: usize, what: Submission<'_>, io: &mut Io, sink: &mut S) -> Result<()> {
        if what.fds.is_some() && !self.host.fds() {
            let text = "descriptors can be passed over UNIX sockets only, without SASL, to daemons that take them";
            return Err(Error::new(Code::Unsupported, text));
        }
        expect_one(what.fds.as_ref())?;
        self.host.submit(port, what.call, what.request, what.value_only, what.fds)?;
        if what.cork {
            io.flush_later();
        } else {
            self.settle(io, sink);
        }
        Ok(())
    }

    /// Asks for the domains of the hypervisor.
    pub fn list<S: Sink>(&mut self, port: usize, call: u32, io: &mut Io, sink: &mut S) -> Result<()> {
        self.host.list(port, call)?;
        self.settle(io, sink);
        Ok(())
    }

    /// Nobody waits for this call any more.
    pub fn forget(&mut self, port: usize, call: u32) -> Delivery {
        self.host.forget(port, call)
    }

    /// How many requests that were given up stand in the way of the port's next one.
    pub fn forgotten(&self, port: usize) -> usize {
        self.host.forgotten(port)
    }

    /// A monitor leaves. The last one takes leave of the daemon, which has a moment to answer.
    pub fn close<S: Sink>(&mut self, port: usize, why: Error, io: &mut Io, sink: &mut S) {
        self.host.detach(port, why, Instant::now(), &mut Told(sink));
        self.settle(io, sink);
    }

    /// The error of a connect whose deadline has come.
    pub fn not_connected_yet(&self, port: usize) -> Error {
        if let Some(why) = self.channels.first().and_then(Channel::not_open_yet) {
            return why;
        }
        Error::new(Code::Timeout, format!("waited for {}", self.host.waits_for(port)))
    }

    /// `events`, `fds`.
    pub fn supports(&self, port: usize, feature: &str) -> bool {
        let ready = self.host.is_connected(port);
        match feature {
            "events" => ready,
            "fds" => ready && self.host.fds(),
            _ => false,
        }
    }

    /// A source may be ready.
    pub fn ready<S: Sink>(&mut self, ready: Ready, io: &mut Io, sink: &mut S) {
        let (at, source) = channel::source_of(ready.source);
        let ready = Ready { source, ..ready };
        let Some(channel) = self.channels.get_mut(at) else { return };
        let advanced = channel.advance(ready, io);
        self.moved(at, advanced, sink);
        if ready.readable || self.channels[at].is_unfinished() {
            self.read(at, ready.closed, io, sink);
        }
        self.write(at, ready.writable, io, sink);
        self.settle(io, sink);
    }

    /// The driver asked to go on.
    pub fn resume<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        for at in 0..self.channels.len() {
            if self.channels[at].is_unfinished() {
                self.read(at, false, io, sink);
            }
        }
        self.settle(io, sink);
    }

    /// A pause between two attempts is over, or a patience, or something of the protocol is due.
    pub fn expired<S: Sink>(&mut self, now: Instant, io: &mut Io, sink: &mut S) {
        self.deadline = None;
        for at in 0..self.channels.len() {
            let tried = self.channels[at].expired(now, io);
            self.moved(at, tried, sink);
        }
        self.tick(now, sink);
        self.settle(io, sink);
    }

    /// Writes what has been put aside.
    pub fn flush<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        self.settle(io, sink);
    }

    /// To be called after every change: opens, writes and closes what the host wants so.
    fn settle<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        if self.host.wants_the_time() {
            self.tick(Instant::now(), sink);
        }
        while self.channels.len() < self.host.conns() && !self.host.is_over() {
            let at = self.channels.len();
            let begun = Channel::new(at, &mut self.route, io).and_then(|mut channel| {
                let begun = channel.begin(io);
                self.channels.push(channel);
                begun
            });
            self.moved(at, begun, sink);
            if self.channels.len() == at {
                // There is no further one to be had, and the host knows it.
                break;
            }
        }
        for at in 0..self.channels.len() {
            self.write(at, false, io, sink);
        }
        for (at, channel) in self.channels.iter_mut().enumerate() {
            if self.host.is_closed(at) {
                channel.shut();
            }
        }
        if self.host.is_over() {
            return io.finish();
        }
        let deadline = self.channels.iter().filter_map(Channel::deadline).chain(self.host.deadline()).min();
        if deadline != self.deadline {
            self.deadline = deadline;
            io.set_deadline(deadline);
        }
    }

    fn tick<S: Sink>(&mut self, now: Instant, sink: &mut S) {
        if let Err((at, why)) = self.host.tick(now) {
            self.host.lost(at, why, &mut Told(sink));
        }
    }

    /// A connection may have become open.
    fn moved<S: Sink>(&mut self, at: usize, outcome: Result<()>, sink: &mut S) {
        match outcome {
            Ok(()) => {
                if let Some(channel) = self.channels.get(at).filter(|channel| channel.is_open()) {
                    let line = Line { is_unix: channel.is_unix(), is_private: channel.is_private() };
                    self.host.opened(at, line, Instant::now());
                }
            }
            Err(why) => self.host.lost(at, why, &mut Told(sink)),
        }
    }

    fn read<S: Sink>(&mut self, at: usize, to_the_end: bool, io: &mut Io, sink: &mut S) {
        let (host, Some(channel)) = (&mut self.host, self.channels.get_mut(at)) else { return };
        let now = Instant::now();
        let outcome = channel.read(to_the_end, io, |buf| {
            let done = host.input(at, buf, now, &mut Told(sink))?;
            inbox::drop_front(buf, done);
            Ok(())
        });
        self.moved(at, outcome, sink);
    }

    fn write<S: Sink>(&mut self, at: usize, writable: bool, io: &mut Io, sink: &mut S) {
        let (Some(channel), Some(out)) = (self.channels.get_mut(at), self.host.outbox(at)) else { return };
        if let Err(why) = channel.flush(out, writable, io) {
            self.host.lost(at, why, &mut Told(sink));
        }
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        // The reactor goes while a farewell or a registration is on its way. See proto::libvirt for what a daemon makes of a
        // client that is gone by then: the answer is waited for, but not for long.
        let delicate = |(at, _): &(usize, &Channel)| self.host.is_delicate(*at);
        self.channels.iter().enumerate().filter(delicate).for_each(|(_, channel)| channel.wait(GRACE));
    }
}
