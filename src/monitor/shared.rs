//! What the lock of a reactor protects, and what has to agree whenever it is let go.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::time::Instant;

use mio::Interest;
use mio::unix::SourceFd;

use super::Reactor;
use super::hub::Hub;
use super::memo::Memo;
use super::seats::Called;
use super::worker::Worker;
use crate::driver::Link;
use crate::driver::libvirt::Shape;
use crate::error::{Code, Error, Result};
use crate::reactor::lead::Lead;
use crate::reactor::{Core, TIMER, WAKER};
use crate::sys::event_fd::Bell;
use crate::sys::lock::{self, Protected};
use crate::sys::watch::Watch;

/// The lock, held. Threads that are called meanwhile are woken behind its end: one that runs at once would only run into
/// the lock, and sleep again.
pub(super) type Guard<'a> = lock::Guard<'a, Shared>;

/// Everything of a reactor.
pub(super) struct Shared {
    /// The drivers.
    pub core: Core<Link>,
    /// The monitors and all that waits.
    pub hub: Hub,
    /// The links that monitors may join.
    pub links: BTreeMap<Shape, usize>,
    /// The lead, unless somebody has it.
    pub lead: Option<Box<Lead>>,
    /// The leader is asleep, until then at the latest.
    pub asleep: Option<Sleep>,
    /// Who runs callbacks.
    pub dispatcher: Option<usize>,
    /// The monitor whose callback runs, and the thread that it runs in.
    pub running: Option<(usize, usize)>,
    /// How many threads wait for the dispatcher's role or the end of a callback.
    pub role_waiters: usize,
    /// The seat of a `turn` that waits for the lead.
    pub turner: Option<usize>,
    /// The thread that turns, when the library has one.
    pub worker: Option<Worker>,
    /// That thread is to end with the turn that it is in.
    pub stopping: bool,
    /// Who can still turn this reactor: the application's share in it, and each monitor.
    pub shares: usize,
    /// The last checked request.
    pub memo: Memo,
    /// Rounds in a row that left something unread.
    pub unfinished_rounds: usize,
    watch: Option<Watch>,
    armed: Option<Instant>,
}

impl Protected for Shared {
    type Left = Called;

    #[inline]
    fn leave(&mut self) -> Option<Called> {
        self.hub.seats.take_called()
    }
}

/// What wakes a sleeping leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleep {
    /// Its own deadline; `None` is for ever.
    pub until: Option<Instant>,
    /// It runs callbacks as well.
    pub turns: bool,
}

impl Shared {
    /// Around a fresh epoll instance.
    pub(super) fn new(lead: Lead, core: Core<Link>, shares: usize) -> Self {
        Shared {
            core,
            hub: Hub::default(),
            links: BTreeMap::new(),
            lead: Some(Box::new(lead)),
            asleep: None,
            dispatcher: None,
            running: None,
            role_waiters: 0,
            turner: None,
            worker: None,
            stopping: false,
            shares,
            memo: Memo::default(),
            unfinished_rounds: 0,
            watch: None,
            armed: None,
        }
    }

    /// Must turns come to an end: because the library's thread is asked to, or because nobody is left who could wake
    /// them?
    pub(super) fn is_ending(&self) -> bool {
        self.stopping || self.shares == 0
    }

    /// The earliest deadline of all.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        match (self.core.first_deadline(), self.hub.first_deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Hides from a foreign loop what a sleeping leader takes care of.
    pub(super) fn mask(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.mask(true);
        }
    }

    /// Makes the watched descriptor tell the truth: readable exactly while a `turn(0)` would find something to do.
    fn show(&mut self, woken: bool) {
        if self.watch.is_none() {
            return;
        }
        let first = self.first_deadline();
        let Some(watch) = &mut self.watch else { return };
        let free = self.lead.is_some();
        // Callbacks and a wake are for who has the dispatcher's role, while somebody has it.
        let mine = self.dispatcher.is_none() && (woken || !self.hub.queue.is_empty());
        watch.raise(mine || (free && self.core.has_unfinished()));
        if free {
            watch.mask(false);
        }
        if first != self.armed {
            watch.arm(first.map(|at| at.saturating_duration_since(Instant::now())));
            self.armed = first;
        }
    }

    /// The descriptor for foreign loops; made when it is first asked for.
    fn watch(&mut self, epoll: i32) -> std::io::Result<i32> {
        if self.watch.is_none() {
            let watch = Watch::new(epoll)?;
            let timer = watch.timer();
            mio::event::Source::register(&mut SourceFd(&timer), self.core.registry(), TIMER, Interest::READABLE)?;
            self.watch = Some(watch);
        }
        Ok(self.watch.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }
}

