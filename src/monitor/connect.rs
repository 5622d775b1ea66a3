//! How a monitor comes to its link: one of its own, or a share in one that is there.

use super::hub::{Asked, Call, Mon, Waiter};
use super::options::Options;
use super::shared::{Guard, Shared};
use super::{DoneHandler, Monitor, State, Timeout, after};
use crate::driver::Link;
use crate::driver::dial::{self, Place};
use crate::driver::libvirt::{Libvirt, Shape, place};
use crate::driver::socket::Socket;
use crate::error::{Code, Error, Result};
use crate::target::uri::Uri;
use crate::target::{Endpoint, Target};

/// Where a link is to come from.
enum Way {
    /// A new one, to there.
    New(Place),
    /// A new one, over the descriptor that the monitor holds.
    Adopted,
    /// One that others use as well.
    Shared(usize),
}

impl Monitor {
    /// Connects, and makes ready for commands.
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

    fn try_connect(&self, timeout: Timeout) -> Result<()> {
        let (shared, call) = self.begin_connect(timeout, Waiter::Thread(None, None))?;
        let ms = shared.hub.calls.get(call as usize).and_then(|call| call.timeout);
        self.reactor().wait_for(shared, call, ms.map(after))?.map(drop)
    }

    /// Puts a link on its way. The call is answered when it has come about, or has not.
    fn begin_connect(&self, timeout: Timeout, waiter: Waiter) -> Result<(Guard<'_>, u32)> {
        let (mut shared, way) = self.find_way()?;
        let port = self.key();
        let mon = shared.hub.mon(self)?;
        let (options, target) = (mon.options, mon.target.clone());
        let place = match way {
            Way::New(place) => Ok(place),
            Way::Adopted => Ok(Place::Connected(mon.adopted.take().ok_or_else(used_up)?)),
            Way::Shared(link) => Err(link),
        };
        let timeout = timeout.resolve(options.timeout);
        let deadline = if matches!(waiter, Waiter::Done(_)) { timeout.map(after) } else { None };
        let hub = &mut shared.hub;
        let call = hub.calls.insert(Call { mon: port, id: 0, asked: Asked::Link, deadline, timeout, waiter });
        hub.timers.change(call, None, deadline);
        let is_new = place.is_ok();
        let link = place.map_or_else(|link| link, |place| shared.new_link(port, &target, place, &options));
        let Shared { core, hub, .. } = &mut *shared;
        if let Some(mon) = hub.mons.get_mut(port) {
            mon.state = State::Connecting;
            mon.link = Some(link);
            mon.connecting = Some(call as u32);
        }
        hub.refresh_streams(port);
        core.with(link, |driver, io| {
            if let (Link::Libvirt(libvirt), Target::Libvirt(uri)) = (&mut *driver, &target) {
                libvirt.attach(port, uri.domain.clone(), options.max_message, io, hub);
            }
            if is_new {
                driver.begin(io, hub);
            }
        });
        Ok((shared, call as u32))
    }

    /// Finds out where to connect to. A host name is resolved here, without the lock.
    fn find_way(&self) -> Result<(Guard<'_>, Way)> {
        let mut shared = self.reactor().lock()?;
        let mon = self.idle(&mut shared)?;
        if matches!(mon.target, Target::Socket(Endpoint::Fd(_))) || mon.options.socket_fd.is_some() {
            return if mon.adopted.is_some() { Ok((shared, Way::Adopted)) } else { Err(used_up()) };
        }
        let (target, options) = (mon.target.clone(), mon.options);
        if let Some(link) = shared.link_to_share(&target, &options) {
            return Ok((shared, Way::Shared(link)));
        }
        drop(shared);
        let place = match &target {
            Target::Socket(endpoint) => dial::resolve(endpoint, options.listen)?,
            Target::Libvirt(uri) => Place::Dial(place::addresses(&uri.transport)?),
        };
        let mut shared = self.reactor().lock()?;
        self.idle(&mut shared)?;
        // Another thread may have come first.
        let way = shared.link_to_share(&target, &options).map_or(Way::New(place), Way::Shared);
        Ok((shared, way))
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
    /// The link that monitors with this target and these options share, if there is one.
    fn link_to_share(&self, target: &Target, options: &Options) -> Option<usize> {
        let Target::Libvirt(uri) = target else { return None };
        let shape = shape(uri, options);
        self.links.get(&shape).copied().filter(|link| self.admits(*link, &shape))
    }

    fn admits(&self, link: usize, shape: &Shape) -> bool {
        matches!(self.core.get(link), Some(Link::Libvirt(libvirt)) if libvirt.admits(shape))
    }

    fn new_link(&mut self, port: usize, target: &Target, place: Place, options: &Options) -> usize {
        match target {
            Target::Socket(_) => {
                let socket = Socket::new(port, place, options.max_message, options.oob);
                self.core.insert(Link::Socket(Box::new(socket)))
            }
            Target::Libvirt(uri) => {
                let shape = shape(uri, options);
                let link = Libvirt::new(shape.clone(), &uri.name, place);
                let link = self.core.insert(Link::Libvirt(Box::new(link)));
                // Those that are gone need not be known any longer.
                let links = std::mem::take(&mut self.links);
                self.links = links.into_iter().filter(|(shape, link)| self.admits(*link, shape)).collect();
                if self.admits(link, &shape) {
                    self.links.insert(shape, link);
                }
                link
            }
        }
    }
}

fn shape(uri: &Uri, options: &Options) -> Shape {
    Shape {
        uri: uri.link.clone(),
        keepalive_interval: options.keepalive_interval,
        keepalive_count: options.keepalive_count,
        max_links: options.max_links,
    }
}

fn used_up() -> Error {
    Error::new(Code::Unsupported, "a descriptor connects once: make a new monitor with a new one, or hand over another")
}
