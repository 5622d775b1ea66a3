//! The safe Rust API, and the locking: monitors, and the reactors that drive them.
//!
//! A reactor's state lies behind one lock ([`shared::Shared`]). Two roles are passed between threads: the *leader* waits
//! in epoll and does the I/O ([`roles`]), the *dispatcher* runs callbacks ([`turn`]). The lock is never held while a
//! callback runs, while a thread waits, or while a handler of the application is dropped.

mod alarm;
pub mod call;
pub mod command;
mod connect;
pub mod hub;
pub mod inside;
pub mod job;
mod life;
pub mod login;
pub mod memo;
pub mod options;
pub mod receiver;
mod roles;
pub mod seats;
mod shared;
pub mod stream;
mod subscribe;
mod turn;
mod worker;

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, OnceLock};
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::reactor::Core;
use crate::reactor::lead::Lead;
use crate::sys::event_fd::Bell;
use crate::sys::text::Text;
use crate::target::Target;
use shared::{Lock, Shared, system};

/// Called with each event: its name and its JSON.
pub type EventHandler = Box<dyn FnMut(&Arc<Monitor>, Text<'_>, Text<'_>) + Send>;
/// Called once with the answer to a request, which it is lent.
pub type ReplyHandler = Box<dyn FnOnce(&Arc<Monitor>, Result<Text<'_>>) + Send>;
/// Called once when a connect has ended.
pub type DoneHandler = Box<dyn FnOnce(&Arc<Monitor>, Result<()>) + Send>;

/// One epoll instance and any number of monitors on it.
pub struct Reactor {
    shared: Lock,
    /// For those who wait for the dispatcher's role, or for a callback to end.
    role: Condvar,
    /// Interrupts a sleeping leader.
    waker: OnceLock<Bell>,
    /// Set by `wake`, consumed by `turn` alone.
    wake: AtomicBool,
    /// Set by `halt_callbacks`, looked at between two callbacks.
    halt: AtomicBool,
    /// mio's epoll descriptor, which lives as long as this.
    epoll: i32,
}

/// One QEMU monitor.
pub struct Monitor {
    reactor: Arc<Reactor>,
    key: usize,
    serial: u64,
    target: CString,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// As long as it takes.
    Forever,
    /// The monitor's option `timeout`.
    Default,
    /// So many milliseconds.
    Millis(u32),
}

/// How far a monitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum State {
    /// Never connected.
    New = 0,
    /// A link is on its way.
    Connecting = 1,
    /// There is a link.
    Connected = 2,
    /// There was a link, or an attempt.
    Disconnected = 3,
}

/// The events that a private reactor takes in one round; its monitor has a handful of sources.
const PRIVATE_EVENTS: usize = 16;
/// The events that a shared reactor takes in one round.
const SHARED_EVENTS: usize = 512;

/// Ids of subscriptions and requests, and serials of monitors: none is used twice.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// So many milliseconds from now.
fn after(ms: u32) -> Instant {
    Instant::now() + Duration::from_millis(ms.into())
}

impl Timeout {
    /// From the numbers of the C API: milliseconds, -1 for ever, -2 the monitor's default.
    pub fn from_millis(ms: i32) -> Result<Timeout> {
        match ms {
            -1 => Ok(Timeout::Forever),
            -2 => Ok(Timeout::Default),
            _ => u32::try_from(ms).map(Timeout::Millis).map_err(|_| {
                let text = format!("the timeout is {ms}, expected milliseconds, -1 (for ever) or -2 (the default)");
                Error::new(Code::InvalidArgument, text)
            }),
        }
    }

    /// In milliseconds, with the monitor's default put in; `None` is for ever.
    fn resolve(self, default: Option<u32>) -> Option<u32> {
        match self {
            Timeout::Forever => None,
            Timeout::Default => default,
            Timeout::Millis(ms) => Some(ms),
        }
    }
}

impl Reactor {
    /// A reactor for any number of monitors.
    pub fn new() -> Result<Arc<Reactor>> {
        Reactor::with_capacity(SHARED_EVENTS, 1)
    }

    /// `shares`: how many owners it has before its first monitor.
    fn with_capacity(events: usize, shares: usize) -> Result<Arc<Reactor>> {
        let made = Lead::new(events).and_then(|lead| {
            let core = Core::new(&lead)?;
            Ok((lead.as_raw_fd(), Shared::new(lead, core, shares)))
        });
        let (epoll, shared) = made.map_err(|why| system("an epoll instance cannot be made", &why))?;
        Ok(Arc::new(Reactor {
            shared: Lock::new(shared),
            role: Condvar::new(),
            waker: OnceLock::new(),
            wake: AtomicBool::new(false),
            halt: AtomicBool::new(false),
            epoll,
        }))
    }
}

impl Monitor {
    /// The reactor that drives this monitor.
    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// The target as it was given.
    pub fn target(&self) -> &CStr {
        &self.target
    }

    /// The target, read anew: it is needed seldom, and thousands of monitors need not keep it.
    pub(crate) fn parsed_target(&self) -> Result<Target> {
        Target::parse(&self.target.to_string_lossy())
    }

    /// The port of this monitor.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Tells this monitor from an earlier one with the same port.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// An error of this monitor: it names the target and the command.
    pub fn named(&self, error: Error, command: &str) -> Error {
        error.about(&self.target.to_string_lossy(), command)
    }
}
