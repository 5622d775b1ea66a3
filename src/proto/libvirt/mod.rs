//! libvirt's side of QEMU's monitors: one daemon, the connections to it, and the monitors that share them.
//!
//! The owner opens connections when [`Host::conns`] says that there should be more, feeds them by [`Host::input`], and
//! writes what stands in [`Host::outbox`]. Monitors are *ports*, whatever waits for an answer is a *call*: numbers of the
//! owner's. What comes of it all is told to a [`Tell`].
//!
//! Every domain has at most one call on the wire, every connection at most [`PLACES`]: the domains that have something
//! to send stand in a ring, and each has its turn when there is a place. A command that was given up keeps its place
//! until the daemon answers it. When the places of all connections are kept so, or nothing has moved for a while, one
//! more is opened, so that a silent machine never stops the others.

#[cfg(feature = "sasl")]
mod base64;
mod conn;
mod domain;
mod fault;
mod listing;
mod login;
mod mechanism;
mod routing;
mod sasl;
mod uuid;

#[cfg(test)]
mod daemon_tests;
#[cfg(test)]
mod host_tests;
#[cfg(all(test, feature = "sasl"))]
mod sasl_tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::error::{Code, Delivery, Error, Result};
use crate::proto::outbox::Outbox;
use crate::proto::request::Request;
use crate::proto::tell::Tell;
use crate::proto::xdr::MAX_STRING;

pub use conn::{Line, PLACES, Settings};
pub use domain::Wanted;
pub use login::{Credentials, Forced, Login, Secret};
pub use uuid::Uuid;

use conn::{Conn, Phase};
use domain::{Domain, OnWire, Queued, Registration};
use listing::Listing;

/// With all places taken, calls waiting, and no answer for so long, one more connection is opened.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long the daemon has for its farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// So often it is looked whether the farewell may be sent.
const A_MOMENT: Duration = Duration::from_millis(5);

/// A daemon and all that is done there. `F` is what may go with a request: a descriptor.
#[derive(Debug)]
pub struct Host<F> {
    settings: Settings,
    conns: Vec<Conn<F, What>>,
    ports: BTreeMap<usize, Port>,
    domains: Slab<Domain<F>>,
    by_uuid: BTreeMap<Uuid, usize>,
    /// The domains whose look-up waits to be sent.
    unasked: BTreeMap<Wanted, usize>,
    /// The registrations that stand, by connection and callback id.
    by_callback: BTreeMap<(usize, i32), usize>,
    listings: Slab<Listing>,
    /// Who has something to send, in turn.
    ring: VecDeque<Turn>,
    /// Since when nothing moves, while something waits.
    stalled: Option<Instant>,
    /// The daemon wants no more connections.
    refused: bool,
    /// How far the farewell is.
    farewell: Farewell,
    over: bool,
    /// Where events are put together.
    scratch: Vec<u8>,
}

/// The end of a link: CONNECT_CLOSE goes out when somebody turns, who will see its answer. A daemon whose client sends it
/// and is gone works on both at once, and may crash (libvirtd 9.0 does, once in a hundred times); one whose client is just
/// gone does not. The same holds for a registration that it works on: its answer is waited for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    No,
    /// It is to be sent at the first of these; the link is without monitors since the second.
    Due(Instant, Instant),
    /// It is sent, and waited for until then.
    Sent(Instant),
}

/// A monitor.
#[derive(Debug)]
struct Port {
    wanted: Option<Wanted>,
    domain: Option<usize>,
    connected: bool,
    /// The largest message, in bytes.
    limit: usize,
}

/// What the answer to a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Domain(usize),
    Listing(usize),
}

/// Somebody that has something to send.
type Turn = What;

impl<F> Host<F> {
    /// A daemon that nobody is connected to yet.
    pub fn new(settings: Settings) -> Self {
        Host {
            settings,
            conns: vec![Conn::new()],
            ports: BTreeMap::new(),
            domains: Slab::new(),
            by_uuid: BTreeMap::new(),
            unasked: BTreeMap::new(),
            by_callback: BTreeMap::new(),
            listings: Slab::new(),
            ring: VecDeque::new(),
            stalled: None,
            refused: false,
            farewell: Farewell::No,
            over: false,
            scratch: Vec::new(),
        }
    }

    /// How many connections there should be.
    pub fn conns(&self) -> usize {
        self.conns.len()
    }

