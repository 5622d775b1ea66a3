//! Turning: one round of I/O, then the callbacks that are queued by then.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::hub::Sub;
use super::inside::{callback, in_callback, this_thread};
use super::job::Job;
use super::roles::{Awaited, Until};
use super::shared::{Guard, Shared};
use super::{EventHandler, Monitor, Reactor, Timeout};
use crate::error::{Code, Error, Result};
use crate::events::own;
use crate::events::queue::Loss;
use crate::sys::text::Text;
use crate::sys::texts::Texts;

/// At most so many callbacks run before the lock is taken again.
const AT_ONCE: usize = 64;

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
        // To read and write in one step keeps the look at the waker behind it, as the turn's own step keeps its look at
        // this behind the making of the waker: one of the two sees the other.
        self.wake.swap(true, Ordering::AcqRel);
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
            let woken = shared.sleep(&self.role, left);
            shared = woken.map_err(|_| Error::new(Code::Internal, "a panic happened inside the library"))?;
            shared.role_waiters -= 1;
        }
        shared.dispatcher = Some(this_thread());
        Ok((shared, true))
    }

    /// Waits until a role was given up, a callback has run, or the library's thread has ended. Look again afterwards.
    pub(super) fn await_role<'a>(&self, mut shared: Guard<'a>) -> Guard<'a> {
        // One callback is waited for, not all that are alike.
        self.halt_callbacks();
        shared.role_waiters += 1;
        shared = shared.sleep(&self.role, None).unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.role_waiters -= 1;
        shared
    }

    /// What is queued has changed its meaning, or somebody waits: of the callbacks that run in one go, the one that runs now
    /// is the last. To be called with the lock held.
    pub(super) fn halt_callbacks(&self) {
        self.halt.store(true, Ordering::Relaxed);
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
        shared.hub.begin_batch();
        self.settle(&mut shared);
        let mut count = 0;
        loop {
            // They stay in the batch meanwhile: who frees their monitor finds them there.
            shared = self.await_callback(shared);
            let Some(job) = shared.hub.batch.front() else { break };
            let ran;
            (shared, ran) = if job.is_answer() { self.run_answers(shared) } else { self.run_job(shared) };
            count += ran;
        }
        shared.hub.end_batch();
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
        let gone = shared.hub.remove(port);
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

    /// Runs the first job of the batch, which is no answer. Tells how many callbacks that were.
    fn run_job<'a>(&'a self, mut shared: Guard<'a>) -> (Guard<'a>, usize) {
        let Some(job) = shared.hub.batch.pop_front() else { return (shared, 0) };
        let port = job.mon();
        let Some(mon) = shared.hub.mons.get_mut(port) else { return (shared, 0) };
        if let Job::Farewell { .. } = job {
            return self.run_farewell(shared, port);
        }
        let Some(handle) = mon.handle.upgrade() else { return (shared, 0) };
        match job {
            Job::Events { sub, counts, at, end, count, .. } => {
                let run = Run { counts, at, end, count };
                self.run_sub(shared, &handle, sub, |shared, handler| {
                    self.run_events(shared, &handle, sub, run, handler)
                })
            }
            Job::Lost { sub, .. } => {
                self.run_sub(shared, &handle, sub, |shared, handler| self.run_loss(shared, &handle, sub, handler))
            }
            Job::Reply { .. } | Job::Done { .. } | Job::Farewell { .. } => (shared, 0),
        }
    }

    /// Runs the first answers of the batch, those of one monitor. Tells how many callbacks that were.
    fn run_answers<'a>(&'a self, mut shared: Guard<'a>) -> (Guard<'a>, usize) {
        let (port, mut answers) = shared.hub.take_answers(AT_ONCE);
        let Some(handle) = shared.hub.mons.get(port).and_then(|mon| mon.handle.upgrade()) else {
            // Dropped rather than freed: nobody is called. What goes belongs to the application, and may take its time.
            drop(shared);
            callback(|| drop(answers));
            return (self.lock_to_end(), 0);
        };
        let handle = &handle;
        let mut ran = 0;
        self.halt.store(false, Ordering::Relaxed);
        let outcome;
        (shared, outcome) = self.lending_texts(shared, handle.key(), |texts| {
            while let Some(job) = answers.pop_front() {
                ran += 1;
                run_answer(job, handle, texts);
                if self.halt.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // Those behind one that panics have to come as well.
        shared.hub.put_back(answers);
        (self.after_callbacks(shared, outcome), ran)
    }

    /// Takes the handler of a subscription for as long as `run` takes, if it is still there.
    fn run_sub<'a>(
        &'a self,
        mut shared: Guard<'a>,
        handle: &Arc<Monitor>,
        sub: u64,
        run: impl FnOnce(Guard<'a>, &mut EventHandler) -> (Guard<'a>, usize),
    ) -> (Guard<'a>, usize) {
        let Some(handler) = entry(&mut shared, handle, sub).and_then(|entry| entry.handler.take()) else {
            return (shared, 0);
        };
        let mut handler = handler;
        let ran;
        (shared, ran) = run(shared, &mut handler);
        if let Some(entry) = entry(&mut shared, handle, sub) {
            entry.handler = Some(handler);
            return (shared, ran);
        }
        // Unsubscribed meanwhile, or freed: this was its last call. Who frees the monitor waits for this, too.
        (self.unlocked(shared, handle.key(), || drop(handler)), ran)
    }

    fn run_loss<'a>(
        &'a self,
        mut shared: Guard<'a>,
        handle: &Arc<Monitor>,
        sub: u64,
        handler: &mut EventHandler,
    ) -> (Guard<'a>, usize) {
        let Some(entry) = entry(&mut shared, handle, sub) else { return (shared, 0) };
        let loss: Loss = entry.take_loss();
        let with_nul = |text: &[u8]| [text, b"\0"].concat();
        let (name, json) = (with_nul(own::EVENTS_LOST.as_bytes()), with_nul(&loss.json()));
        (self.unlocked(shared, handle.key(), || handler(handle, Text::new(&name), Text::new(&json))), 1)
    }

    /// Runs some of these events; the others stand in front of the batch again.
    fn run_events<'a>(
        &'a self,
        mut shared: Guard<'a>,
        handle: &Arc<Monitor>,
        sub: u64,
        mut run: Run,
        handler: &mut EventHandler,
    ) -> (Guard<'a>, usize) {
        let port = handle.key();
        let bound = shared.hub.mons.get(port).map_or(0, |mon| mon.options.bounds.events);
        // What runs has left the queue: of a short one not many at once may, or its bound would mean little.
        let some = run.count.min((bound / AT_ONCE).clamp(1, AT_ONCE));
        let bytes = if run.counts { shared.hub.batch_texts.size_of(run.at, some) } else { 0 };
        let Some(books) = entry(&mut shared, handle, sub) else { return (shared, 0) };
        if run.counts {
            books.leave(some, bytes);
        }
        let mut ran = 0;
        self.halt.store(false, Ordering::Relaxed);
        let outcome;
        (shared, outcome) = self.lending_texts(shared, port, |texts| {
            while ran < some {
                let Some(event) = texts.get(run.at) else { break };
                ran += 1;
                run.at = event.next;
                handler(handle, event.name, event.json);
                if self.halt.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        run.count -= ran;
        let again = if run.counts { some - ran } else { 0 };
        let bytes = shared.hub.batch_texts.size_of(run.at, again);
        if let Some(books) = entry(&mut shared, handle, sub).filter(|_| run.count > 0) {
            books.enter(again, bytes);
            let Run { counts, at, end, count } = run;
            shared.hub.batch.push_front(Job::Events { mon: port, sub, counts, at, end, count });
        }
        (self.after_callbacks(shared, outcome), ran)
    }

    /// Waits until no callback runs: one runs at a time, although a thread that frees a monitor is no dispatcher.
    fn await_callback<'a>(&self, mut shared: Guard<'a>) -> Guard<'a> {
        while shared.running.is_some() {
            shared = self.await_role(shared);
        }
        shared
    }

    /// Runs callbacks of the batch, which are lent its texts, with the lock let go. [`Reactor::after_callbacks`] has to follow.
    fn lending_texts<'a>(
        &'a self,
        mut shared: Guard<'a>,
        port: usize,
        run: impl FnOnce(&Texts),
    ) -> (Guard<'a>, std::thread::Result<()>) {
        let texts = std::mem::take(&mut shared.hub.batch_texts);
        let outcome;
        (shared, outcome) = self.without_lock(shared, port, || run(&texts));
        shared.hub.batch_texts = texts;
        (shared, outcome)
    }

    /// Runs callbacks of a monitor with the lock let go; nobody else's may be running. A panic of a Rust callback goes on
    /// after the books are in order.
    pub(super) fn unlocked<'a>(&'a self, shared: Guard<'a>, port: usize, run: impl FnOnce()) -> Guard<'a> {
        let (shared, outcome) = self.without_lock(shared, port, run);
        self.after_callbacks(shared, outcome)
    }

    fn without_lock<'a>(
        &'a self,
        mut shared: Guard<'a>,
        port: usize,
        run: impl FnOnce(),
    ) -> (Guard<'a>, std::thread::Result<()>) {
        shared.running = Some((port, this_thread()));
        drop(shared);
        let outcome = catch_unwind(AssertUnwindSafe(|| callback(run)));
        (self.lock_to_end(), outcome)
    }

    fn after_callbacks<'a>(&'a self, mut shared: Guard<'a>, outcome: std::thread::Result<()>) -> Guard<'a> {
        shared.running = None;
        self.tell_waiters(&shared);
        if let Err(panic) = outcome {
            if shared.dispatcher == Some(this_thread()) {
                shared.dispatcher = None;
                shared.hub.abandon_batch();
            }
            drop(shared);
            resume_unwind(panic);
        }
        shared
    }
}

/// Runs the callback of an answer, which these texts may hold.
pub(super) fn run_answer(job: Job, handle: &Arc<Monitor>, texts: &Texts) {
    match job {
        Job::Reply { receiver, outcome, .. } => match outcome {
            Ok(kept) => receiver.receive(handle, Ok(kept.text(texts))),
            Err(why) => receiver.receive(handle, Err(why)),
        },
        Job::Done { handler, outcome, .. } => handler(handle, outcome),
        Job::Events { .. } | Job::Lost { .. } | Job::Farewell { .. } => {}
    }
}

/// Events of one subscription, one behind the other in the texts.
struct Run {
    counts: bool,
    at: usize,
    end: usize,
    count: usize,
}

/// A subscription, unless it has ended, or its monitor was freed: in a callback, after which answers still come, but no
/// events.
fn entry<'a>(shared: &'a mut Guard<'_>, handle: &Arc<Monitor>, sub: u64) -> Option<&'a mut Sub> {
    let mon = shared.hub.mons.get_mut(handle.key()).filter(|mon| mon.serial == handle.serial() && !mon.freed)?;
    mon.subs.iter_mut().find(|entry| entry.id == sub)
}
