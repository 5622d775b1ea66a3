//! The reactor's core: which drivers there are, what is ready, what is due. It knows no protocol and takes no lock.
//!
//! mio is edge-triggered: what a driver does not drain in its turn it must keep on the ready list ([`Io::again`]), or
//! the link goes silent with work left.

mod eagerness;
pub mod lead;
pub mod timers;

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

use mio::event::{Event, Source};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::proto::greeting::Greeting;
use lead::Lead;
use timers::Timers;

/// The token of the waker that ends a wait.
pub const WAKER: Token = Token(usize::MAX);
/// The token of the timer that shows deadlines to a foreign event loop.
pub const TIMER: Token = Token(usize::MAX - 1);

/// One state machine with descriptors of its own. `S` is where it puts what it has to tell.
pub trait Driver<S> {
    /// Some source of this driver may be ready (it may also be a false alarm).
    fn ready(&mut self, ready: Ready, io: &mut Io, sink: &mut S);
    /// The driver asked to be called again (see [`Io::again`]).
    fn resume(&mut self, io: &mut Io, sink: &mut S);
    /// The deadline that this driver set is due.
    fn expired(&mut self, now: Instant, io: &mut Io, sink: &mut S);
    /// Write what has been put aside (see [`Io::flush_later`]).
    fn flush(&mut self, io: &mut Io, sink: &mut S);
}

/// What happened to a driver's source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// Which of the driver's sources it was: the number that it was registered with.
    pub source: usize,
    /// There is something to read, or the end of the stream.
    pub readable: bool,
    /// There is room to write, or a connection attempt has ended.
    pub writable: bool,
    /// The other side will send no more, or something failed: read until it shows.
    pub closed: bool,
}

impl Ready {
    fn of(source: usize, event: &Event) -> Ready {
        let closed = event.is_read_closed() || event.is_write_closed() || event.is_error();
        Ready { source, readable: event.is_readable() || closed, writable: event.is_writable(), closed }
    }
}

/// What a driver may use while it runs.
pub struct Io {
    registry: Registry,
    /// One read buffer for all drivers: an idle link owns none.
    pub scratch: Vec<u8>,
    /// An empty buffer for what is to be written, unless somebody has it.
    pub spare: Vec<u8>,
    /// The last greeting, for drivers that are greeted: most machines of a host use the same words. It is not read here.
    pub greeting: Option<Arc<Greeting>>,
    /// The running driver's token, without a source.
    token: usize,
    wishes: Wishes,
}

/// What a driver asked of the reactor while it ran.
#[derive(Default)]
struct Wishes {
    again: bool,
    finished: bool,
    flush: bool,
    expecting: bool,
    deadline: Option<Option<Instant>>,
}

impl Io {
    /// Registers a descriptor of the running driver as its source of this number, which is below [`SOURCES`].
    pub fn register(&self, fd: RawFd, source: usize, interest: Interest) -> io::Result<()> {
        SourceFd(&fd).register(&self.registry, self.token_of(source), interest)
    }

    /// Changes what a registered descriptor is watched for; what is ready already shows again.
    pub fn reregister(&self, fd: RawFd, source: usize, interest: Interest) -> io::Result<()> {
        SourceFd(&fd).reregister(&self.registry, self.token_of(source), interest)
    }

    /// Stops watching a registered descriptor.
    pub fn deregister(&self, fd: RawFd) -> io::Result<()> {
        SourceFd(&fd).deregister(&self.registry)
    }

    fn token_of(&self, source: usize) -> Token {
        Token(self.token | (source & (SOURCES - 1)) << INDEX_BITS)
    }

    /// The driver left something undone: call it again in the next round, without waiting.
    pub fn again(&mut self) {
        self.wishes.again = true;
    }

    /// The driver is done for good and is to be dropped.
    pub fn finish(&mut self) {
        self.wishes.finished = true;
    }

    /// The driver wants its `flush` called when the callbacks of this turn have run, or before the next wait.
    pub fn flush_later(&mut self) {
        self.wishes.flush = true;
    }

    /// The driver holds something back until it hears from the other side, which should be at once.
    pub fn expect(&mut self) {
        self.wishes.expecting = true;
    }

    /// When to call the driver's `expired`; replaces what was set before.
    pub fn set_deadline(&mut self, at: Option<Instant>) {
        self.wishes.deadline = Some(at);
    }
}

/// All drivers of a reactor.
pub struct Core<D> {
    entries: Slab<Entry<D>>,
    io: Io,
    timers: Timers,
    again: VecDeque<usize>,
    /// The last wait brought as much as it could: there may be more.
    crowded: bool,
    flush: Vec<usize>,
    expecting: bool,
    generation: usize,
}

struct Entry<D> {
    driver: D,
    /// Tells this driver from an earlier one in the same place, of which an event may still be under way.
    generation: u32,
    /// When its `expired` is to be called.
    deadline: Option<Instant>,
    on_again: bool,
    on_flush: bool,
}

/// How many sources a driver may have.
pub const SOURCES: usize = 1 << SOURCE_BITS;

/// A token is a driver's place in its lower half; above that the number of the source, then the generation, of which ten
/// bits are left where a word has 32.
const INDEX_BITS: u32 = usize::BITS / 2;
const SOURCE_BITS: u32 = 5;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = INDEX_MASK >> SOURCE_BITS;

