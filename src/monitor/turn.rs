//! Turning: one round of I/O, then the callbacks that are queued by then.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::hub::Job;
use super::inside::{callback, in_callback, this_thread};
use super::roles::{Awaited, Until};
use super::shared::{Guard, Shared};
use super::{Monitor, Reactor, Timeout};
use crate::error::{Code, Error, Result};
use crate::events::own;
use crate::events::queue::Loss;
use crate::sys::text::Text;

impl Reactor {
    /// Does the work there is, waiting for some at most this long, and runs callbacks. Tells how many ran.
    pub fn turn(&self, timeout: Timeout) -> Result<usize> {
        if in_callback() {
            return Err(Error::new(Code::State, "a callback cannot turn a reactor"));
        }
        let deadline = match timeout {
            Timeout::Forever => None,
            Timeout::Millis(ms) => Some(super::after(ms)),
            Timeout::Default => {
                return Err(Error::new(Code::InvalidArgument, "a reactor has no default timeout to turn with"));
            }
        };
        let shared = self.lock()?;
        if shared.worker.is_some() {
            return Err(Error::new(Code::State, "the reactor is started: its own thread turns it"));
        }
        self.turn_with(shared, deadline, timeout == Timeout::Millis(0))
    }

    /// Ends a turn: the one that runs, or the next. Any thread may call it, and a signal handler too.
    pub fn wake(&self) {
        self.wake.store(true, Ordering::Release);
        if let Some(waker) = self.waker.get() {
            waker.ring();
        }
    }

    /// Was [`Reactor::wake`] called, with no turn since?
    pub(super) fn wake_pending(&self) -> bool {
        self.wake.load(Ordering::Acquire)
    }

    pub(super) fn turn_with(&self, shared: Guard<'_>, deadline: Option<Instant>, look: bool) -> Result<usize> {
        let (mut shared, taken) = self.take_role(shared, deadline, look)?;
        if !taken {
            // What has arrived can be taken without the role; else a foreign loop would see it there, and spin.
            if shared.lead.is_some() {
                shared = self.round(shared, Until::Now, false)?;
                self.leave(&mut shared);
            }
            return Ok(0);
        }
        let mut seat = None;
        // Only a turn that may sleep has to be woken.
        let wakeable = if look { Ok(()) } else { self.waker(&shared).map(drop) };
        let gathered = match wakeable {
            Ok(()) => self.gather(shared, &mut seat, deadline, look),
            Err(why) => {
                drop(shared);
                Err(why)
            }
        };
        let failed;
        (shared, failed) = match gathered {
            Ok(shared) => (shared, None),
            Err(why) => (self.lock_to_end(), Some(why)),
        };
        if let Some(seat) = seat {
            shared.turner = None;
            shared.hub.seats.give_back(seat);
        }
        let mut count = 0;
        if failed.is_none() {
            (shared, count) = self.run_batch(shared);
            if shared.shares == 0 {
                shared = self.run_all(shared);
            }
        }
        shared.dispatcher = None;
        self.tell_waiters(&shared);
        {
            // What the callbacks started goes out in one piece.
            let shared = &mut *shared;
            shared.core.flush(&mut shared.hub);
        }
        self.leave(&mut shared);
        failed.map_or(Ok(count), Err)
    }