impl Reactor {
    /// Takes the lock. A panic while it was held leaves nothing behind that could be relied on.
    pub(super) fn lock(&self) -> Result<Guard<'_>> {
        self.shared.lock().map_err(|_| poisoned())
    }

    /// Takes the lock to tear down, whatever happened before.
    pub(super) fn lock_to_end(&self) -> Guard<'_> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// To be called after every change, before the lock is let go: wakes who has to know, and shows what is to do.
    #[inline]
    pub(super) fn settle(&self, shared: &mut Shared) {
        let disturbed = std::mem::take(&mut shared.hub.disturb);
        // A program whose one thread makes blocking calls has none of these.
        if shared.asleep.is_some() || shared.turner.is_some() || shared.watch.is_some() {
            self.tell_all(shared, disturbed);
        }
    }

    fn tell_all(&self, shared: &mut Shared, disturbed: bool) {
        let callbacks = !shared.hub.queue.is_empty();
        if let Some(sleep) = shared.asleep {
            let earlier = |at: Instant| sleep.until.is_none_or(|until| at < until);
            let due = shared.first_deadline().is_some_and(earlier);
            if disturbed || due || (callbacks && sleep.turns) || shared.core.has_unfinished() {
                self.interrupt(shared);
            }
        }
        // A turn that waits for the lead holds the dispatcher's role: callbacks need no lead. A wake has reached the
        // leader alone.
        if let Some(seat) = shared.turner.filter(|_| callbacks || self.wake_pending()) {
            shared.hub.seats.notify(seat);
        }
        shared.show(self.wake_pending());
    }

    /// Ends the leader's sleep.
    pub(super) fn interrupt(&self, shared: &mut Shared) {
        match self.waker(shared) {
            Ok(waker) => {
                // Asked for once is enough: the next sleep sets it anew.
                shared.asleep = None;
                waker.ring();
            }
            // Without a free descriptor there is no bell: whoever comes next tries again.
            Err(_) => shared.hub.disturb = true,
        }
    }

    /// The waker; made when it is first needed. Not mio's: that one cannot be tried again after it has failed.
    pub(super) fn waker(&self, shared: &Shared) -> Result<&Bell> {
        if let Some(waker) = self.waker.get() {
            return Ok(waker);
        }
        let made = Bell::new().and_then(|bell| {
            let fd = bell.as_raw_fd();
            mio::event::Source::register(&mut SourceFd(&fd), shared.core.registry(), WAKER, Interest::READABLE)?;
            Ok(bell)
        });
        let waker = made.map_err(|why| system("a waker cannot be made", &why))?;
        Ok(self.waker.get_or_init(|| waker))
    }

    /// The descriptor that a foreign event loop watches for reading.
    pub fn fd(&self) -> Result<i32> {
        let mut shared = self.lock()?;
        self.waker(&shared)?;
        let epoll = self.epoll;
        let fd = shared.watch(epoll).map_err(|why| system("the reactor's descriptor cannot be made", &why))?;
        if shared.asleep.is_some() {
            shared.mask();
        }
        self.settle(&mut shared);
        Ok(fd)
    }
}

/// The error after a panic.
fn poisoned() -> Error {
    Error::new(Code::Internal, "an earlier call panicked inside the library: this reactor does no more work")
}

/// An error of the operating system.
pub(super) fn system(text: &str, why: &std::io::Error) -> Error {
    Error::from_io(Code::System, text, why)
}

/// A lock around what a reactor is made of.
pub(super) type Lock = lock::Lock<Shared>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::monitor::{Monitor, Timeout};

    #[test]
    fn after_a_panic_under_the_lock_work_is_refused_and_freeing_works() {
        let reactor = Reactor::new().unwrap();
        let monitor = Monitor::new(Some(&reactor), "unix:/nowhere").unwrap();
        let stream = monitor.events(None).unwrap();
        let poisoner = Arc::clone(&reactor);
        let planted = std::thread::spawn(move || {
            let _guard = poisoner.lock().unwrap();
            panic!("planted");
        });
        planted.join().unwrap_err();
        let internal = |outcome: Result<()>| assert_eq!(outcome.unwrap_err().code(), Code::Internal);
        internal(monitor.connect(Timeout::Millis(100)));
        internal(monitor.run(b"{\"execute\":\"x\"}", &[], Timeout::Millis(100)).map(drop));
        internal(monitor.subscribe(None, Box::new(|_, _, _| {})).map(drop));
        internal(stream.next(Timeout::Millis(100)).map(drop));
        internal(reactor.turn(Timeout::Millis(100)).map(drop));
        internal(reactor.start());
        stream.free();
        monitor.free();
        reactor.release();
    }
}
