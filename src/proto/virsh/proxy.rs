//! The monitor behind virsh: what waits, what runs, and what the processes print.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listing::Listing;
use super::opening::Phase;
use super::running::{Printed, Running};
use super::session::Marks;
use super::watch::Watch;
use super::words;
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::libvirt::Wanted;
use crate::proto::outbox::Outbox;
use crate::proto::request::Request;
use crate::proto::tell::Tell;

/// How much is kept of what a process prints on its standard error.
const MAX_ERRORS: usize = 64 << 10;
/// So long a session may take to its first sign of life: one that hangs is replaced then.
const HELLO: Duration = Duration::from_secs(15);

/// What shapes a proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The monitor's number.
    pub port: usize,
    /// Keep one virsh for all commands.
    pub session: bool,
    /// virsh may have to start the daemon, which then has the environment of that virsh: not that of a session.
    pub wakes: bool,
    /// The largest message, in bytes.
    pub limit: usize,
    /// Something that no virsh prints by chance, for the marks around answers.
    pub key: String,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Slot {
    Session = 0,
    Single = 1,
    Events = 2,
}

/// What the owner has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<F> {
    /// Start virsh with these arguments behind those that say where to connect to. `F` are descriptors for it to pass.
    Start(Slot, Vec<Vec<u8>>, Option<F>),
    /// End the process at once.
    End(Slot),
}

/// A monitor that virsh stands in for.
#[derive(Debug)]
pub struct Proxy<F> {
    pub(super) settings: Settings,
    pub(super) wanted: Option<Wanted>,
    pub(super) phase: Phase,
    /// The domain's UUID and name, once they are known.
    pub(super) domain: Option<(String, Vec<u8>)>,
    pub(super) jobs: VecDeque<Job<F>>,
    pub(super) running: Option<Running<F>>,
    pub(super) session: Session,
    /// A session has shown that it takes monitor commands in the form in which they are written.
    pub(super) proven: bool,
    /// This virsh can pass descriptors, over a UNIX socket.
    pub(super) pass_fds: bool,
    /// What the session is to read.
    pub(super) out: Outbox<F>,
    pub(super) actions: VecDeque<Action<F>>,
    /// What each process printed on its standard error since its last command.
    pub(super) errors: [Vec<u8>; 3],
    /// The process that prints events.
    pub(super) watch: Watch,
    /// The answer of the session that was found; its errors are still to be read.
    pub(super) answer: Option<Printed>,
    /// What the single process printed.
    pub(super) printed: Vec<u8>,
    pub(super) lines: u64,
    /// The last reason why there is no connection yet, and the pause after it.
    pub(super) last: Option<(Error, Duration)>,
    over: bool,
}

/// Something to be done by a virsh.
#[derive(Debug)]
pub(super) enum Job<F> {
    /// A step of the opening.
    Step,
    /// A monitor command.
    Command { call: u32, request: Arc<Request>, value_only: bool, json: Vec<u8>, fds: Option<F> },
    /// The domains of the hypervisor.
    List { call: u32, listing: Box<Listing> },
}

impl<F> Job<F> {
    pub(super) fn call(&self) -> Option<u32> {
        match self {
            Job::Step => None,
            Job::Command { call, .. } | Job::List { call, .. } => Some(*call),
        }
    }
}

/// The standing virsh.
#[derive(Debug)]
pub(super) enum Session {
    /// There is none.
    Down,
    /// It was asked for a sign of life, for which it has until then.
    Starting(Marks, Option<Instant>),
    /// It waits for commands.
    Up,
}

impl<F> Proxy<F> {
    /// A monitor of this domain, or of the hypervisor.
    pub fn new(settings: Settings, wanted: Option<Wanted>) -> Self {
        Proxy {
            settings,
            wanted,
            phase: Phase::New,
            domain: None,
            jobs: VecDeque::new(),
            running: None,
            session: Session::Down,
            proven: false,
            pass_fds: false,
            out: Outbox::new(),
            actions: VecDeque::new(),
            errors: Default::default(),
            watch: Watch::default(),
            answer: None,
            printed: Vec::new(),
            lines: 0,
            last: None,
            over: false,
        }
    }

    /// What is to be done next with a process.
    pub fn action(&mut self) -> Option<Action<F>> {
        self.actions.pop_front()
    }

    /// What is to be written to the session.
    pub fn outbox(&mut self) -> &mut Outbox<F> {
        &mut self.out
    }

