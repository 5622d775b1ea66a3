//! What goes out next, and where what came in belongs.

use std::time::Instant;

use super::conn::{Conn, Incoming};
use super::domain::{Current, Domain, Found, Next, OnWire, Queued, Registration, Wanted};
use super::uuid::Uuid;
use super::{Host, What, fault};
use crate::error::{Code, Error, Result};
use crate::proto::remote::{self, Lifecycle, MonitorEvent, Procedure};
use crate::proto::rpc::RemoteError;
use crate::proto::tell::Tell;
use crate::proto::xdr::Writer;
use crate::proto::{answer, domains, event};

type Outcome<'a> = std::result::Result<&'a [u8], RemoteError>;

impl<F> Host<F> {
    /// Bytes came over a connection: takes every whole packet off the front of `buf` and says how many bytes that are.
    /// An error is the end of the connection, to be handed to [`Host::lost`].
    pub fn input(&mut self, conn: usize, buf: &[u8], now: Instant, tell: &mut impl Tell) -> Result<usize> {
        if let Some(link) = self.conns.get_mut(conn).filter(|_| !buf.is_empty()) {
            link.heard();
        }
        loop {
            let Some(link) = self.conns.get_mut(conn) else { return Ok(buf.len()) };
            let Some(packet) = link.packets.next(buf)? else {
                let consumed = link.packets.consumed();
                link.packets.shift();
                self.pump();
                return Ok(consumed);
            };
            let payload = buf.get(packet.payload).unwrap_or_default();
            match link.incoming(packet.header, payload, &self.settings, conn == 0)? {
                Incoming::Nothing => {}
                Incoming::Ready => self.ready(conn, tell),
                Incoming::Answer(what, outcome) => {
                    self.stalled = None;
                    self.answered(conn, what, outcome.map(|()| payload), now, tell)?;
                }
                Incoming::Message(procedure) => self.message(conn, procedure, payload, tell)?,
            }
        }
    }

    /// A connection can be used. The first one is what everybody waited for.
    fn ready(&mut self, conn: usize, tell: &mut impl Tell) {
        if conn == 0 {
            let waiting: Vec<usize> = self.ports.keys().copied().collect();
            for port in waiting {
                self.find(port, tell);
            }
        }
    }

    /// Leads a port to its domain.
    pub(super) fn find(&mut self, port: usize, tell: &mut impl Tell) {
        let Some(entry) = self.ports.get_mut(&port) else { return };
        let Some(wanted) = entry.wanted.clone() else {
            entry.connected = true;
            return tell.connected(port);
        };
        // What was found before may mean another domain by now, of which the daemon's word may not be read yet: it is asked
        // again, but for a question that waits to be sent.
        let key = self.unasked.get(&wanted).copied().unwrap_or_else(|| {
            let key = self.domains.insert(Domain::new(wanted.clone()));
            self.unasked.insert(wanted, key);
            key
        });
        entry.domain = Some(key);
        if let Some(domain) = self.domains.get_mut(key) {
            domain.ports.push(port);
        }
        self.tell_if_ready(key, tell);
        self.ring_domain(key);
    }

    /// Tells the ports of a domain that is ready that they are connected.
    fn tell_if_ready(&mut self, key: usize, tell: &mut impl Tell) {
        let Some(domain) = self.domains.get(key).filter(|domain| domain.is_ready()) else { return };
        for port in &domain.ports {
            if let Some(entry) = self.ports.get_mut(port).filter(|entry| !entry.connected) {
                entry.connected = true;
                tell.connected(*port);
            }
        }
    }

    /// Puts calls on the wire while there are places and somebody has something to send.
    pub(super) fn pump(&mut self) {
        if !self.is_open() {
            return;
        }
        let mut left = self.ring.len();
        while left > 0 && self.conns.iter().any(Conn::has_place) {
            left = left.saturating_sub(1);
            let Some(turn) = self.ring.pop_front() else { break };
            match self.place_for(turn) {
                Some(conn) => self.advance(turn, conn),
                // The place that it needs is taken: it waits for that one.
                None => self.ring.push_back(turn),
            }
        }
        if self.ring.is_empty() {
            self.stalled = None;
        } else if self.is_stalled() && self.may_grow() && self.kept_places() >= self.places() {
            // Nobody waits for what holds the places: waiting would be of no use.
            self.grow();
        }
    }

