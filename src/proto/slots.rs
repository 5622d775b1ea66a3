//! The requests on the wire, by their wire ids, in the order in which they were put there.
//!
//! Ids are short, because QEMU reads its monitor byte by byte: one digit while fewer than nine requests are open. They go
//! round, so that an id comes back as late as it can: a reply that a broken peer sends twice finds nobody. A request that
//! was given up keeps its id until its late reply comes. Replies come in order, or nearly so: looking from the front
//! finds them at once.

use std::sync::Arc;

use super::outbox::Span;
use super::queue::Queue;
use super::request::Request;

/// With fewer requests than this on the wire an id has one digit.
const FEW: usize = 9;
const ONE_DIGIT: u32 = 10;

/// The requests on the wire.
#[derive(Debug, Default)]
pub struct Slots {
    slots: Line,
    /// The ids of one digit that are taken, a bit each.
    digits: u32,
    next_digit: u32,
    next_long: u32,
    /// How many of them are in-band, those given up included.
    in_band: u32,
    /// How many were given up.
    forgotten: u32,
    /// How many carry an attachment.
    attached: u32,
}

/// One request on the wire.
#[derive(Debug)]
struct Slot {
    id: u32,
    owner: Owner,
    span: Span,
    way: Way,
    forgotten: bool,
}

/// Who waits for a reply, and for what.
#[derive(Debug)]
pub struct Owner {
    /// Who waits for it.
    pub call: u32,
    /// Does the caller want the whole reply, or the value of `return`?
    pub value_only: bool,
    /// What was asked, if the caller's id is in it.
    pub request: Option<Arc<Request>>,
}

/// How a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Before those that came earlier.
    pub out_of_band: bool,
    /// With an attachment.
    pub attached: bool,
}

impl Slots {
    /// An id for the next request, which [`Slots::put`] has to follow.
    pub fn free_id(&mut self) -> u32 {
        if self.slots.len() >= FEW {
            let id = ONE_DIGIT.saturating_add(self.next_long);
            // Long before it comes round, replies in order have freed the ids of the first round.
            self.next_long = self.next_long.wrapping_add(1) % (u32::MAX >> 1);
            return id;
        }
        // Of ten digits one at least is free.
        let free = !self.digits & ((1 << ONE_DIGIT) - 1);
        let ahead = free & (u32::MAX << self.next_digit);
        let id = if ahead == 0 { free.trailing_zeros() } else { ahead.trailing_zeros() };
        self.next_digit = if id.wrapping_add(1) < ONE_DIGIT { id.wrapping_add(1) } else { 0 };
        id
    }

    /// Takes a request in that is on the wire there.
    #[inline(always)]
    pub fn put(&mut self, id: u32, owner: Owner, span: Span, way: Way) {
        self.digits |= digit(id);
        if !way.out_of_band {
            self.in_band = self.in_band.saturating_add(1);
        }
        if way.attached {
            self.attached = self.attached.saturating_add(1);
        }
        self.slots.push_back(Slot { id, owner, span, way, forgotten: false });
    }

    #[inline]
    fn place(&self, id: u64) -> Option<usize> {
        // In order, as a rule.
        match self.slots.front() {
            Some(first) if u64::from(first.id) == id => Some(0),
            _ => self.search(id),
        }
    }

    #[inline(never)]
    fn search(&self, id: u64) -> Option<usize> {
        self.slots.iter().position(|slot| u64::from(slot.id) == id)
    }

    /// Is this the id of a request on the wire?
    pub fn is_used(&self, id: u64) -> bool {
        self.place(id).is_some()
    }

    /// Takes the request with this id out. Gives it back if somebody still waits for it.
    #[inline]
    pub fn release(&mut self, id: u64) -> Option<Owner> {
        let slot = self.slots.remove(self.place(id)?)?;
        self.digits &= !digit(slot.id);
        if !slot.way.out_of_band {
            self.in_band = self.in_band.saturating_sub(1);
        }
        if slot.way.attached {
            self.attached = self.attached.saturating_sub(1);
        }
        if slot.forgotten {
            self.forgotten = self.forgotten.saturating_sub(1);
            return None;
        }
        Some(slot.owner)
    }

