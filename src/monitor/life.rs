//! The life of a monitor: new, connecting, connected, disconnected, and the end.

use std::ffi::CString;
use std::sync::Arc;

use super::hub::{Extras, Mon};
use super::inside::{callback, in_callback};
use super::job::Job;
use super::options::Chosen;
use super::shared::{Guard, Shared};
use super::turn::run_answer;
use super::{Monitor, PRIVATE_EVENTS, Reactor, State, Timeout, next_id};
use crate::driver::Link;
use crate::driver::dial;
use crate::error::{Code, Error, Result};
use crate::sys::buffer::Buffer;
use crate::sys::texts::Texts;
use crate::target::{Endpoint, Target};

impl Monitor {
    /// A monitor for this target, on this reactor or on one of its own. Does no I/O.
    pub fn new(reactor: Option<&Arc<Reactor>>, target: &str) -> Result<Arc<Monitor>> {
        let place = Target::parse(target)?;
        let text = CString::new(target).map_err(|_| Error::new(Code::InvalidArgument, "the target contains a NUL"))?;
        let adopted = match place {
            Target::Socket(Endpoint::Fd(fd)) => Some(dial::adopt(fd).map_err(|why| why.about(target, ""))?),
            _ => None,
        };
        let reactor = match reactor {
            Some(reactor) => Arc::clone(reactor),
            None => Reactor::with_capacity(PRIVATE_EVENTS, 0)?,
        };
        let mut shared = reactor.lock()?;
        let serial = next_id();
        let entry = shared.hub.mons.vacant_entry();
        let key = entry.key();
        let monitor = Arc::new(Monitor { reactor: Arc::clone(&reactor), key, serial, target: text });
        entry.insert(Mon {
            serial,
            handle: Arc::downgrade(&monitor),
            keep: None,
            freed: false,
            state: State::New,
            options: Chosen::default(),
            link: None,
            connecting: None,
            subs: Vec::new(),
            extras: adopted.map(|socket| Box::new(Extras { adopted: Some(socket), ..Extras::default() })),
        });
        shared.shares += 1;
        Ok(monitor)
    }

    /// Sets an option by name.
    pub fn set(&self, option: &str, value: &str) -> Result<()> {
        let target = self.parsed_target()?;
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let linked = matches!(mon.state, State::Connecting | State::Connected);
        let mut options = mon.options.clone();
        options.edit().set(option, value, linked).map_err(|why| self.named(why, ""))?;
        let bad = |text: &str| Err(self.named(Error::new(Code::InvalidArgument, text), ""));
        let is_libvirt = target.is_libvirt();
        let dialled = matches!(target, Target::Socket(Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Tcp(..)));
        if options.listen && !dialled {
            return bad("option listen: expected a unix: or tcp: target, which QEMU can dial");
        }
        if option == "socket-fd" {
            if !is_libvirt {
                return bad("option socket-fd is for libvirt targets; for a monitor socket the target is fd:N");
            }
            let adopted = options.socket_fd.map(dial::adopt).transpose();
            mon.extras().adopted = adopted.map_err(|why| self.named(why, ""))?;
        }
        mon.options = options;
        if option == "busy-poll" {
            shared.hub.refresh_busy_poll();
        }
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
        let link = shared.hub.mon(self)?.connected().map_err(|why| self.named(why, "greeting"))?;
        match shared.core.get(link).map(Link::greeting) {
            Some(Some(greeting)) => return Ok(Buffer::concat(&[greeting])),
            Some(None) => {}
            None => return Err(self.named(Error::new(Code::Disconnected, "the monitor has lost its link"), "greeting")),
        }
        drop(shared);
        // The other side has read it long ago: what stands in it can be asked for.
        let version = self.execute("query-version", None, Timeout::Default)?;
        Ok(Buffer::concat(&[b"{\"QMP\": {\"version\": ", version.as_bytes(), b", \"capabilities\": []}}"]))
    }

    /// Can the link that there is do what the name says?
    pub fn supports(&self, feature: &str) -> bool {
        let mut shared = self.reactor().lock_to_end();
        let link = shared.hub.mon(self).ok().and_then(|mon| mon.link);
        link.and_then(|link| shared.core.get(link)).is_some_and(|link| link.supports(self.key(), feature))
    }

    /// Gives the monitor up: what is open ends with CANCELED, and nothing of it runs afterwards.
    pub fn free(self: Arc<Self>) {
        let reactor = Arc::clone(self.reactor());
        let mut shared = reactor.lock_to_end();
        let port = self.key();
        let Ok(mon) = shared.hub.mon(&self) else { return };
        mon.freed = true;
        reactor.halt_callbacks();
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
            shared = reactor.await_callbacks(shared, port);
            let jobs = shared.hub.take_jobs(port);
            let gone = shared.hub.remove(port);
            if jobs.is_empty() {
                drop(shared);
                callback(|| self.say_farewell(jobs, gone));
                shared = reactor.lock_to_end();
            } else {
                shared = reactor.unlocked(shared, port, || self.say_farewell(jobs, gone));
            }
        }
        reactor.retire(shared, false);
    }

    /// Runs the last callbacks of a monitor that is no longer in the books, and drops its handlers.
    pub(super) fn say_farewell(self: &Arc<Self>, jobs: Vec<Job>, gone: Option<Mon>) {
        // Their texts are their own.
        let texts = Texts::default();
        for job in jobs {
            run_answer(job, self, &texts);
        }
        // The handlers of its subscriptions go with it.
        drop(gone);
    }
}

impl Shared {
    /// Ends a monitor's link, if it has one.
    fn cut(&mut self, port: usize, why: Error) {
        let Some(link) = self.hub.mons.get(port).and_then(|mon| mon.link) else { return };
        let Shared { core, hub, .. } = self;
        core.with(link, |driver, io| driver.close(port, why, io, hub));
    }

    /// The streams of a freed monitor give what they hold, then CANCELED.
    fn close_streams(&mut self, port: usize) {
        let Some(mon) = self.hub.mons.get(port) else { return };
        for &key in mon.streams() {
            if let Some(stream) = self.hub.streams.get_mut(key) {
                stream.closed = true;
            }
        }
        self.hub.refresh_streams(port);
    }
}

impl Reactor {
    /// Waits until no callback of this monitor runs in another thread, nor asks for credentials there; nor one of another
    /// monitor, if this one's are still to run.
    fn await_callbacks<'a>(&'a self, mut shared: Guard<'a>, port: usize) -> Guard<'a> {
        let asking = |shared: &Shared| {
            shared.hub.mons.get(port).is_some_and(|mon| mon.extras.as_ref().is_some_and(|extras| extras.asking > 0))
        };
        while asking(&shared) || shared.running.is_some_and(|(running, _)| running == port || shared.hub.has_jobs(port))
        {
            shared = self.await_role(shared);
        }
        shared
    }
}