    fn places(&self) -> usize {
        self.conns.iter().filter(|conn| conn.phase == super::Phase::Ready).count().saturating_mul(super::PLACES)
    }

    /// Where a call can go now. The end of a registration has to go where that stands.
    fn place_for(&self, turn: What) -> Option<usize> {
        if let What::Domain(key) = turn {
            if let Some(Next::Deregister(conn, _)) = self.domains.get(key).and_then(Domain::next) {
                return self.conns.get(conn).is_some_and(Conn::has_place).then_some(conn);
            }
        }
        self.conns.iter().position(Conn::has_place)
    }

    /// Puts the next call on the wire.
    fn advance(&mut self, turn: What, conn: usize) {
        match turn {
            What::Domain(key) => self.advance_domain(key, conn),
            What::Listing(key) => {
                let (Some(listing), Some(conn)) = (self.listings.get_mut(key), self.conns.get_mut(conn)) else {
                    return;
                };
                listing.on_wire = true;
                conn.call(listing.procedure(), turn, |writer| listing.arguments(writer));
            }
        }
    }

    fn advance_domain(&mut self, key: usize, at: usize) {
        let (Some(domain), Some(conn)) = (self.domains.get_mut(key), self.conns.get_mut(at)) else { return };
        domain.ringed = false;
        let what = What::Domain(key);
        domain.on_wire = match domain.next() {
            None => None,
            Some(Next::Look) => {
                if self.unasked.get(&domain.wanted) == Some(&key) {
                    self.unasked.remove(&domain.wanted);
                }
                Some(look(domain, conn, what))
            }
            Some(Next::Register) => {
                // For this domain, all events, no flags.
                conn.call(remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, what, |writer| {
                    domain.argument().write(writer.u32(1));
                    writer.u32(0).u32(0);
                });
                Some(OnWire::Register)
            }
            Some(Next::Deregister(registered, callback)) => {
                self.by_callback.remove(&(registered, callback));
                domain.registration = Registration::None;
                conn.call(remote::CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, what, |writer| {
                    writer.i32(callback);
                });
                Some(OnWire::Deregister)
            }
            Some(Next::Command) => command(domain, conn, what, at),
        };
    }

    fn answered(
        &mut self,
        conn: usize,
        what: What,
        outcome: Outcome<'_>,
        now: Instant,
        tell: &mut impl Tell,
    ) -> Result<()> {
        match what {
            What::Listing(key) => self.listed(key, outcome, tell),
            What::Domain(key) => {
                let Some(domain) = self.domains.get_mut(key) else { return Ok(()) };
                // What cannot be read ends the link, and that answers whoever still stands in the books.
                let text = match (&domain.on_wire, &outcome) {
                    (Some(OnWire::Command(_)), Ok(payload)) => remote::read_text(payload)?,
                    _ => b"",
                };
                let on_wire = domain.on_wire.take();
                match on_wire {
                    Some(OnWire::Look) => self.looked_up(key, outcome, now, tell)?,
                    Some(OnWire::Register) => self.registered(conn, key, outcome, now, tell)?,
                    Some(OnWire::Command(current)) => self.command_answered(&current, outcome.map(|_| text), tell),
                    Some(OnWire::Deregister) | None => {}
                }
                self.ring_domain(key);
                Ok(())
            }
        }
    }

    fn command_answered(&mut self, current: &Current, outcome: Outcome<'_>, tell: &mut impl Tell) {
        let Some(call) = current.call else { return };
        let limit = self.ports.get(&current.port).map_or(usize::MAX, |port| port.limit);
        tell.answered(
            call,
            match outcome {
                Ok(text) => answer::read(text, &current.request, current.value_only, limit),
                Err(error) => Err(fault::of_command(&error, current.with_fd)),
            },
        );
    }

