//! How a proxy comes to its domain: virsh answers, the domain is known by its UUID, its events are registered for.
//!
//! Each of virsh's commands takes other things for a domain: `domuuid` an id or a name, `domname` an id or a UUID, `domid`
//! a name or a UUID; and a number is an id before it is a name. So a UUID is asked for its name, a name for its UUID, and
//! what was found is asked back: only if that has the name, it is the domain that was meant.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::fault;
use super::listing::without_line_end;
use super::proxy::{Job, Proxy, Session, Slot};
use super::running::Outcome;
use super::watch::FIRST_PAUSE;
use super::words::Words;
use crate::error::{Code, Delivery, Error};
use crate::proto::libvirt::{Uuid, Wanted};
use crate::proto::tell::Tell;

/// Pauses between attempts to connect grow up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// How far a proxy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is begun.
    New,
    /// Does virsh reach the daemon?
    Hello,
    /// What can this virsh do?
    Features,
    /// Is there a domain of this UUID?
    ByUuid(Uuid),
    /// Which UUID has the domain?
    Uuid,
    /// Has the domain of this UUID the id that was asked for?
    Id(Uuid),
    /// Has the domain of this UUID the name that was asked for?
    Name(Uuid),
    /// virsh found another one: all UUIDs.
    All,
    /// Which of these has the name?
    Each(VecDeque<Uuid>),
    /// The process for events is starting.
    Registering,
    /// It did not work, and is tried again then.
    Pause { until: Instant },
    /// Commands may be run.
    Ready,
}

impl<F> Proxy<F> {
    /// Begins to connect.
    pub fn begin(&mut self, tell: &mut impl Tell) {
        self.go_on(Phase::Hello, tell);
    }

    fn go_on(&mut self, phase: Phase, tell: &mut impl Tell) {
        self.phase = phase;
        self.jobs.push_back(Job::Step);
        self.run_next(tell);
    }

    /// The command of this step.
    pub(super) fn step(&self) -> Option<Words> {
        let of = |verb: &[u8], domain: &[u8]| Words::new(&[verb, b"--domain", domain]);
        let by_uuid = |verb: &[u8], uuid: &Uuid| of(verb, uuid.to_string().as_bytes());
        Some(match &self.phase {
            Phase::Hello => Words::new(&[b"uri"]),
            Phase::Features => Words::new(&[b"help", b"qemu-monitor-command"]),
            Phase::Uuid => match self.wanted.as_ref()? {
                Wanted::Name(name) => of(b"domuuid", name),
                Wanted::Id(id) => of(b"domuuid", id.to_string().as_bytes()),
            },
            Phase::ByUuid(uuid) => by_uuid(b"domname", uuid),
            Phase::Id(uuid) => by_uuid(b"domid", uuid),
            Phase::Name(uuid) => by_uuid(b"domname", uuid),
            Phase::All => Words::new(&[b"list", b"--all", b"--uuid"]),
            Phase::Each(uuids) => by_uuid(b"domname", uuids.front()?),
            Phase::New | Phase::Registering | Phase::Pause { .. } | Phase::Ready => return None,
        })
    }

    /// A step has printed this, or failed.
    pub(super) fn stepped(&mut self, outcome: Outcome<'_>, now: Instant, tell: &mut impl Tell) {
        let text = match (outcome, &self.phase) {
            (Ok(text), _) => text,
            // It is no use to know what it can do if it does not say so, and a domain may be gone between two steps.
            (Err(_), Phase::Features | Phase::Each(_)) => b"",
            // Then it is a name like any other.
            (Err(why), Phase::ByUuid(_)) if why.code() == Code::NotFound => return self.go_on(Phase::Uuid, tell),
            (Err(why), _) => return self.failed(why, now, tell),
        };
        let next = match std::mem::replace(&mut self.phase, Phase::New) {
            Phase::Hello => {
                self.pass_fds = is_over_unix(text);
                Phase::Features
            }
            Phase::Features => {
                self.pass_fds &= memchr::memmem::find(text, b"--pass-fds").is_some();
                match &self.wanted {
                    None => return self.ready(true, tell),
                    Some(Wanted::Name(name)) => Uuid::parse(name).map_or(Phase::Uuid, Phase::ByUuid),
                    Some(Wanted::Id(_)) => Phase::Uuid,
                }
            }
            Phase::ByUuid(uuid) => return self.found(uuid, without_line_end(text), now),
            Phase::Uuid => match Uuid::parse(text.trim_ascii()) {
                Some(uuid) if matches!(self.wanted, Some(Wanted::Id(_))) => Phase::Id(uuid),
                Some(uuid) => Phase::Name(uuid),
                None => return self.no_sense(text, now, tell),
            },
            Phase::Id(uuid) => match &self.wanted {
                Some(Wanted::Id(id)) if text.trim_ascii() == id.to_string().as_bytes() => Phase::Name(uuid),
                _ => return self.not_found(now, tell),
            },
            Phase::Name(uuid) if self.is_wanted(without_line_end(text)) => {
                return self.found(uuid, without_line_end(text), now);
            }
            Phase::Name(_) => Phase::All,
            Phase::All => Phase::Each(
                text.split(|byte| *byte == b'\n').filter_map(|line| Uuid::parse(line.trim_ascii())).collect(),
            ),
            Phase::Each(mut uuids) => match uuids.pop_front() {
                Some(uuid) if self.is_wanted(without_line_end(text)) => {
                    return self.found(uuid, without_line_end(text), now);
                }
                _ => Phase::Each(uuids),
            },
            other => other,
        };
        if matches!(&next, Phase::Each(uuids) if uuids.is_empty()) {
            return self.not_found(now, tell);
        }
        self.go_on(next, tell);
    }

