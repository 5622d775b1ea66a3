//! The life of a monitor: new, connecting, connected, disconnected, and the end.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::hub::{Call, Job, Mon, Waiter};
use super::inside::{callback, in_callback};
use super::options::Options;
use super::shared::{Guard, Shared};
use super::{DoneHandler, Monitor, PRIVATE_EVENTS, Reactor, State, Timeout, after, next_id};
use crate::driver::Link;
use crate::driver::dial;
use crate::driver::socket::Socket;
use crate::error::{Code, Error, Result};
use crate::sys::buffer::Buffer;
use crate::target::{Endpoint, Target};

impl Monitor {
    /// A monitor for this target, on this reactor or on one of its own. Does no I/O.
    pub fn new(reactor: Option<&Arc<Reactor>>, target: &str) -> Result<Arc<Monitor>> {
        let Target::Socket(endpoint) = Target::parse(target)?;
        let text = CString::new(target).map_err(|_| Error::new(Code::InvalidArgument, "the target contains a NUL"))?;
        let adopted = match endpoint {
            Endpoint::Fd(fd) => Some(dial::adopt(fd).map_err(|why| why.about(target, ""))?),
            _ => None,
        };
        let reactor = match reactor {
            Some(reactor) => Arc::clone(reactor),
            None => Reactor::with_capacity(PRIVATE_EVENTS, 0)?,
        };
        let mut shared = reactor.lock()?;
        let serial = next_id();
        let place = shared.hub.mons.vacant_entry();
        let key = place.key();
        let monitor = Arc::new(Monitor { reactor: Arc::clone(&reactor), key, serial, target: text });
        place.insert(Mon {
            serial,
            handle: Arc::downgrade(&monitor),
            keep: None,
            freed: false,
            state: State::New,
            options: Options::default(),
            endpoint,
            adopted,
            link: None,
            connecting: None,
            subs: Vec::new(),
            streams: Vec::new(),
        });
        shared.shares += 1;
        Ok(monitor)
    }