    fn looked_up(&mut self, key: usize, outcome: Outcome<'_>, now: Instant, tell: &mut impl Tell) -> Result<()> {
        let Some(domain) = self.domains.get_mut(key) else { return Ok(()) };
        let found = match outcome {
            Ok(payload) => remote::read_domain(payload)?,
            // No domain has this UUID (42): one may have it for a name.
            Err(error) if error.code == 42 && matches!(domain.found, Found::TryUuid(_)) => {
                domain.found = Found::TryName;
                return Ok(());
            }
            Err(error) => {
                self.give_up(key, &fault::of_opening(&error, "the look-up of the domain"), now, tell);
                return Ok(());
            }
        };
        let right = match (&domain.found, &domain.wanted) {
            (Found::TryUuid(uuid), _) => uuid.0 == found.uuid,
            (_, Wanted::Name(name)) => **name == *found.name,
            (_, Wanted::Id(id)) => *id == found.id,
        };
        if !right {
            let name = String::from_utf8_lossy(found.name);
            return Err(Error::new(Code::Protocol, format!("libvirt found a domain that was not asked for: {name:?}")));
        }
        let uuid = Uuid(found.uuid);
        domain.found = Found::Known { name: found.name.to_vec(), uuid, id: found.id };
        match self.by_uuid.get(&uuid).copied().filter(|other| *other != key) {
            None => drop(self.by_uuid.insert(uuid, key)),
            Some(other) => self.merge(key, other, tell),
        }
        Ok(())
    }

    /// A domain that was known already was found: the monitors that asked for it go there.
    fn merge(&mut self, from: usize, into: usize, tell: &mut impl Tell) {
        let Some(second) = self.domains.get_mut(from) else { return };
        let (found, ports) = (second.found.clone(), std::mem::take(&mut second.ports));
        let Some(first) = self.domains.get_mut(into) else { return };
        first.found = found;
        for port in &ports {
            if let Some(entry) = self.ports.get_mut(port) {
                entry.domain = Some(into);
            }
        }
        first.ports.extend(ports);
        self.tell_if_ready(into, tell);
        self.ring_domain(into);
    }

    fn registered(
        &mut self,
        conn: usize,
        key: usize,
        outcome: Outcome<'_>,
        now: Instant,
        tell: &mut impl Tell,
    ) -> Result<()> {
        match outcome {
            Ok(payload) => {
                let callback = remote::read_number(payload, "the number of a registration")?;
                self.by_callback.insert((conn, callback), key);
                if let Some(domain) = self.domains.get_mut(key) {
                    domain.registration = Registration::Made(conn, callback);
                }
                self.tell_if_ready(key, tell);
            }
            Err(error) => {
                self.give_up(key, &fault::of_opening(&error, "the registration for the domain's events"), now, tell);
            }
        }
        Ok(())
    }

    /// Nothing comes of a domain: its ports are told.
    fn give_up(&mut self, key: usize, why: &Error, now: Instant, tell: &mut impl Tell) {
        let ports = self.domains.get(key).map(|domain| domain.ports.clone()).unwrap_or_default();
        for port in ports {
            self.detach(port, why.clone(), now, tell);
        }
        self.remove_domain(key);
    }

    fn listed(&mut self, key: usize, outcome: Outcome<'_>, tell: &mut impl Tell) -> Result<()> {
        let Some(listing) = self.listings.get_mut(key) else { return Ok(()) };
        let done = match outcome {
            Ok(payload) => Ok(listing.answered(payload)?),
            Err(error) => listing.refused().ok_or_else(|| fault::of_call(&error)),
        };
        listing.on_wire = false;
        match (listing.call, done) {
            (Some(_), Ok(false)) => {
                self.ring.push_back(What::Listing(key));
                return Ok(());
            }
            (Some(call), Ok(true)) => {
                let limit = self.ports.get(&listing.port).map_or(usize::MAX, |port| port.limit);
                tell.answered(call, domains::answer(&listing.json(), limit));
            }
            (Some(call), Err(why)) => tell.answered(call, Err(why)),
            (None, _) => {}
        }
        self.listings.try_remove(key);
        Ok(())
    }

