//! Where everything that drivers tell is sorted: answers to those who wait, events to subscriptions and streams,
//! callbacks into the queue. No callback runs here, and no handler is dropped here: both belong to the application.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use slab::Slab;

use super::alarm::Alarm;
use super::call::Call;
use super::job::Job;
use super::login::CredentialsHandler;
use super::options::Chosen;
use super::seats::Seats;
use super::{EventHandler, Monitor, State};
use crate::driver::{Reply, Sink};
use crate::error::{Code, Error, Result};
use crate::events::own;
use crate::events::queue::{Filter, Load, Loss, Stream};
use crate::sys::texts::Texts;

/// What has run leaves room for at most this many callbacks.
const MANY_JOBS: usize = 1 << 15;

/// All monitors of a reactor and all that waits.
#[derive(Default)]
pub struct Hub {
    /// The monitors, by port.
    pub mons: Slab<Mon>,
    /// Everything that waits for an answer.
    pub calls: Slab<Call>,
    /// For the deadlines of those calls that no thread waits for.
    pub(super) alarm: Alarm,
    /// The streams of all monitors.
    pub streams: Slab<Stream>,
    /// The blocked threads.
    pub seats: Seats,
    /// The callbacks that wait, in the order of their causes.
    pub queue: VecDeque<Job>,
    /// Those of the turn that is running.
    pub batch: VecDeque<Job>,
    /// An empty buffer for the answers that are run in one go.
    pub answers: VecDeque<Job>,
    /// The texts of what is in `queue`.
    pub texts: Texts,
    /// The texts of what is in `batch`, while none of its callbacks runs.
    pub batch_texts: Texts,
    /// How long the leader polls before it sleeps: the longest that a monitor asks for.
    pub busy_poll: Duration,
    /// Something happened for a thread that may be asleep as the leader.
    pub disturb: bool,
}

/// What the reactor knows of a monitor.
pub struct Mon {
    /// Never used twice: tells a monitor from an earlier one in the same place.
    pub serial: u64,
    /// The handle, for callbacks and for messages.
    pub handle: Weak<Monitor>,
    /// Keeps the handle of a monitor that was freed in a callback until the rest has run.
    pub keep: Option<Arc<Monitor>>,
    /// Freed by the application: nothing new begins.
    pub freed: bool,
    /// How far the monitor is.
    pub state: State,
    /// What is set.
    pub options: Chosen,
    /// The link, while there is one.
    pub link: Option<usize>,
    /// The call that waits for the link.
    pub connecting: Option<u32>,
    /// The subscriptions.
    pub subs: Vec<Sub>,
    /// What few monitors have, behind one word.
    pub extras: Option<Box<Extras>>,
}

/// What few monitors have.
#[derive(Default)]
pub struct Extras {
    /// The duplicate of a descriptor that is the target, or was handed over by an option, until it is used.
    pub adopted: Option<OwnedFd>,
    /// Asked for credentials at each connect.
    pub credentials: Option<CredentialsHandler>,
    /// How many threads are asking it now.
    pub asking: usize,
    /// The streams.
    pub streams: Vec<usize>,
}

/// A subscription.
pub struct Sub {
    /// Its id.
    pub id: u64,
    filter: Filter,
    /// `None` while the callback runs.
    pub handler: Option<EventHandler>,
    load: Load,
    /// What was lost, one entry a [`Job::Lost`] in the queue.
    losses: VecDeque<Loss>,
    /// The last thing queued for this subscription is a loss.
    losing: bool,
}

impl Mon {
    /// What few monitors have; made when it is needed.
    pub fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// The streams.
    #[inline]
    pub fn streams(&self) -> &[usize] {
        self.extras.as_ref().map_or(&[], |extras| &extras.streams)
    }