    /// Is the monitor's link at its end?
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Is it ready for commands?
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready && !self.over
    }

    /// Does this virsh pass descriptors to this daemon?
    pub fn passes_fds(&self) -> bool {
        self.is_ready() && self.pass_fds
    }

    /// Queues a request. On failure nothing was sent and no answer will come.
    pub fn submit(
        &mut self,
        call: u32,
        request: &Arc<Request>,
        value_only: bool,
        fds: Option<F>,
        tell: &mut impl Tell,
    ) -> Result<()> {
        if request.out_of_band() {
            return Err(Error::new(Code::Unsupported, "exec-oob: libvirt does not enable out-of-band execution"));
        }
        if !self.is_ready() {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        }
        if self.domain.is_none() {
            let text = "the target names no domain, so it runs no commands; expected #NAME at its end";
            return Err(Error::new(Code::Unsupported, text));
        }
        if fds.is_some() && !self.pass_fds {
            let text = "descriptors can be passed over UNIX sockets only, by a virsh that has --pass-fds";
            return Err(Error::new(Code::Unsupported, text));
        }
        let json = words::json_of(request)?;
        self.jobs.push_back(Job::Command { call, request: Arc::clone(request), value_only, json, fds });
        self.run_next(tell);
        Ok(())
    }

    /// Asks for the domains of the hypervisor.
    pub fn list(&mut self, call: u32, tell: &mut impl Tell) -> Result<()> {
        if !self.is_ready() {
            return Err(Error::new(Code::Disconnected, "the monitor is not connected yet"));
        }
        self.jobs.push_back(Job::List { call, listing: Box::new(Listing::new()) });
        self.run_next(tell);
        Ok(())
    }

    /// Nobody waits for this call any more. A virsh that works on it cannot be told so: it is ended. Tells how far the
    /// call got.
    pub fn forget(&mut self, call: u32, tell: &mut impl Tell) -> Delivery {
        if let Some(at) = self.jobs.iter().position(|job| job.call() == Some(call)) {
            self.jobs.remove(at);
            return Delivery::NotSent;
        }
        let Some(running) = self.running.take_if(|running| running.job.call() == Some(call)) else {
            return Delivery::NotSent;
        };
        let delivery = self.delivery(&running);
        self.end(running.slot());
        self.run_next(tell);
        delivery
    }

    /// How far a command that runs has got.
    pub(super) fn delivery(&self, running: &Running<F>) -> Delivery {
        // A line without its end is no command.
        let whole = running.span.is_none_or(|span| {
            let last = span.start.saturating_add(span.len as u64).saturating_sub(1);
            self.out.has_begun(crate::proto::outbox::Span { start: last, len: 1 })
        });
        if whole { Delivery::Unknown } else { Delivery::NotSent }
    }

    /// Ends a process.
    pub(super) fn end(&mut self, slot: Slot) {
        self.actions.push_back(Action::End(slot));
        if let Some(errors) = self.errors.get_mut(slot as usize) {
            errors.clear();
        }
        match slot {
            Slot::Session => {
                self.session = Session::Down;
                // What it did not read goes with it.
                self.out = Outbox::new();
                self.answer = None;
            }
            Slot::Single => self.printed = Vec::new(),
            Slot::Events => self.watch.down(),
        }
    }

    /// The monitor leaves: `why` answers its calls, and its processes end.
    pub fn close(&mut self, why: &Error, tell: &mut impl Tell) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let Some(running) = self.running.take() {
            let delivery = self.delivery(&running);
            if let Some(call) = running.job.call() {
                tell.answered(call, Err(why.clone().with_delivery(delivery)));
            }
        }
        for call in std::mem::take(&mut self.jobs).iter().filter_map(Job::call) {
            tell.answered(call, Err(why.clone().with_delivery(Delivery::NotSent)));
        }
        for slot in [Slot::Session, Slot::Single, Slot::Events] {
            self.end(slot);
        }
        tell.closed(self.settings.port, why.clone());
    }

    /// A process printed something on its standard output: takes what is understood off the front of `buf`, and says how
    /// many bytes that are.
    pub fn output(&mut self, slot: Slot, buf: &[u8], tell: &mut impl Tell) -> usize {
        match slot {
            Slot::Session => self.session_output(buf, tell),
            Slot::Single => {
                self.printed.extend_from_slice(buf);
                if self.printed.len() > self.settings.limit {
                    self.give_up_running(self.too_much(), tell);
                }
                buf.len()
            }
            Slot::Events => self.events_output(buf, tell),
        }
    }

    pub(super) fn too_much(&self) -> Error {
        let limit = self.settings.limit;
        let text = format!("virsh prints more than the option max-message allows ({limit} bytes)");
        Error::new(Code::Limit, text).with_delivery(Delivery::Answered)
    }

    /// A process printed something on its standard error. All of it is taken.
    pub fn error_output(&mut self, slot: Slot, text: &[u8], tell: &mut impl Tell) {
        if slot == Slot::Events {
            return self.events_log(text, tell);
        }
        self.keep_error(slot, text);
    }

    pub(super) fn keep_error(&mut self, slot: Slot, text: &[u8]) {
        if let Some(kept) = self.errors.get_mut(slot as usize) {
            kept.extend_from_slice(text);
            shorten(kept);
        }
    }

    /// When [`Proxy::tick`] has something to do.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let session = match &mut self.session {
            Session::Starting(_, until) => Some(*until.get_or_insert(now.checked_add(HELLO).unwrap_or(now))),
            Session::Down | Session::Up => None,
        };
        let opening = if let Phase::Pause { until } = self.phase { Some(until) } else { None };
        let deadlines = [session, opening].into_iter().chain(self.watch.deadlines(now));
        if self.over { None } else { deadlines.flatten().min() }
    }
}

/// Keeps the end of what is too long.
pub(super) fn shorten(text: &mut Vec<u8>) {
    let surplus = text.len().saturating_sub(MAX_ERRORS);
    text.drain(..surplus);
}
