//! A domain on a daemon: who uses it, what waits for it, and which call of it is on the wire: one at a time, because
//! libvirtd keeps no order among several.

use std::collections::VecDeque;
use std::sync::Arc;

use super::uuid::Uuid;
use crate::error::Delivery;
use crate::proto::outbox::Span;
use crate::proto::remote;
use crate::proto::request::Request;

/// How a domain is named by who wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// By its UUID or its name: what reads as a UUID is looked up as one first.
    Name(Box<[u8]>),
    /// By the id that it has while it runs.
    Id(i32),
}

impl Wanted {
    /// The UUID that the name spells, if it does.
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Wanted::Name(name) => Uuid::parse(name),
            Wanted::Id(_) => None,
        }
    }
}

/// A domain of a daemon.
#[derive(Debug)]
pub(super) struct Domain<F> {
    /// What it was, or is being, looked up by. What was found by it may be called otherwise by now.
    pub wanted: Wanted,
    /// How far the look-up is.
    pub found: Found,
    /// The monitors of it.
    pub ports: Vec<usize>,
    /// The registration for its events.
    pub registration: Registration,
    /// The requests that wait.
    pub queue: VecDeque<Queued<F>>,
    /// The call that is on the wire.
    pub on_wire: Option<OnWire>,
    /// It stands in the ring of those that have something to send.
    pub ringed: bool,
}

/// How far the look-up of a domain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name is to be tried as a UUID.
    TryUuid(Uuid),
    /// The name, or the id, is to be tried.
    TryName,
    /// It is known.
    Known {
        /// Its name then.
        name: Vec<u8>,
        /// What it is told by.
        uuid: Uuid,
        /// Its id then.
        id: i32,
    },
}

/// The registration for the events of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registration {
    /// There is none.
    None,
    /// It stands: on this connection, under this callback id.
    Made(usize, i32),
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued<F> {
    /// The monitor it belongs to.
    pub port: usize,
    /// Who waits for the answer.
    pub call: u32,
    /// What is asked.
    pub request: Arc<Request>,
    /// Is the value of `return` wanted, rather than the whole reply?
    pub value_only: bool,
    /// A descriptor that goes with it.
    pub attachment: Option<F>,
}

/// The call of a domain that is on the wire.
#[derive(Debug)]
pub(super) enum OnWire {
    /// A look-up.
    Look,
    /// The registration for events.
    Register,
    /// Its end.
    Deregister,
    /// A monitor command.
    Command(Current),
}

/// A command on the wire.
#[derive(Debug)]
pub(super) struct Current {
    /// The monitor it belongs to.
    pub port: usize,
    /// Who waits; `None` if it was given up.
    pub call: Option<u32>,
    /// What was asked.
    pub request: Arc<Request>,
    /// Is the value of `return` wanted?
    pub value_only: bool,
    /// A descriptor went with it.
    pub with_fd: bool,
    /// The connection.
    pub conn: usize,
    /// Where it lies there.
    pub span: Span,
}

/// What a domain is to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum Next {
    Look,
    Register,
    Command,
    Deregister(usize, i32),
}

impl<F> Domain<F> {
    /// A domain that is to be looked up.
    pub(super) fn new(wanted: Wanted) -> Self {
        let found = wanted.uuid().map_or(Found::TryName, Found::TryUuid);
        Domain {
            wanted,
            found,
            ports: Vec::new(),
            registration: Registration::None,
            queue: VecDeque::new(),
            on_wire: None,
            ringed: false,
        }
    }

    /// Its UUID, once it is known.
    pub(super) fn uuid(&self) -> Option<Uuid> {
        match self.found {
            Found::Known { uuid, .. } => Some(uuid),
            _ => None,
        }
    }

    /// The domain as calls take it.
    pub(super) fn argument(&self) -> remote::Domain<'_> {
        match &self.found {
            Found::Known { name, uuid, id } => remote::Domain { name, uuid: uuid.0, id: *id },
            _ => remote::Domain { name: b"", uuid: [0; 16], id: -1 },
        }
    }

    /// Can its monitors run commands?
    pub(super) fn is_ready(&self) -> bool {
        self.registration != Registration::None
    }

    /// What it has to send, if anything.
    pub(super) fn next(&self) -> Option<Next> {
        if self.on_wire.is_some() {
            return None;
        }
        match (self.registration, self.ports.is_empty()) {
            (Registration::None, false) if self.uuid().is_none() => Some(Next::Look),
            // Events are registered for before the first command can run.
            (Registration::None, false) => Some(Next::Register),
            (Registration::Made(..), false) if !self.queue.is_empty() => Some(Next::Command),
            (Registration::Made(conn, callback), true) => Some(Next::Deregister(conn, callback)),
            _ => None,
        }
    }

    /// Has it no reason to be known any longer?
    pub(super) fn is_over(&self) -> bool {
        self.ports.is_empty() && self.on_wire.is_none() && self.registration == Registration::None
    }

    /// Is the call on the wire one that nobody waits for?
    pub(super) fn is_blocked_by_forgotten(&self) -> bool {
        matches!(&self.on_wire, Some(OnWire::Command(Current { call: None, .. })))
    }

    /// Takes the calls of a monitor out: those that were given up by that, in order, and how far each got.
    pub(super) fn abandon(&mut self, port: usize, begun: impl Fn(&Current) -> bool) -> Vec<(u32, Delivery)> {
        let mut calls = Vec::new();
        if let Some(OnWire::Command(current)) = &mut self.on_wire {
            if current.port == port {
                let delivery = if begun(current) { Delivery::Unknown } else { Delivery::NotSent };
                calls.extend(current.call.take().map(|call| (call, delivery)));
            }
        }
        calls.extend(self.queue.iter().filter(|q| q.port == port).map(|q| (q.call, Delivery::NotSent)));
        self.queue.retain(|queued| queued.port != port);
        calls
    }
}