    /// The link, if it is ready for commands.
    pub fn connected(&self) -> Result<usize> {
        let why = match self.state {
            State::Connected => "the monitor has lost its link",
            State::Connecting => "the monitor is not connected yet",
            State::New => "the monitor was never connected",
            State::Disconnected => "the monitor is not connected",
        };
        let link = self.link.filter(|_| self.state == State::Connected);
        link.ok_or_else(|| Error::new(Code::Disconnected, why))
    }
}

impl Sub {
    /// A subscription to events that pass the filter.
    pub fn new(id: u64, filter: Filter, handler: EventHandler) -> Self {
        let losses = VecDeque::new();
        Sub { id, filter, handler: Some(handler), load: Load::default(), losses, losing: false }
    }

    /// These events leave the queue.
    pub fn leave(&mut self, events: usize, bytes: usize) {
        self.load.leave(events, bytes);
    }

    /// They are in the queue again.
    pub fn enter(&mut self, events: usize, bytes: usize) {
        self.load.enter(events, bytes);
    }

    /// A loss leaves the queue.
    pub fn take_loss(&mut self) -> Loss {
        if self.losses.len() == 1 {
            self.losing = false;
        }
        self.losses.pop_front().unwrap_or(Loss::new(None))
    }

    /// Notes a loss. Tells whether a new [`Job::Lost`] is needed for it.
    fn lose(&mut self, loss: Loss) -> bool {
        if let Some(last) = self.losses.back_mut().filter(|_| self.losing) {
            last.add(loss);
            return false;
        }
        self.losses.push_back(loss);
        self.losing = true;
        true
    }
}

impl Hub {
    /// The monitor of a handle, unless it was freed.
    pub fn mon(&mut self, handle: &Monitor) -> Result<&mut Mon> {
        self.mons
            .get_mut(handle.key())
            .filter(|mon| mon.serial == handle.serial() && !mon.freed)
            .ok_or_else(|| Error::new(Code::Canceled, "the monitor was freed"))
    }

    /// A monitor's option has changed, or it is gone.
    pub fn refresh_busy_poll(&mut self) {
        let longest = self.mons.iter().map(|(_, mon)| mon.options.busy_poll).max();
        self.busy_poll = Duration::from_micros(longest.unwrap_or(0).into());
    }

    /// Takes a monitor out of the books.
    pub fn remove(&mut self, port: usize) -> Option<Mon> {
        let gone = self.mons.try_remove(port);
        if gone.as_ref().is_some_and(|mon| mon.options.busy_poll > 0) {
            self.refresh_busy_poll();
        }
        gone
    }

    /// Tells an event of our own to everybody who subscribed.
    fn tell(&mut self, port: usize, name: &str, json: impl FnOnce() -> Vec<u8>) {
        if self.mons.get(port).is_some_and(|mon| !mon.subs.is_empty() || !mon.streams().is_empty()) {
            self.spread_own(port, name, &json());
        }
    }

    #[inline(never)]
    fn spread_own(&mut self, port: usize, name: &str, json: &[u8]) {
        self.spread(port, name.as_bytes(), json, true);
    }

    /// Puts an event where it is wanted. `own`: it is one of ours, which is always wanted and always has room.
    #[inline(always)]
    fn spread(&mut self, port: usize, name: &[u8], json: &[u8], own: bool) {
        let Some(mon) = self.mons.get_mut(port).filter(|mon| !mon.freed) else { return };
        let bounds = mon.options.bounds;
        let counts = !own;
        let mut place = None;
        for sub in mon.subs.iter_mut().filter(|sub| own || sub.filter.passes(name)) {
            if counts && !sub.load.admit(json.len(), bounds) {
                if sub.lose(Loss::new(Some(1))) {
                    self.queue.push_back(Job::Lost { mon: port, sub: sub.id });
                }
                continue;
            }
            sub.losing = false;
            // All subscriptions find the one text.
            let Some(at) = place.or_else(|| self.texts.push(name, [json], usize::MAX)) else { continue };
            place = Some(at);
            let behind = self.texts.end();
            match self.queue.back_mut() {
                Some(Job::Events { mon, sub: other, counts: same, end, count, .. })
                    if *end == at && *other == sub.id && *mon == port && *same == counts =>
                {
                    *end = behind;
                    *count += 1;
                }
                _ => self.queue.push_back(Job::Events { mon: port, sub: sub.id, counts, at, end: behind, count: 1 }),
            }
        }
        for &key in mon.streams() {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            if stream.push(name, json, own, bounds) {
                show(stream, mon.state);
                stream.seats.iter().for_each(|seat| self.seats.notify(*seat));
                self.disturb = true;
            }
        }
    }

