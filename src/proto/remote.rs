//! The procedures of libvirt's that we speak: numbers, arguments, results (src/remote/remote_protocol.x and
//! src/remote/qemu_protocol.x).

use std::fmt;

use super::rpc::{QEMU, REMOTE};
use super::xdr::{Reader, Writer};
use crate::error::Result;

/// A procedure: its program and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// [`REMOTE`] or [`QEMU`].
    pub program: u32,
    /// Its number there.
    pub number: i32,
}

const fn remote(number: i32) -> Procedure {
    Procedure { program: REMOTE, number }
}

const fn qemu(number: i32) -> Procedure {
    Procedure { program: QEMU, number }
}

#[allow(missing_docs)]
mod procedures {
    use super::{Procedure, qemu, remote};
    pub const CONNECT_OPEN: Procedure = remote(1);
    pub const CONNECT_CLOSE: Procedure = remote(2);
    pub const DOMAIN_LOOKUP_BY_ID: Procedure = remote(22);
    pub const DOMAIN_LOOKUP_BY_NAME: Procedure = remote(23);
    pub const DOMAIN_LOOKUP_BY_UUID: Procedure = remote(24);
    pub const CONNECT_SUPPORTS_FEATURE: Procedure = remote(60);
    pub const AUTH_LIST: Procedure = remote(66);
    pub const AUTH_SASL_INIT: Procedure = remote(67);
    pub const AUTH_SASL_START: Procedure = remote(68);
    pub const AUTH_SASL_STEP: Procedure = remote(69);
    pub const AUTH_POLKIT: Procedure = remote(70);
    pub const DOMAIN_GET_STATE: Procedure = remote(212);
    pub const CONNECT_LIST_ALL_DOMAINS: Procedure = remote(273);
    pub const CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: Procedure = remote(316);
    pub const DOMAIN_EVENT_CALLBACK_LIFECYCLE: Procedure = remote(318);
    pub const DOMAIN_MONITOR_COMMAND: Procedure = qemu(1);
    pub const CONNECT_DOMAIN_MONITOR_EVENT_REGISTER: Procedure = qemu(4);
    pub const CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER: Procedure = qemu(5);
    pub const DOMAIN_MONITOR_EVENT: Procedure = qemu(6);
    pub const DOMAIN_MONITOR_COMMAND_WITH_FILES: Procedure = qemu(7);
}
pub use procedures::*;

/// Feature of CONNECT_SUPPORTS_FEATURE: descriptors can be passed.
pub const FEATURE_FD_PASSING: i32 = 8;
/// Event id of CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: lifecycle.
pub const EVENT_LIFECYCLE: i32 = 0;

/// The most domains of one listing (REMOTE_DOMAIN_LIST_MAX).
const MAX_DOMAINS: usize = 16_384;
/// The most kinds of authentication (REMOTE_AUTH_TYPE_LIST_MAX).
const MAX_AUTH: usize = 20;
/// The least bytes of a domain: an empty name, a UUID, an id.
const DOMAIN_SIZE: usize = 24;

/// The bytes of a UUID.
pub type Uuid = [u8; 16];

/// A domain, as calls take it and answers bring it. The daemon goes by the UUID alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its UUID.
    pub uuid: Uuid,
    /// Its id, -1 while it is shut off.
    pub id: i32,
}

impl<'a> Domain<'a> {
    /// Reads a domain.
    pub fn read(reader: &mut Reader<'a>) -> Result<Domain<'a>> {
        let name = reader.string("a domain's name")?;
        let uuid = reader.array("a domain's UUID")?;
        let id = reader.i32("a domain's id")?;
        Ok(Domain { name, uuid, id })
    }

    /// Writes a domain.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.string(&[self.name]).bytes(&self.uuid).i32(self.id);
    }
}

/// What a daemon asks of those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// SASL (RFC 4422).
    Sasl,
    /// polkit decides by the process at the other end.
    Polkit,
    /// Something that libvirt did not have when this was written.
    Other(i32),
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::None => f.write_str("none"),
            Auth::Sasl => f.write_str("sasl"),
            Auth::Polkit => f.write_str("polkit"),
            Auth::Other(number) => write!(f, "method {number}"),
        }
    }
}

impl Auth {
    /// Reads the result of AUTH_LIST.
    pub fn read_list(payload: &[u8]) -> Result<Vec<Auth>> {
        let mut reader = Reader::new(payload);
        let count = reader.count("kinds of authentication", MAX_AUTH, 4)?;
        let kind = |number| match number {
            0 => Auth::None,
            1 => Auth::Sasl,
            2 => Auth::Polkit,
            other => Auth::Other(other),
        };
        (0..count).map(|_| reader.i32("a kind of authentication").map(kind)).collect()
    }
}

/// The most bytes of one message of SASL's (REMOTE_AUTH_SASL_DATA_MAX).
pub const MAX_SASL: usize = 65_536;

/// The result of AUTH_SASL_START and AUTH_SASL_STEP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslAnswer {
    /// The daemon is satisfied.
    pub complete: bool,
    /// What the mechanism says on its side. Nothing and an empty text are different things.
    pub data: Option<Vec<u8>>,
}