    fn message(&mut self, conn: usize, procedure: Procedure, payload: &[u8], tell: &mut impl Tell) -> Result<()> {
        match procedure {
            remote::DOMAIN_MONITOR_EVENT => self.event(conn, &MonitorEvent::read(payload)?, tell),
            remote::DOMAIN_EVENT_CALLBACK_LIFECYCLE => {
                self.lifecycle(conn, &Lifecycle::read(payload)?, tell);
                Ok(())
            }
            // Something that we did not ask for.
            _ => Ok(()),
        }
    }

    fn event(&mut self, conn: usize, event: &MonitorEvent<'_>, tell: &mut impl Tell) -> Result<()> {
        let uuid = Uuid(event.domain.uuid);
        let known = self.by_callback.get(&(conn, event.callback)).copied();
        // An event may overtake the answer to the registration that asked for it.
        let registering =
            |key: &usize| self.domains.get(*key).is_some_and(|domain| matches!(domain.on_wire, Some(OnWire::Register)));
        let early = || self.by_uuid.get(&uuid).copied().filter(registering);
        let Some(domain) = known.or_else(early).and_then(|key| self.domains.get(key)) else { return Ok(()) };
        if domain.uuid() != Some(uuid) {
            return Ok(());
        }
        event::write(event, &mut self.scratch)?;
        for port in &domain.ports {
            tell.event(*port, event.name, &self.scratch);
        }
        Ok(())
    }

    fn lifecycle(&mut self, conn: usize, event: &Lifecycle<'_>, tell: &mut impl Tell) {
        // Domains are known once the registration has been answered: none of this can come too early.
        if self.conns.get(conn).and_then(|conn| conn.lifecycle) != Some(event.callback) {
            return;
        }
        let Some(domain) = self.by_uuid.get(&Uuid(event.domain.uuid)).and_then(|key| self.domains.get(*key)) else {
            return;
        };
        if matches!(event.event, Lifecycle::STARTED | Lifecycle::STOPPED) {
            for port in &domain.ports {
                tell.domain(*port, event.event == Lifecycle::STARTED, event.reason());
            }
        }
    }
}

/// Puts a look-up on the wire.
fn look<F>(domain: &Domain<F>, conn: &mut Conn<F, What>, what: What) -> OnWire {
    match (&domain.found, &domain.wanted) {
        (Found::TryUuid(uuid), _) => conn.call(remote::DOMAIN_LOOKUP_BY_UUID, what, |writer| {
            writer.bytes(&uuid.0);
        }),
        (_, Wanted::Id(id)) => conn.call(remote::DOMAIN_LOOKUP_BY_ID, what, |writer| {
            writer.i32(*id);
        }),
        (_, Wanted::Name(name)) => conn.call(remote::DOMAIN_LOOKUP_BY_NAME, what, |writer| {
            writer.string(&[name]);
        }),
    };
    OnWire::Look
}

/// Puts the domain's first request on the wire; `at` is the connection's number.
fn command<F>(domain: &mut Domain<F>, conn: &mut Conn<F, What>, what: What, at: usize) -> Option<OnWire> {
    let Queued { port, call, request, value_only, attachment } = domain.queue.pop_front()?;
    let with_fd = attachment.is_some();
    let arguments = |writer: &mut Writer<'_>| {
        domain.argument().write(writer);
        // QMP, not HMP: no flags.
        writer.string(&[request.body(), b"}"]).u32(0);
    };
    let span = match attachment {
        None => conn.call(remote::DOMAIN_MONITOR_COMMAND, what, arguments),
        Some(fd) => conn.call_with_fd(remote::DOMAIN_MONITOR_COMMAND_WITH_FILES, what, fd, arguments),
    };
    Some(OnWire::Command(Current { port, call: Some(call), request, value_only, with_fd, conn: at, span }))
}