    /// Sets an option by name.
    pub fn set(&self, option: &str, value: &str) -> Result<()> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let linked = matches!(mon.state, State::Connecting | State::Connected);
        let mut options = mon.options;
        options.set(option, value, linked).map_err(|why| self.named(why, ""))?;
        if options.listen && matches!(mon.endpoint, Endpoint::Fd(_)) {
            let text = "option listen: a descriptor is connected already, expected a unix: or tcp: target";
            return Err(self.named(Error::new(Code::InvalidArgument, text), ""));
        }
        mon.options = options;
        Ok(())
    }

    /// Connects and negotiates capabilities.
    pub fn connect(&self, timeout: Timeout) -> Result<()> {
        self.try_connect(timeout).map_err(|why| self.named(why, "connect"))
    }

    /// Begins to connect; the callback tells how it ended.
    pub fn connect_start(&self, timeout: Timeout, done: DoneHandler) -> Result<()> {
        let begun = self.begin_connect(timeout, Waiter::Done(done));
        let (mut shared, _) = begun.map_err(|why| self.named(why, "connect"))?;
        self.reactor().settle(&mut shared);
        Ok(())
    }

    /// Ends the link, without waiting for the other side. A second time it does nothing.
    pub fn disconnect(&self) -> Result<()> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let why = match mon.state {
            State::Connecting => Error::new(Code::Canceled, "the monitor was told to disconnect while connecting"),
            _ => Error::new(Code::Disconnected, "the monitor was told to disconnect"),
        };
        shared.cut(self.key(), why);
        self.reactor().settle(&mut shared);
        Ok(())
    }

    /// How far the monitor is.
    pub fn state(&self) -> State {
        let mut shared = self.reactor().lock_to_end();
        shared.hub.mon(self).map_or(State::Disconnected, |mon| mon.state)
    }

    /// The greeting as it came over the link that there is.
    pub fn greeting(&self) -> Result<Buffer> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let link = mon.link.filter(|_| mon.state == State::Connected);
        let greeting = link.and_then(|link| shared.core.get(link)).map(|link| Buffer::concat(&[link.greeting()]));
        greeting.ok_or_else(|| {
            self.named(Error::new(Code::Disconnected, "the monitor is not connected: there is no greeting"), "")
        })
    }

    /// Can the link that there is do what the name says?
    pub fn supports(&self, feature: &str) -> bool {
        let mut shared = self.reactor().lock_to_end();
        let link = shared.hub.mon(self).ok().and_then(|mon| mon.link);
        link.and_then(|link| shared.core.get(link)).is_some_and(|link| link.supports(feature))
    }

    /// Gives the monitor up: what is open ends with CANCELED, and nothing of it runs afterwards.
    pub fn free(self: Arc<Self>) {
        let reactor = Arc::clone(self.reactor());
        let mut shared = reactor.lock_to_end();
        let port = self.key();
        let Ok(mon) = shared.hub.mon(&self) else { return };
        mon.freed = true;
        shared.cut(port, Error::new(Code::Canceled, "the monitor was freed"));
        shared.close_streams(port);
        shared.shares = shared.shares.saturating_sub(1);
        if in_callback() {
            // It may be this very callback that has to end first: the rest runs in a turn of its own reactor.
            if let Some(mon) = shared.hub.mons.get_mut(port) {
                mon.keep = Some(self);
            }
            shared.hub.queue.push_back(Job::Farewell { mon: port });
            reactor.settle(&mut shared);
        } else {
            reactor.settle(&mut shared);
            shared = reactor.await_callback(shared, port);
            let jobs = shared.hub.take_jobs(port);
            let gone = shared.hub.mons.try_remove(port);
            drop(shared);
            callback(|| self.say_farewell(jobs, gone));
            shared = reactor.lock_to_end();
        }
        reactor.retire(shared, false);
    }

    /// Runs the last callbacks of a monitor that is no longer in the books, and drops its handlers.
    pub(super) fn say_farewell(self: &Arc<Self>, jobs: Vec<Job>, gone: Option<Mon>) {
        for job in jobs {
            match job {
                Job::Reply { handler, outcome, .. } => handler(self, outcome),
                Job::Done { handler, outcome, .. } => handler(self, outcome),
                _ => {}
            }
        }
        // The handlers of its subscriptions go with it.
        drop(gone);
    }

    fn try_connect(&self, timeout: Timeout) -> Result<()> {
        let (shared, call) = self.begin_connect(timeout, Waiter::Thread(None, None))?;
        let ms = shared.hub.calls.get(call as usize).and_then(|call| call.timeout);
        self.reactor().wait_for(shared, call, ms.map(after))?.map(drop)
    }

    /// Puts a link on its way. The call is answered when it has come about, or has not.
    fn begin_connect(&self, timeout: Timeout, waiter: Waiter) -> Result<(Guard<'_>, u32)> {
        let place = self.find_place()?;
        let mut shared = self.reactor().lock()?;
        let mon = self.idle(&mut shared)?;
        let place = match place {
            Some(place) => place,
            None => dial::Place::Connected(mon.adopted.take().ok_or_else(used_up)?),
        };
        let timeout = timeout.resolve(mon.options.timeout);
        let deadline = if matches!(waiter, Waiter::Done(_)) { timeout.map(after) } else { None };
        let socket = Socket::new(self.key(), place, mon.options.max_message, mon.options.oob);
        let Shared { core, hub, .. } = &mut *shared;
        let call = hub.calls.insert(Call { mon: self.key(), id: 0, request: None, deadline, timeout, waiter });
        hub.timers.change(call, None, deadline);
        let link = core.insert(Link::Socket(Box::new(socket)));
        if let Some(mon) = hub.mons.get_mut(self.key()) {
            mon.state = State::Connecting;
            mon.link = Some(link);
            mon.connecting = Some(call as u32);
        }
        hub.refresh_streams(self.key());
        core.with(link, |driver, io| driver.begin(io, hub));
        Ok((shared, call as u32))
    }

    /// Where to connect to. A host name is resolved here, without the lock. `None`: the descriptor taken over.
    fn find_place(&self) -> Result<Option<dial::Place>> {
        let mut shared = self.reactor().lock()?;
        let mon = self.idle(&mut shared)?;
        if matches!(mon.endpoint, Endpoint::Fd(_)) {
            return mon.adopted.as_ref().map(|_: &OwnedFd| None).ok_or_else(used_up);
        }
        let (endpoint, listen) = (mon.endpoint.clone(), mon.options.listen);
        drop(shared);
        dial::resolve(&endpoint, listen).map(Some)
    }

    /// The monitor, if it has no link.
    fn idle<'a>(&self, shared: &'a mut Shared) -> Result<&'a mut Mon> {
        let mon = shared.hub.mon(self)?;
        match mon.state {
            State::New | State::Disconnected => Ok(mon),
            State::Connecting => Err(Error::new(Code::State, "the monitor is connecting already")),
            State::Connected => Err(Error::new(Code::State, "the monitor is connected already")),
        }
    }
}

impl Shared {
    /// Ends a monitor's link, if it has one.
    fn cut(&mut self, port: usize, why: Error) {
        let Some(link) = self.hub.mons.get(port).and_then(|mon| mon.link) else { return };
        let Shared { core, hub, .. } = self;
        core.with(link, |driver, io| driver.close(why, io, hub));
    }

    /// The streams of a freed monitor give what they hold, then CANCELED.
    fn close_streams(&mut self, port: usize) {
        let Some(mon) = self.hub.mons.get(port) else { return };
        for &key in &mon.streams {
            if let Some(stream) = self.hub.streams.get_mut(key) {
                stream.closed = true;
            }
        }
        self.hub.refresh_streams(port);
    }
}

impl Reactor {
    /// Waits until no callback of this monitor runs in another thread.
    fn await_callback<'a>(&'a self, mut shared: Guard<'a>, port: usize) -> Guard<'a> {
        while shared.running == Some(port) {
            shared.role_waiters += 1;
            shared = self.role.wait(shared).unwrap_or_else(std::sync::PoisonError::into_inner);
            shared.role_waiters -= 1;
        }
        shared
    }
}

fn used_up() -> Error {
    Error::new(Code::Unsupported, "a descriptor connects once: make a new monitor with a new one")
}