impl SaslAnswer {
    /// Reads one.
    pub fn read(payload: &[u8]) -> Result<SaslAnswer> {
        let mut reader = Reader::new(payload);
        let complete = reader.i32("whether SASL is complete")? != 0;
        let nil = reader.i32("whether there is SASL data")? != 0;
        let data = reader.chars("bytes of SASL data", MAX_SASL)?;
        Ok(SaslAnswer { complete, data: (!nil).then_some(data) })
    }
}

/// Reads the result of AUTH_SASL_INIT: the mechanisms, with commas between them.
pub fn read_mechanisms(payload: &[u8]) -> Result<&[u8]> {
    Reader::new(payload).string("the list of SASL mechanisms")
}

/// Writes what our side of a mechanism says.
pub fn write_sasl(writer: &mut Writer<'_>, data: &[u8]) {
    // It is there, also where it is empty.
    writer.i32(0).chars(data);
}

/// Reads one integer, the result of CONNECT_SUPPORTS_FEATURE and of the registering procedures.
pub fn read_number(payload: &[u8], what: &str) -> Result<i32> {
    Reader::new(payload).i32(what)
}

/// Reads the result of a look-up.
pub fn read_domain(payload: &[u8]) -> Result<Domain<'_>> {
    Domain::read(&mut Reader::new(payload))
}

/// Reads the result of DOMAIN_MONITOR_COMMAND and its sister: JSON.
pub fn read_text(payload: &[u8]) -> Result<&[u8]> {
    Reader::new(payload).string("the answer of the monitor")
}

/// Reads the domains of CONNECT_LIST_ALL_DOMAINS and hands them over one by one.
pub fn read_domains<'a>(payload: &'a [u8], mut each: impl FnMut(Domain<'a>)) -> Result<()> {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.count("domains", MAX_DOMAINS, DOMAIN_SIZE)? {
        each(Domain::read(&mut reader)?);
    }
    reader.u32("the number of domains").map(drop)
}

/// An event of QEMU's, as DOMAIN_MONITOR_EVENT tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorEvent<'a> {
    /// The registration that asked for it.
    pub callback: i32,
    /// The domain.
    pub domain: Domain<'a>,
    /// The event's name.
    pub name: &'a [u8],
    /// QEMU's time stamp.
    pub seconds: i64,
    /// Its fraction; QEMU's -1 comes as the largest number.
    pub microseconds: u32,
    /// The JSON of `data`, if QEMU sent any.
    pub details: Option<&'a [u8]>,
}

impl<'a> MonitorEvent<'a> {
    /// Reads one.
    pub fn read(payload: &'a [u8]) -> Result<MonitorEvent<'a>> {
        let mut reader = Reader::new(payload);
        Ok(MonitorEvent {
            callback: reader.i32("an event's callback")?,
            domain: Domain::read(&mut reader)?,
            name: reader.string("an event's name")?,
            seconds: reader.i64("an event's seconds")?,
            microseconds: reader.u32("an event's microseconds")?,
            details: reader.optional_string("an event's details")?,
        })
    }
}

/// What happened to a domain, as DOMAIN_EVENT_CALLBACK_LIFECYCLE tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle<'a> {
    /// The registration that asked for it.
    pub callback: i32,
    /// The domain.
    pub domain: Domain<'a>,
    /// What happened: [`Lifecycle::STARTED`] or another.
    pub event: i32,
    /// Why.
    pub detail: i32,
}

impl<'a> Lifecycle<'a> {
    /// The domain has no definition any more.
    pub const UNDEFINED: i32 = 1;
    /// The domain runs.
    pub const STARTED: i32 = 2;
    /// The domain is shut off.
    pub const STOPPED: i32 = 5;

    /// Reads one.
    pub fn read(payload: &'a [u8]) -> Result<Lifecycle<'a>> {
        let mut reader = Reader::new(payload);
        let callback = reader.i32("a lifecycle event's callback")?;
        let domain = Domain::read(&mut reader)?;
        let event = reader.i32("a lifecycle event")?;
        Ok(Lifecycle { callback, domain, event, detail: reader.i32("a lifecycle event's detail")? })
    }

    /// The name of the reason (include/libvirt/libvirt-domain.h, virDomainEventStartedDetailType and the like).
    pub fn reason(&self) -> &'static str {
        let names: &[&str] = match self.event {
            Lifecycle::STARTED => &["booted", "migrated", "restored", "from-snapshot", "wakeup"],
            Lifecycle::STOPPED => &["shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot"],
            _ => &[],
        };
        usize::try_from(self.detail).ok().and_then(|at| names.get(at)).copied().unwrap_or("unknown")
    }
}

/// The name of a domain's state (include/libvirt/libvirt-domain.h, virDomainState).
pub fn state_name(state: i32) -> &'static str {
    let names = ["nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"];
    usize::try_from(state).ok().and_then(|at| names.get(at)).copied().unwrap_or("unknown")
}