    /// Is this connection done with?
    pub fn is_closed(&self, conn: usize) -> bool {
        self.over || self.conns.get(conn).is_none_or(|conn| conn.phase == Phase::Closed)
    }

    /// Would the daemon come to harm if this connection were closed now? It works on our farewell, or on a registration.
    pub fn is_delicate(&self, conn: usize) -> bool {
        let is_leaving = |conn: &Conn<F, What>| conn.phase == Phase::Closing;
        !self.is_closed(conn) && (self.conns.get(conn).is_some_and(is_leaving) || self.is_registering())
    }

    /// Is everything done?
    pub fn is_over(&self) -> bool {
        self.over || self.conns.iter().all(|conn| conn.phase == Phase::Closed)
    }

    /// May monitors still join?
    pub fn is_open(&self) -> bool {
        !self.over && self.farewell == Farewell::No
    }

    /// Can descriptors go with requests?
    pub fn fds(&self) -> bool {
        self.conns.first().is_some_and(|conn| conn.fds)
    }

    /// Is this port ready for commands?
    pub fn is_connected(&self, port: usize) -> bool {
        self.ports.get(&port).is_some_and(|port| port.connected)
    }

    /// What is to be written to a connection.
    pub fn outbox(&mut self, conn: usize) -> Option<&mut Outbox<F>> {
        self.conns.get_mut(conn).map(|conn| &mut conn.out)
    }