    /// The id under which this call waits, and where its command lies.
    pub fn find(&self, call: u32) -> Option<(u64, Span)> {
        let slot = self.slots.iter().find(|slot| !slot.forgotten && slot.owner.call == call)?;
        Some((slot.id.into(), slot.span))
    }

    /// The id and the place of the command that begins there on the wire, and the call that waits for it.
    pub fn find_at(&self, start: u64) -> Option<(u64, Span, u32)> {
        let slot = self.slots.iter().find(|slot| slot.span.start == start)?;
        Some((slot.id.into(), slot.span, slot.owner.call))
    }

    /// Nobody waits for this id's reply any more; the id stays taken until it comes.
    pub fn forget(&mut self, id: u64) {
        let place = self.place(id);
        if let Some(slot) = place.and_then(|at| self.slots.get_mut(at)).filter(|slot| !slot.forgotten) {
            slot.forgotten = true;
            slot.owner.request = None;
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// The command that lay there was taken back: those behind it have moved up.
    pub fn move_up(&mut self, from: Span) {
        for slot in self.slots.iter_mut().rev().take_while(|slot| slot.span.start > from.start) {
            slot.span.start = slot.span.start.saturating_sub(from.len as u64);
        }
    }

    /// The id of the only request on the wire, when there is exactly one.
    pub fn only(&self) -> Option<u64> {
        match self.slots.front() {
            Some(slot) if self.slots.len() == 1 => Some(slot.id.into()),
            _ => None,
        }
    }

    /// The call that waits under this id, if one does.
    pub fn caller(&self, id: u64) -> Option<u32> {
        let slot = self.slots.iter().nth(self.place(id)?)?;
        (!slot.forgotten).then_some(slot.owner.call)
    }

    /// How many requests are on the wire.
    pub fn used(&self) -> usize {
        self.slots.len()
    }

    /// How many of them are in-band.
    pub fn in_band(&self) -> usize {
        self.in_band as usize
    }

    /// Is a request with an attachment among them?
    pub fn any_attached(&self) -> bool {
        self.attached > 0
    }

    /// How many of them were given up.
    pub fn forgotten(&self) -> usize {
        self.forgotten as usize
    }

    /// Empties the table: the calls that were waiting, in the order in which they were put on the wire.
    pub fn drain(&mut self) -> Vec<(u32, Span)> {
        let slots = std::mem::take(self).slots;
        slots.iter().filter(|slot| !slot.forgotten).map(|slot| (slot.owner.call, slot.span)).collect()
    }
}

/// A queue that keeps one element in place: an idle monitor, or one with one request at a time, needs no more.
#[derive(Debug, Default)]
struct Line {
    /// Before the rest.
    first: Option<Slot>,
    rest: Queue<Slot>,
}

impl Line {
    fn push_back(&mut self, slot: Slot) {
        if self.len() == 0 {
            self.first = Some(slot);
        } else {
            self.rest.push_back(slot);
        }
    }

    fn len(&self) -> usize {
        self.rest.len().saturating_add(usize::from(self.first.is_some()))
    }

    fn front(&self) -> Option<&Slot> {
        self.first.as_ref().or_else(|| self.rest.front())
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut Slot> {
        self.iter_mut().nth(at)
    }

    fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.first.iter().chain(self.rest.iter())
    }

    fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Slot> {
        self.first.iter_mut().chain(self.rest.iter_mut())
    }

    fn remove(&mut self, at: usize) -> Option<Slot> {
        match (at, self.first.is_some()) {
            (0, true) => self.first.take(),
            (0, false) => self.rest.pop_front(),
            (_, first) => self.rest.remove(at.wrapping_sub(usize::from(first))),
        }
    }
}

/// The bit of an id of one digit; no bit for a longer one.
fn digit(id: u32) -> u32 {
    if id < ONE_DIGIT { 1 << id } else { 0 }
}
