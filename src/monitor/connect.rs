//! How a monitor comes to its link: one of its own, or a share in one that is there.

use std::os::fd::OwnedFd;

use super::call::{Asked, Call, Waiter};
use super::hub::Mon;
use super::options::{Chosen, Options};
use super::roles::Deadline;
use super::shared::{Guard, Shared};
use super::{DoneHandler, Monitor, State, Timeout, after};
use crate::driver::Link;
use crate::driver::dial::{self, Place};
use crate::driver::libvirt::route::Route;
use crate::driver::libvirt::{Libvirt, Shape, configured, credentials};
use crate::driver::socket::Socket;
use crate::driver::virsh::Virsh;
use crate::error::{Code, Error, Result};
use crate::proto::libvirt::{Login, Wanted};
use crate::target::uri::{Uri, programs};
use crate::target::{Endpoint, Target};

/// Where a link comes from.
enum Way {
    /// A new one.
    New(Link),
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
        self.reactor().wait_for(shared, call, ms.map(Deadline::after))?.map(drop)
    }

    /// Puts a link on its way. The call is answered when it has come about, or has not.
    fn begin_connect(&self, timeout: Timeout, waiter: Waiter) -> Result<(Guard<'_>, u32)> {
        let target = self.parsed_target()?;
        let domain = domain_of(&target);
        let (mut shared, way) = self.find_way(target)?;
        let port = self.key();
        let mon = shared.hub.mon(self)?;
        let limit = mon.options.max_message;
        let timeout = timeout.resolve(mon.options.timeout);
        let deadline = if matches!(waiter, Waiter::Done(_)) { timeout.map(after) } else { None };
        let hub = &mut shared.hub;
        let call = hub.insert_call(Call { mon: port, id: 0, asked: Asked::Link, timeout, deadline, waiter });
        let (link, is_new) = match way {
            Way::New(link) => (shared.take_in(link), true),
            Way::Shared(link) => (link, false),
        };
        let Shared { core, hub, .. } = &mut *shared;
        if let Some(mon) = hub.mons.get_mut(port) {
            mon.state = State::Connecting;
            mon.link = Some(link);
            mon.connecting = Some(call);
        }
        hub.refresh_streams(port);
        core.with(link, |driver, io| {
            if let Link::Libvirt(libvirt) = &mut *driver {
                libvirt.attach(port, domain, limit, io, hub);
            }
            if is_new {
                driver.begin(io, hub);
            }
        });
        Ok((shared, call))
    }

    /// Finds the link to use. A host name is resolved here, without the lock.
    fn find_way(&self, target: Target) -> Result<(Guard<'_>, Way)> {
        let given = self.ask(&target)?;
        let mut shared = self.reactor().lock()?;
        let mon = self.idle(&mut shared)?;
        let mut options = mon.options.clone();
        if let Some(given) = given {
            let options = options.edit();
            (options.username, options.password) = (Some(given.username), Some(given.password));
        }
        if let Target::Configured(alias, _) = &target {
            drop(shared);
            let uri = configured::uri_of(alias)?;
            let target = Target::Libvirt(Box::new(Uri::configured(&uri)?));
            return self.find_way_to(self.reactor().lock()?, target, options);
        }
        self.find_way_to(shared, target, options)
    }

    fn find_way_to<'a>(&'a self, mut shared: Guard<'a>, target: Target, options: Chosen) -> Result<(Guard<'a>, Way)> {
        self.idle(&mut shared)?;
        if matches!(target, Target::Socket(Endpoint::Fd(_))) || options.socket_fd.is_some() {
            drop(shared);
            let login = login(&target, &options);
            let mut shared = self.reactor().lock()?;
            let socket = self.idle(&mut shared)?.extras().adopted.take().ok_or_else(used_up)?;
            let link = self.new_link(&target, &options, Some(socket), login)?;
            return Ok((shared, Way::New(link)));
        }
        if let Some(link) = shared.link_to_share(&target, &options) {
            return Ok((shared, Way::Shared(link)));
        }
        drop(shared);
        let link = self.new_link(&target, &options, None, login(&target, &options))?;
        let mut shared = self.reactor().lock()?;
        self.idle(&mut shared)?;
        // Another thread may have come first.
        let way = shared.link_to_share(&target, &options).map_or(Way::New(link), Way::Shared);
        Ok((shared, way))
    }

    /// A link to the target, over the socket that was handed over for it if there is one.
    fn new_link(
        &self,
        target: &Target,
        options: &Options,
        socket: Option<OwnedFd>,
        login: Option<Login>,
    ) -> Result<Link> {
        let (port, limit) = (self.key(), options.max_message);
        Ok(match target {
            Target::Socket(endpoint) => {
                let find = || dial::resolve(endpoint, options.listen);
                let place = socket.map(Place::Connected).map_or_else(find, Ok)?;
                Link::Socket(Box::new(Socket::new(port, place, limit, options.oob)))
            }
            Target::Libvirt(uri) => {
                let adopted = socket.map(|socket| Route::Adopted(Some(socket)));
                let route = adopted.map_or_else(|| Route::find(uri, options.allow_programs), Ok)?;
                let login = login.ok_or_else(|| Error::new(Code::Internal, "nobody asked who logs in"))?;
                Link::Libvirt(Box::new(Libvirt::new(shape(uri, options), &uri.name, route, login)))
            }
            Target::Configured(..) => return Err(Error::new(Code::Internal, "an alias was not looked up")),
            Target::Virsh(virsh) => {
                if !options.allow_programs && programs::names_a_program(&virsh.uri) {
                    let text = "the URI for virsh names a program, or a path that a shell would not take for one; \
                                that is run only with the option allow-programs=on";
                    return Err(Error::new(Code::InvalidArgument, text));
                }
                let (path, session) = (options.virsh_path.as_deref().unwrap_or("virsh"), options.virsh_session);
                Link::Virsh(Box::new(Virsh::new(port, path, &virsh.uri, virsh.domain.clone(), session, limit)))
            }
        })
    }

    /// The monitor, if it has no link.
    pub(super) fn idle<'a>(&self, shared: &'a mut Shared) -> Result<&'a mut Mon> {
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

    /// Takes a new link in; if monitors may share it, they find it from now on.
    fn take_in(&mut self, link: Link) -> usize {
        let shape = if let Link::Libvirt(libvirt) = &link { Some(libvirt.shape().clone()) } else { None };
        let link = self.core.insert(link);
        if let Some(shape) = shape.filter(|shape| self.admits(link, shape)) {
            // Those that are gone need not be known any longer.
            let links = std::mem::take(&mut self.links);
            self.links = links.into_iter().filter(|(shape, link)| self.admits(*link, shape)).collect();
            self.links.insert(shape, link);
        }
        link
    }
}

/// The domain that a libvirt target names.
fn domain_of(target: &Target) -> Option<Wanted> {
    match target {
        Target::Libvirt(uri) => uri.domain.clone(),
        Target::Configured(_, domain) => Some(domain.clone()),
        Target::Socket(_) | Target::Virsh(_) => None,
    }
}

fn shape(uri: &Uri, options: &Options) -> Shape {
    Shape {
        uri: uri.link.clone(),
        keepalive_interval: options.keepalive_interval,
        keepalive_count: options.keepalive_count,
        max_links: options.max_links,
        credentials: options.credentials().ok().flatten(),
        allow_programs: options.allow_programs,
    }
}

/// Who logs in at a daemon, and how. Reads files where the options do not say it: call it with no lock held.
fn login(target: &Target, options: &Options) -> Option<Login> {
    let Target::Libvirt(uri) = target else { return None };
    Some(credentials::login(uri, options.credentials().ok().flatten()))
}

fn used_up() -> Error {
    Error::new(Code::Unsupported, "a descriptor connects once: make a new monitor with a new one, or hand over another")
}
