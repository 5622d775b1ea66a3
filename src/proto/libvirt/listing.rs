//! The listing of a daemon's domains with their states: four calls for any number of them.
//!
//! A list has no states. But the daemon filters by state, so three more lists tell most of them; only for a domain that
//! is in none of these (it is shutting down, crashed, or changed meanwhile) its state is asked for by itself.

use std::collections::{BTreeMap, VecDeque};

use super::uuid::Uuid;
use crate::error::Result;
use crate::proto::remote::{self, Domain, Procedure};
use crate::proto::xdr::{Reader, Writer};

/// Filters of CONNECT_LIST_ALL_DOMAINS and the states that they stand for (virConnectListAllDomainsFlags,
/// virDomainState).
const FILTERS: [(u32, i32); 3] = [(16, 1), (32, 3), (64, 5)];
const NO_FILTER: u32 = 0;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    /// The monitor that asked.
    pub port: usize,
    /// Who waits; `None` if it was given up.
    pub call: Option<u32>,
    /// One of its calls is on the wire.
    pub on_wire: bool,
    /// How many lists came.
    lists: usize,
    domains: BTreeMap<Uuid, Entry>,
    /// Those whose state is still to be asked for.
    unknown: VecDeque<Uuid>,
}

#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    id: i32,
    state: Option<i32>,
}

impl Listing {
    /// A listing for this call.
    pub(super) fn new(port: usize, call: u32) -> Self {
        let (domains, unknown) = (BTreeMap::new(), VecDeque::new());
        Listing { port, call: Some(call), on_wire: false, lists: 0, domains, unknown }
    }

    /// The next call that it makes.
    pub(super) fn procedure(&self) -> Procedure {
        if self.lists <= FILTERS.len() { remote::CONNECT_LIST_ALL_DOMAINS } else { remote::DOMAIN_GET_STATE }
    }

    /// The arguments of that call.
    pub(super) fn arguments(&self, writer: &mut Writer<'_>) {
        match (self.lists.checked_sub(1).map(|at| FILTERS.get(at)), self.unknown.front()) {
            (None, _) => {
                writer.i32(1).u32(NO_FILTER);
            }
            (Some(Some((filter, _))), _) => {
                writer.i32(1).u32(*filter);
            }
            (Some(None), Some(uuid)) => {
                Domain { name: b"", uuid: uuid.0, id: -1 }.write(writer);
                writer.u32(0);
            }
            (Some(None), None) => {}
        }
    }

    /// The answer to it came. Tells whether everything is known.
    pub(super) fn answered(&mut self, payload: &[u8]) -> Result<bool> {
        if self.lists <= FILTERS.len() {
            let state = self.lists.checked_sub(1).and_then(|at| FILTERS.get(at)).map(|(_, state)| *state);
            let domains = &mut self.domains;
            remote::read_domains(payload, |domain| match (state, domains.get_mut(&Uuid(domain.uuid))) {
                (None, _) => {
                    let entry = Entry { name: domain.name.to_vec(), id: domain.id, state: None };
                    domains.insert(Uuid(domain.uuid), entry);
                }
                // One that came since the first list is left out; of one that changed the last state counts.
                (Some(state), Some(entry)) => {
                    entry.state = Some(state);
                    entry.id = domain.id;
                }
                (Some(_), None) => {}
            })?;
            self.lists = self.lists.saturating_add(1);
            if self.lists > FILTERS.len() {
                let unknown = self.domains.iter().filter(|(_, entry)| entry.state.is_none());
                self.unknown = unknown.map(|(uuid, _)| *uuid).collect();
            }
        } else if let Some(uuid) = self.unknown.pop_front() {
            let state = Reader::new(payload).i32("a domain's state")?;
            if let Some(entry) = self.domains.get_mut(&uuid) {
                entry.state = Some(state);
            }
        }
        Ok(self.lists > FILTERS.len() && self.unknown.is_empty())
    }

    /// The daemon refused a call. Tells whether the listing goes on without it: the domain is gone meanwhile.
    pub(super) fn refused(&mut self) -> Option<bool> {
        if self.lists <= FILTERS.len() {
            return None;
        }
        if let Some(uuid) = self.unknown.pop_front() {
            self.domains.remove(&uuid);
        }
        Some(self.unknown.is_empty())
    }

    /// The JSON: an array of objects, sorted by name.
    pub(super) fn json(&self) -> Vec<u8> {
        let entries = self.domains.iter().map(|(uuid, entry)| {
            (entry.name.as_slice(), *uuid, entry.id, remote::state_name(entry.state.unwrap_or(0)))
        });
        crate::proto::domains::json(entries)
    }
}