    /// What a port that is not connected yet waits for.
    pub fn waits_for(&self, port: usize) -> &'static str {
        let Some(conn) = self.conns.first().filter(|conn| !conn.is_opening()) else {
            return self.conns.first().map_or("the daemon", |conn| conn.phase.waits_for());
        };
        let domain = self.ports.get(&port).and_then(|port| self.domains.get(port.domain?));
        match domain {
            Some(domain) if domain.uuid().is_none() => "the look-up of the domain (DOMAIN_LOOKUP)",
            Some(_) => "the registration for the domain's events (CONNECT_DOMAIN_MONITOR_EVENT_REGISTER)",
            None => conn.phase.waits_for(),
        }
    }

    /// A monitor joins: for a domain, or for the hypervisor alone. `limit` bounds its messages in bytes.
    pub fn attach(&mut self, port: usize, wanted: Option<Wanted>, limit: usize, tell: &mut impl Tell) {
        self.ports.insert(port, Port { wanted, domain: None, connected: false, limit });
        if self.conns.iter().any(|conn| conn.phase == Phase::Ready) {
            self.find(port, tell);
            self.pump();
        }
    }

    /// A monitor leaves: `why` answers its calls. The last one takes leave of the daemon.
    pub fn detach(&mut self, port: usize, why: Error, now: Instant, tell: &mut impl Tell) {
        self.end_port(port, why, tell);
        if self.ports.is_empty() && self.is_open() {
            // What is registered goes with the connections.
            self.farewell = Farewell::Due(now, now);
            self.ring.clear();
            self.conns.iter_mut().filter(|conn| conn.is_opening()).for_each(Conn::close);
        }
        self.pump();
    }

    /// Queues a request. On failure nothing was sent and no answer will come.
    pub fn submit(
        &mut self,
        port: usize,
        call: u32,
        request: &Arc<Request>,
        value_only: bool,
        attachment: Option<F>,
    ) -> Result<()> {
        if request.out_of_band() {
            let text = "exec-oob: libvirt does not enable out-of-band execution";
            return Err(Error::new(Code::Unsupported, text));
        }
        let len = request.body().len().saturating_add(1);
        if len > MAX_STRING {
            let text = format!("the request has {len} bytes, libvirt's strings have at most {MAX_STRING}");
            return Err(Error::new(Code::Limit, text));
        }
        let Some(entry) = self.ports.get(&port).filter(|port| port.connected) else {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        };
        let Some(key) = entry.domain else {
            let text = "the target names no domain, so it runs no commands; expected #NAME at its end";
            return Err(Error::new(Code::Unsupported, text));
        };
        let request = Arc::clone(request);
        if let Some(domain) = self.domains.get_mut(key) {
            domain.queue.push_back(Queued { port, call, request, value_only, attachment });
        }
        self.ring_domain(key);
        self.pump();
        Ok(())
    }

    /// Asks for the domains of the hypervisor.
    pub fn list(&mut self, port: usize, call: u32) -> Result<()> {
        if !self.is_connected(port) {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        }
        let key = self.listings.insert(Listing::new(port, call));
        self.ring.push_back(What::Listing(key));
        self.pump();
        Ok(())
    }

    /// Nobody waits for this call any more. Tells how far it got.
    pub fn forget(&mut self, port: usize, call: u32) -> Delivery {
        if let Some(delivery) = self.forget_listing(call) {
            return delivery;
        }
        let Some(key) = self.ports.get(&port).and_then(|port| port.domain) else { return Delivery::NotSent };
        let Some(domain) = self.domains.get_mut(key) else { return Delivery::NotSent };
        if let Some(at) = domain.queue.iter().position(|queued| queued.call == call) {
            domain.queue.remove(at);
            return Delivery::NotSent;
        }
        let Some(OnWire::Command(current)) = &mut domain.on_wire else { return Delivery::NotSent };
        if current.call != Some(call) {
            return Delivery::NotSent;
        }
        current.call = None;
        let (conn, span) = (current.conn, current.span);
        let delivery = match self.conns.get_mut(conn) {
            Some(conn) if !conn.out.has_begun(span) => {
                conn.take_back(span, |what| *what == What::Domain(key));
                domain.on_wire = None;
                Delivery::NotSent
            }
            _ => Delivery::Unknown,
        };
        self.ring_domain(key);
        self.pump();
        delivery
    }

    fn forget_listing(&mut self, call: u32) -> Option<Delivery> {
        let (key, listing) = self.listings.iter_mut().find(|(_, listing)| listing.call == Some(call))?;
        listing.call = None;
        if listing.on_wire {
            return Some(Delivery::Unknown);
        }
        self.listings.try_remove(key);
        self.ring.retain(|turn| *turn != What::Listing(key));
        Some(Delivery::NotSent)
    }

    /// How many requests that were given up stand in the way of this port's next one.
    pub fn forgotten(&self, port: usize) -> usize {
        let domain = self.ports.get(&port).and_then(|port| self.domains.get(port.domain?));
        if domain.is_some_and(Domain::is_blocked_by_forgotten) {
            return 1;
        }
        if self.conns.iter().any(Conn::has_place) { 0 } else { self.kept_places() }
    }

    /// How many places are kept by commands that were given up.
    fn kept_places(&self) -> usize {
        let kept = |what: &&What| match what {
            What::Domain(key) => self.domains.get(*key).is_some_and(Domain::is_blocked_by_forgotten),
            What::Listing(key) => self.listings.get(*key).is_some_and(|listing| listing.call.is_none()),
        };
        self.conns.iter().flat_map(Conn::on_wire).filter(kept).count()
    }

    /// When [`Host::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let stalled = self.stalled.filter(|_| self.may_grow()).and_then(|since| since.checked_add(PATIENCE));
        let checks = self.conns.iter().filter_map(Conn::check_at);
        let farewell = match self.farewell {
            Farewell::No => None,
            Farewell::Due(at, _) | Farewell::Sent(at) => Some(at),
        };
        checks.chain(stalled).chain(farewell).min()
    }

    /// Something waits and nothing moves, and nobody knows since when: [`Host::tick`] wants to know the time.
    pub fn wants_the_time(&self) -> bool {
        self.stalled.is_none() && self.is_stalled()
    }

    /// The time is `now`. An error is the end of that connection, to be handed to [`Host::lost`].
    pub fn tick(&mut self, now: Instant) -> std::result::Result<(), (usize, Error)> {
        match self.farewell {
            Farewell::Due(at, since) if at <= now => {
                let later = |time: Instant, pause: Duration| time.checked_add(pause).unwrap_or(time);
                if self.is_registering() && now < later(since, FAREWELL) {
                    self.farewell = Farewell::Due(later(now, A_MOMENT), since);
                } else {
                    self.farewell = Farewell::Sent(later(now, FAREWELL));
                    self.conns.iter_mut().for_each(Conn::close);
                }
                return Ok(());
            }
            Farewell::Sent(until) if until <= now => {
                self.over = true;
                return Ok(());
            }
            _ => {}
        }
        if self.is_stalled() {
            let since = *self.stalled.get_or_insert(now);
            if self.may_grow() && now.saturating_duration_since(since) >= PATIENCE {
                self.grow();
            }
        } else {
            self.stalled = None;
        }
        for (at, conn) in self.conns.iter_mut().enumerate() {
            conn.keep_alive(now, &self.settings).map_err(|why| (at, why))?;
        }
        Ok(())
    }

    /// Does the daemon work on a registration for events, or on the end of one?
    fn is_registering(&self) -> bool {
        let registers = |domain: &Domain<F>| matches!(domain.on_wire, Some(OnWire::Register | OnWire::Deregister));
        self.domains.iter().any(|(_, domain)| registers(domain))
    }

    /// Does something wait while all places are taken?
    fn is_stalled(&self) -> bool {
        !self.ring.is_empty() && !self.conns.iter().any(|conn| conn.has_place() || conn.is_opening())
    }

    /// May there be one more connection?
    fn may_grow(&self) -> bool {
        let opening = self.conns.iter().any(Conn::is_opening);
        !self.refused && !opening && self.is_open() && self.conns.len() < self.settings.max_links
    }

    fn grow(&mut self) {
        self.stalled = None;
        self.conns.push(Conn::new());
    }

    /// The socket of a connection is open.
    pub fn opened(&mut self, conn: usize, line: Line, now: Instant) {
        if let Some(conn) = self.conns.get_mut(conn).filter(|conn| conn.phase == Phase::Dialling) {
            conn.opened(line, &self.settings, now);
        }
    }

    /// A connection is gone, or is to be given up. Without it nobody can tell what its domains do: all is over, unless
    /// it was one more that never came about.
    pub fn lost(&mut self, conn: usize, why: Error, tell: &mut impl Tell) {
        let Some(gone) = self.conns.get_mut(conn) else { return };
        let only_a_sister = conn > 0 && gone.is_opening();
        let expected = gone.phase == Phase::Closing;
        gone.phase = Phase::Closed;
        if only_a_sister {
            self.refused = true;
            return;
        }
        if expected {
            return;
        }
        self.over = true;
        let ports: Vec<usize> = self.ports.keys().copied().collect();
        for port in ports {
            self.end_port(port, why.clone(), tell);
        }
    }

    /// Answers the calls of a port and takes it out.
    fn end_port(&mut self, port: usize, why: Error, tell: &mut impl Tell) {
        let Some(gone) = self.ports.remove(&port) else { return };
        for (key, listing) in &mut self.listings {
            let call = if listing.port == port { listing.call.take() } else { None };
            if let Some(call) = call {
                let delivery = if listing.on_wire { Delivery::Unknown } else { Delivery::NotSent };
                tell.answered(call, Err(why.clone().with_delivery(delivery)));
                self.ring.retain(|turn| *turn != What::Listing(key));
            }
        }
        self.listings.retain(|_, listing| listing.call.is_some() || listing.on_wire);
        if let Some((key, domain)) = gone.domain.and_then(|key| Some((key, self.domains.get_mut(key)?))) {
            let conns = &self.conns;
            let begun = |current: &domain::Current| {
                conns.get(current.conn).is_some_and(|conn| conn.out.has_begun(current.span))
            };
            for (call, delivery) in domain.abandon(port, begun) {
                tell.answered(call, Err(why.clone().with_delivery(delivery)));
            }
            domain.ports.retain(|other| *other != port);
            self.ring_domain(key);
        }
        tell.closed(port, why);
    }

    /// Puts a domain that has something to send into the ring, and forgets one that has no reason to be known.
    fn ring_domain(&mut self, key: usize) {
        let Some(domain) = self.domains.get_mut(key) else { return };
        if domain.next().is_some() {
            if !std::mem::replace(&mut domain.ringed, true) {
                self.ring.push_back(What::Domain(key));
            }
        } else if domain.is_over() {
            self.remove_domain(key);
        }
    }

    fn remove_domain(&mut self, key: usize) {
        let Some(domain) = self.domains.try_remove(key) else { return };
        if let Some(uuid) = domain.uuid().filter(|uuid| self.by_uuid.get(uuid) == Some(&key)) {
            self.by_uuid.remove(&uuid);
        }
        if self.unasked.get(&domain.wanted) == Some(&key) {
            self.unasked.remove(&domain.wanted);
        }
        if let Registration::Made(conn, callback) = domain.registration {
            self.by_callback.remove(&(conn, callback));
        }
        if domain.ringed {
            self.ring.retain(|turn| *turn != What::Domain(key));
        }
    }
}