    /// Makes the descriptors of a monitor's streams agree with what their next `next` would do.
    pub fn refresh_streams(&mut self, port: usize) {
        let Some(mon) = self.mons.get(port) else { return };
        for &key in mon.streams() {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            show(stream, mon.state);
            for &seat in &stream.seats {
                self.seats.notify(seat);
            }
        }
        self.disturb = true;
    }

    /// Makes one stream's descriptor agree with what its next `next` would do.
    pub fn refresh_stream(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let state = self.mons.get(stream.monitor).map_or(State::Disconnected, |mon| mon.state);
        show(stream, state);
    }

    /// Moves what is queued into the batch that is about to run.
    pub fn begin_batch(&mut self) {
        std::mem::swap(&mut self.queue, &mut self.batch);
        self.batch_texts = std::mem::take(&mut self.texts);
    }

    /// The batch has run: its buffers are used again, unless a burst has made them very large.
    pub fn end_batch(&mut self) {
        self.texts.reuse(std::mem::take(&mut self.batch_texts));
        for jobs in [&mut self.batch, &mut self.answers] {
            if jobs.capacity() > MANY_JOBS {
                jobs.shrink_to(MANY_JOBS);
            }
        }
    }

    /// A callback has panicked: the rest of the batch stands in front of the queue again.
    pub fn abandon_batch(&mut self) {
        let texts = std::mem::take(&mut self.batch_texts);
        while let Some(mut job) = self.batch.pop_back() {
            job.take_out(&texts);
            if let Job::Events { at, end, count, .. } = &mut job {
                let mut next = std::mem::replace(at, self.texts.end());
                for _ in 0..*count {
                    let Some(event) = texts.get(next) else { break };
                    self.texts.push(event.name.as_bytes(), [event.json.as_bytes()], usize::MAX);
                    next = event.next;
                }
                *end = self.texts.end();
            }
            self.queue.push_front(job);
        }
    }

    /// Takes the answers at the front of the batch that belong to one monitor, at most `most`, and tells which it is.
    pub fn take_answers(&mut self, most: usize) -> (usize, VecDeque<Job>) {
        let mut answers = std::mem::take(&mut self.answers);
        let port = self.batch.front().map_or(usize::MAX, Job::mon);
        let count = self.batch.iter().take(most).take_while(|job| job.mon() == port && job.is_answer()).count();
        if count == self.batch.len() {
            std::mem::swap(&mut answers, &mut self.batch);
        } else {
            answers.extend(self.batch.drain(..count));
        }
        (port, answers)
    }

    /// Puts back the answers that did not run.
    pub fn put_back(&mut self, mut answers: VecDeque<Job>) {
        while let Some(job) = answers.pop_back() {
            self.batch.push_front(job);
        }
        self.answers = answers;
    }

    /// Takes out what is queued for a monitor, while no callback runs. Its events are dropped; the callbacks that must come
    /// are returned.
    pub fn take_jobs(&mut self, port: usize) -> Vec<Job> {
        let mut taken = Vec::new();
        for (queue, texts) in [(&mut self.batch, &self.batch_texts), (&mut self.queue, &self.texts)] {
            if queue.iter().any(|job| job.mon() == port) {
                let (mut own, rest): (Vec<_>, Vec<_>) = queue.drain(..).partition(|job| job.mon() == port);
                own.iter_mut().for_each(|job| job.take_out(texts));
                taken.extend(own);
                queue.extend(rest);
            }
        }
        if self.queue.is_empty() {
            self.texts.clear();
        }
        taken.retain(Job::is_answer);
        taken
    }