    fn is_wanted(&self, name: &[u8]) -> bool {
        match &self.wanted {
            Some(Wanted::Name(wanted)) => **wanted == *name,
            Some(Wanted::Id(_)) => true,
            None => false,
        }
    }

    fn not_found(&mut self, now: Instant, tell: &mut impl Tell) {
        let what = match &self.wanted {
            Some(Wanted::Name(name)) => format!("no domain has the name or UUID {:?}", String::from_utf8_lossy(name)),
            Some(Wanted::Id(id)) => format!("no domain has the id {id}"),
            None => "no domain was asked for".to_owned(),
        };
        self.failed(Error::new(Code::NotFound, what), now, tell);
    }

    fn no_sense(&mut self, text: &[u8], now: Instant, tell: &mut impl Tell) {
        let begin = String::from_utf8_lossy(text.get(..60).unwrap_or(text)).into_owned();
        self.failed(Error::new(Code::Protocol, format!("virsh prints {begin:?} for a domain's UUID")), now, tell);
    }

    fn found(&mut self, uuid: Uuid, name: &[u8], now: Instant) {
        self.domain = Some((uuid.to_string(), name.to_vec()));
        self.phase = Phase::Registering;
        self.start_events(now, false, FIRST_PAUSE);
    }

    pub(super) fn ready(&mut self, proven: bool, tell: &mut impl Tell) {
        self.phase = Phase::Ready;
        self.last = None;
        tell.connected(self.settings.port);
        if !proven {
            tell.events_lost(self.settings.port);
        }
        self.run_next(tell);
    }

    /// Connecting did not work: what may pass is tried again.
    pub(super) fn failed(&mut self, why: Error, now: Instant, tell: &mut impl Tell) {
        // Of the caller's nothing was to be sent.
        let why = why.with_delivery(Delivery::NotSent);
        if !fault::is_temporary(&why) {
            return self.close(&why, tell);
        }
        [Slot::Session, Slot::Single, Slot::Events].into_iter().for_each(|slot| self.end(slot));
        self.jobs.clear();
        self.running = None;
        let before = self.last.take().map(|(_, pause)| pause.saturating_mul(2).min(LONGEST_RETRY));
        let pause = before.unwrap_or(FIRST_PAUSE);
        self.last = Some((why.with_code(Code::Connect), pause));
        self.phase = Phase::Pause { until: now.checked_add(pause).unwrap_or(now) };
    }

    /// The time is `now`.
    pub fn tick(&mut self, now: Instant, tell: &mut impl Tell) {
        self.tick_events(now, tell);
        if matches!(self.phase, Phase::Pause { until } if until <= now) {
            self.begin(tell);
        }
        if matches!(self.session, Session::Starting(_, Some(until)) if until <= now) {
            self.end(Slot::Session);
            self.run_next(tell);
        }
    }

    /// The error of a connect whose deadline has come.
    pub fn not_connected_yet(&self) -> Error {
        if let (Some((last, _)), Phase::Pause { .. } | Phase::Hello) = (&self.last, &self.phase) {
            return last.clone();
        }
        let waited = match self.phase {
            Phase::Registering => "virsh to register for the domain's events",
            Phase::New | Phase::Hello | Phase::Features | Phase::Pause { .. } | Phase::Ready => "virsh to answer",
            _ => "virsh to find the domain",
        };
        Error::new(Code::Timeout, format!("waited for {waited}"))
    }
}

/// Is the daemon of this URI reached over a UNIX socket, which alone carries descriptors?
fn is_over_unix(uri: &[u8]) -> bool {
    let scheme = memchr::memmem::find(uri, b"://").and_then(|end| uri.split_at_checked(end));
    scheme.is_some_and(|(scheme, rest)| {
        rest.starts_with(b":///") && (!scheme.contains(&b'+') || scheme.ends_with(b"+unix"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_go_over_unix_sockets_alone() {
        for uri in ["qemu:///system\n", "qemu:///session", "qemu+unix:///system?socket=/x"] {
            assert!(is_over_unix(uri.as_bytes()), "{uri}");
        }
        for uri in [
            "qemu+tcp://127.0.0.1/system",
            "qemu://host/system",
            "qemu+ssh://host/system",
            "qemu+tls:///system",
            "",
            "x",
        ] {
            assert!(!is_over_unix(uri.as_bytes()), "{uri}");
        }
    }
}