impl<D> Core<D> {
    /// No drivers yet.
    pub fn new(lead: &Lead) -> io::Result<Self> {
        let registry = lead.registry()?;
        let (scratch, spare, wishes) = (Vec::new(), Vec::new(), Wishes::default());
        let io = Io { registry, scratch, spare, greeting: None, token: 0, wishes };
        Ok(Core {
            entries: Slab::new(),
            io,
            timers: Timers::default(),
            again: VecDeque::new(),
            crowded: false,
            flush: Vec::new(),
            expecting: false,
            generation: 0,
        })
    }

    /// Where sources that belong to no driver are registered.
    pub fn registry(&self) -> &Registry {
        &self.io.registry
    }

    /// Takes a driver in and lets it start by `with`.
    pub fn insert(&mut self, driver: D) -> usize {
        self.generation = self.generation.wrapping_add(1) & (GENERATION_MASK >> 1);
        let generation = self.generation as u32;
        self.entries.insert(Entry { driver, generation, deadline: None, on_again: false, on_flush: false })
    }

    /// Takes a driver out.
    pub fn remove(&mut self, key: usize) -> Option<D> {
        let entry = self.entries.try_remove(key)?;
        self.timers.change(key, entry.deadline, None);
        Some(entry.driver)
    }

    /// How many drivers there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A look at a driver.
    pub fn get(&self, key: usize) -> Option<&D> {
        self.entries.get(key).map(|entry| &entry.driver)
    }

    /// Lets a driver work, and grants its wishes.
    #[inline]
    pub fn with<R>(&mut self, key: usize, work: impl FnOnce(&mut D, &mut Io) -> R) -> Option<R> {
        self.with_of(key, None, work)
    }

    /// The same, if the driver in this place is still of this generation.
    #[inline(always)]
    fn with_of<R>(
        &mut self,
        key: usize,
        generation: Option<usize>,
        work: impl FnOnce(&mut D, &mut Io) -> R,
    ) -> Option<R> {
        let entry = self.entries.get_mut(key)?;
        if generation.is_some_and(|generation| generation != entry.generation as usize) {
            return None;
        }
        self.io.token = (entry.generation as usize) << (INDEX_BITS + SOURCE_BITS) | key;
        let result = work(&mut entry.driver, &mut self.io);
        let wishes = std::mem::take(&mut self.io.wishes);
        if wishes.finished {
            self.remove(key);
            return Some(result);
        }
        if wishes.again && !std::mem::replace(&mut entry.on_again, true) {
            self.again.push_back(key);
        }
        if wishes.flush && !std::mem::replace(&mut entry.on_flush, true) {
            self.flush.push(key);
        }
        self.expecting |= wishes.expecting;
        if let Some(deadline) = wishes.deadline.filter(|deadline| *deadline != entry.deadline) {
            self.timers.change(key, entry.deadline, deadline);
            entry.deadline = deadline;
        }
        Some(result)
    }

    /// One round: everything that the last wait brought, then whoever was not done last time.
    pub fn round<S>(&mut self, lead: &mut Lead, sink: &mut S)
    where
        D: Driver<S>,
    {
        // Those that ask to go on while this round runs have their turn in the next.
        let unfinished = self.again.len();
        let mut events = 0;
        for event in lead.events() {
            events += 1;
            let Token(token) = event.token();
            let (key, source) = (token & INDEX_MASK, token >> INDEX_BITS & (SOURCES - 1));
            let generation = token >> (INDEX_BITS + SOURCE_BITS);
            self.with_of(key, Some(generation), |driver, io| driver.ready(Ready::of(source, event), io, sink));
        }
        self.crowded = events == lead.events().capacity();
        lead.clear();
        for _ in 0..unfinished {
            let Some(key) = self.again.pop_front() else { break };
            if let Some(entry) = self.entries.get_mut(key) {
                entry.on_again = false;
                self.with(key, |driver, io| driver.resume(io, sink));
            }
        }
    }

    /// Calls every driver whose deadline is not after `now`.
    pub fn expire<S>(&mut self, now: Instant, sink: &mut S)
    where
        D: Driver<S>,
    {
        while let Some(key) = self.timers.pop(now) {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.deadline = None;
            }
            self.with(key, |driver, io| driver.expired(now, io, sink));
        }
    }

    /// Lets every driver write that had put it aside.
    #[inline(always)]
    pub fn flush<S>(&mut self, sink: &mut S)
    where
        D: Driver<S>,
    {
        if !self.flush.is_empty() {
            self.flush_all(sink);
        }
    }

    #[inline(never)]
    fn flush_all<S>(&mut self, sink: &mut S)
    where
        D: Driver<S>,
    {
        while let Some(key) = self.flush.pop() {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.on_flush = false;
                self.with(key, |driver, io| driver.flush(io, sink));
            }
        }
    }

    /// Is some driver not done, so that the next wait must not sleep?
    pub fn has_unfinished(&self) -> bool {
        !self.again.is_empty()
    }

    /// May something that has arrived be unread, after the last round?
    pub fn may_have_more(&self) -> bool {
        self.crowded || self.has_unfinished()
    }

    /// Has a driver asked to be heard at once, since the last time?
    pub fn take_expecting(&mut self) -> bool {
        std::mem::take(&mut self.expecting)
    }

    /// The earliest deadline of a driver.
    pub fn first_deadline(&self) -> Option<Instant> {
        self.timers.first()
    }
}