    /// Are there callbacks of a monitor that must come?
    pub fn has_jobs(&self, port: usize) -> bool {
        let must = |job: &Job| job.mon() == port && job.is_answer();
        self.batch.iter().chain(&self.queue).any(must)
    }

    /// The next monitor that was freed in a callback, and of which something is left.
    pub fn next_farewell(&self) -> Option<usize> {
        self.queue.iter().find(|job| matches!(job, Job::Farewell { .. })).map(Job::mon)
    }

    /// Drops what is queued for one subscription.
    pub fn drop_events(&mut self, port: usize, id: u64) {
        let keep = |job: &Job| !matches!(job, Job::Events { mon, sub, .. } | Job::Lost { mon, sub } if (*mon, *sub) == (port, id));
        self.batch.retain(keep);
        self.queue.retain(keep);
        if self.queue.is_empty() {
            self.texts.clear();
        }
    }
}

impl Sink for Hub {
    fn connected(&mut self, port: usize) {
        let Some(mon) = self.mons.get_mut(port) else { return };
        mon.state = State::Connected;
        let call = mon.connecting.take();
        self.tell(port, own::CONNECTED, || own::json(own::CONNECTED, None));
        if let Some(call) = call {
            self.settle(call, Ok(None));
        }
        self.refresh_streams(port);
    }

    fn answered(&mut self, call: u32, outcome: Result<Reply<'_>>) {
        self.settle(call, outcome.map(Some));
    }

    fn event(&mut self, port: usize, name: &[u8], json: &[u8]) {
        if own::is_reserved(name) {
            // Nobody is told by a peer what only we can know.
            return self.events_lost(port, Some(1));
        }
        self.spread(port, name, json, false);
    }

    fn events_lost(&mut self, port: usize, count: Option<u64>) {
        let Some(mon) = self.mons.get_mut(port).filter(|mon| !mon.freed) else { return };
        for sub in &mut mon.subs {
            if sub.lose(Loss::new(count)) {
                self.queue.push_back(Job::Lost { mon: port, sub: sub.id });
            }
        }
        for &key in mon.streams() {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.lose(Loss::new(count));
            }
        }
        self.refresh_streams(port);
    }

    fn domain(&mut self, port: usize, started: bool, reason: &str) {
        let name = if started { own::DOMAIN_STARTED } else { own::DOMAIN_STOPPED };
        self.tell(port, name, || own::with_reason(name, reason));
    }

    fn closed(&mut self, port: usize, why: Error) {
        let Some(mon) = self.mons.get_mut(port) else { return };
        let was = std::mem::replace(&mut mon.state, State::Disconnected);
        mon.link = None;
        let call = mon.connecting.take();
        if was == State::Connected {
            self.tell(port, own::DISCONNECTED, || own::with_reason(own::DISCONNECTED, &why.detail().text));
        }
        if let Some(call) = call {
            self.settle(call, Err(why));
        }
        self.refresh_streams(port);
    }
}

fn show(stream: &mut Stream, state: State) {
    let ends = stream.closed || matches!(state, State::New | State::Disconnected);
    let readable = !stream.is_empty() || ends;
    if let Some(fd) = &mut stream.fd {
        fd.set(readable);
    }
}

/// The target of a monitor, for messages.
pub fn target_of(mons: &Slab<Mon>, port: usize) -> String {
    let handle = mons.get(port).and_then(|mon| mon.handle.upgrade());
    handle.map(|handle| handle.target().to_string_lossy().into_owned()).unwrap_or_default()
}