    /// Becomes the dispatcher. False: somebody else was it until the deadline.
    fn take_role<'a>(&self, mut shared: Guard<'a>, deadline: Option<Instant>, look: bool) -> Result<(Guard<'a>, bool)> {
        while shared.dispatcher.is_some() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if look || left.is_some_and(|left| left.is_zero()) {
                return Ok((shared, false));
            }
            shared.role_waiters += 1;
            let woken = match left {
                None => self.role.wait(shared).ok(),
                Some(left) => self.role.wait_timeout(shared, left).ok().map(|(shared, _)| shared),
            };
            shared = woken.ok_or_else(|| Error::new(Code::Internal, "a panic happened inside the library"))?;
            shared.role_waiters -= 1;
        }
        shared.dispatcher = Some(this_thread());
        Ok((shared, true))
    }

    /// Waits until a role was given up, a callback has run, or the library's thread has ended. Look again afterwards.
    pub(super) fn await_role<'a>(&self, mut shared: Guard<'a>) -> Guard<'a> {
        shared.role_waiters += 1;
        shared = self.role.wait(shared).unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.role_waiters -= 1;
        shared
    }

    /// Wakes those who wait for a role or for the end of a callback: they look again.
    pub(super) fn tell_waiters(&self, shared: &Shared) {
        if shared.role_waiters > 0 {
            self.role.notify_all();
        }
    }

    /// Does I/O until there is a callback to run, the deadline is there, or somebody wakes it.
    fn gather<'a>(
        &'a self,
        mut shared: Guard<'a>,
        seat: &mut Option<usize>,
        deadline: Option<Instant>,
        look: bool,
    ) -> Result<Guard<'a>> {
        let mut last = look;
        loop {
            last |= shared.is_ending() || self.wake.swap(false, Ordering::AcqRel);
            let wait = !last && shared.hub.queue.is_empty();
            if shared.lead.is_some() {
                shared = self.round(shared, if wait { Until::at(deadline) } else { Until::Now }, true)?;
            } else if wait {
                shared = self.sit(shared, seat, deadline, Awaited::Turn)?;
            }
            let late = || deadline.is_some_and(|at| at <= Instant::now());
            let done = !wait || shared.is_ending() || !shared.hub.queue.is_empty() || late();
            if done || self.wake.swap(false, Ordering::AcqRel) {
                return Ok(shared);
            }
        }
    }

    /// Runs what is queued now; what comes meanwhile stays for the next turn.
    fn run_batch<'a>(&'a self, mut shared: Guard<'a>) -> (Guard<'a>, usize) {
        if shared.hub.queue.is_empty() {
            return (shared, 0);
        }
        // The others may do I/O while callbacks run.
        if shared.lead.is_some() {
            shared.hub.seats.pass_lead();
        }
        let texts = shared.hub.begin_batch();
        self.settle(&mut shared);
        let mut count = 0;
        loop {
            // It stays in the batch meanwhile: who frees its monitor finds it there.
            shared = self.await_callback(shared);
            let Some(job) = shared.hub.batch.pop_front() else { break };
            count += usize::from(!matches!(job, Job::Farewell { .. }));
            shared = self.run_job(shared, job, &texts);
        }
        shared.hub.end_batch(texts);
        // Monitors freed in these callbacks: the rest of them runs at the end of this turn.
        while let Some(port) = shared.hub.next_farewell() {
            let ran;
            shared = self.await_callback(shared);
            (shared, ran) = self.run_farewell(shared, port);
            count += ran;
        }
        (shared, count)
    }

    /// Runs what is left of a monitor that was freed in a callback. Tells how many callbacks that were.
    fn run_farewell<'a>(&'a self, mut shared: Guard<'a>, port: usize) -> (Guard<'a>, usize) {
        let jobs = shared.hub.take_jobs(port);
        let count = jobs.len();
        let gone = shared.hub.mons.try_remove(port);
        let Some(keep) = gone.as_ref().and_then(|mon| mon.keep.clone()) else { return (shared, count) };
        (self.unlocked(shared, port, || keep.say_farewell(jobs, gone)), count)
    }

    /// Runs everything: nobody will turn this reactor again.
    pub(super) fn run_all<'a>(&'a self, mut shared: Guard<'a>) -> Guard<'a> {
        while !shared.hub.queue.is_empty() {
            shared = self.run_batch(shared).0;
        }
        shared
    }

    fn run_job<'a>(&'a self, mut shared: Guard<'a>, job: Job, texts: &[u8]) -> Guard<'a> {
        let port = job.mon();
        let Some(mon) = shared.hub.mons.get_mut(port) else { return shared };
        if let Job::Farewell { .. } = job {
            return self.run_farewell(shared, port).0;
        }
        let Some(handle) = mon.handle.upgrade() else { return shared };
        if mon.freed && matches!(job, Job::Event { .. } | Job::Lost { .. }) {
            // Freed in a callback: its answers still come, events do not.
            return shared;
        }
        match job {
            Job::Event { sub, at, name_len, json_len, .. } => {
                let name = text(texts, at, name_len);
                let json = text(texts, at + name_len + 1, json_len);
                if let Some(entry) = mon.subs.iter_mut().find(|entry| entry.id == sub) {
                    entry.leave(name.as_bytes(), json_len);
                    return self.run_event(shared, &handle, sub, name, json);
                }
            }
            Job::Lost { sub, .. } => {
                if let Some(entry) = mon.subs.iter_mut().find(|entry| entry.id == sub) {
                    let loss: Loss = entry.take_loss();
                    let mut json = loss.json();
                    json.push(0);
                    let mut name = own::EVENTS_LOST.as_bytes().to_vec();
                    name.push(0);
                    let (name, json) = (text(&name, 0, name.len() - 1), text(&json, 0, json.len() - 1));
                    return self.run_event(shared, &handle, sub, name, json);
                }
            }
            Job::Reply { handler, outcome, .. } => {
                return self.unlocked(shared, port, || handler(&handle, outcome));
            }
            Job::Done { handler, outcome, .. } => {
                return self.unlocked(shared, port, || handler(&handle, outcome));
            }
            Job::Farewell { .. } => {}
        }
        shared
    }

    fn run_event<'a>(
        &'a self,
        mut shared: Guard<'a>,
        handle: &Arc<Monitor>,
        sub: u64,
        name: Text<'_>,
        json: Text<'_>,
    ) -> Guard<'a> {
        let find = |shared: &mut Guard<'a>| {
            let mon = shared.hub.mons.get_mut(handle.key()).filter(|mon| mon.serial == handle.serial())?;
            mon.subs.iter().position(|entry| entry.id == sub)
        };
        let Some(at) = find(&mut shared) else { return shared };
        let Some(mut handler) = shared.hub.mons.get_mut(handle.key()).and_then(|mon| mon.subs[at].handler.take())
        else {
            return shared;
        };
        shared = self.unlocked(shared, handle.key(), || handler(handle, name, json));
        match find(&mut shared) {
            Some(at) => {
                if let Some(mon) = shared.hub.mons.get_mut(handle.key()) {
                    mon.subs[at].handler = Some(handler);
                }
                shared
            }
            None => {
                // Unsubscribed meanwhile: this was its last call.
                drop(shared);
                callback(|| drop(handler));
                self.lock_to_end()
            }
        }
    }

    /// Waits until no callback runs: one runs at a time, although a thread that frees a monitor is no dispatcher.
    fn await_callback<'a>(&self, mut shared: Guard<'a>) -> Guard<'a> {
        while shared.running.is_some() {
            shared = self.await_role(shared);
        }
        shared
    }

    /// Runs callbacks of a monitor with the lock let go; nobody else's may be running. A panic of a Rust callback goes on
    /// after the books are in order.
    pub(super) fn unlocked<'a>(&'a self, mut shared: Guard<'a>, port: usize, run: impl FnOnce()) -> Guard<'a> {
        shared.running = Some((port, this_thread()));
        drop(shared);
        let outcome = catch_unwind(AssertUnwindSafe(|| callback(run)));
        let mut shared = self.lock_to_end();
        shared.running = None;
        self.tell_waiters(&shared);
        if let Err(panic) = outcome {
            shared.dispatcher = shared.dispatcher.filter(|thread| *thread != this_thread());
            drop(shared);
            resume_unwind(panic);
        }
        shared
    }
}

/// The text of this length, with the NUL behind it.
fn text(texts: &[u8], at: usize, len: usize) -> Text<'_> {
    Text::new(texts.get(at..at + len + 1).unwrap_or_default())
}
