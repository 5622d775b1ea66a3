//! The requests on the wire, by their wire ids, in the order in which they were put there.
//!
//! Ids are short, because QEMU reads its monitor byte by byte: one digit while fewer than nine requests are open. They go
//! round, so that an id comes back as late as it can: a reply that a broken peer sends twice finds nobody. A request that
//! was given up keeps its id until its late reply comes. Replies come in order, or nearly so: looking from the front
//! finds them at once.

use std::collections::VecDeque;
use std::sync::Arc;

use super::outbox::Span;
use super::request::Request;

/// With fewer requests than this on the wire an id has one digit.
const FEW: usize = 9;
const ONE_DIGIT: u32 = 10;

/// The requests on the wire.
#[derive(Debug, Default)]
pub struct Slots {
    slots: VecDeque<Slot>,
    next_digit: u32,
    next_long: u32,
    /// How many of them are in-band, those given up included.
    in_band: usize,
    /// How many were given up.
    forgotten: usize,
    /// How many carry an attachment.
    attached: usize,
}

/// One request on the wire.
#[derive(Debug)]
pub struct Slot {
    id: u32,
    /// Who waits for it.
    pub call: u32,
    /// What was asked, if the caller's id is in it.
    pub request: Option<Arc<Request>>,
    /// Does the caller want the whole reply, or the value of `return`?
    pub value_only: bool,
    span: Span,
    out_of_band: bool,
    attached: bool,
    forgotten: bool,
}

impl Slots {
    /// Takes a request in, and gives its wire id. Where its command lies is told by [`Slots::set_span`].
    pub fn take(&mut self, call: u32, request: Option<Arc<Request>>, value_only: bool, out_of_band: bool) -> u32 {
        let id = self.free_id();
        let span = Span { start: u64::MAX, len: 0 };
        if !out_of_band {
            self.in_band = self.in_band.saturating_add(1);
        }
        self.slots.push_back(Slot {
            id,
            call,
            request,
            value_only,
            span,
            out_of_band,
            attached: false,
            forgotten: false,
        });
        id
    }

    fn free_id(&mut self) -> u32 {
        if self.slots.len() >= FEW {
            let id = ONE_DIGIT.saturating_add(self.next_long);
            // Long before it comes round, replies in order have freed the ids of the first round.
            self.next_long = self.next_long.wrapping_add(1) % (u32::MAX >> 1);
            return id;
        }
        loop {
            let id = self.next_digit;
            self.next_digit = self.next_digit.wrapping_add(1) % ONE_DIGIT;
            if self.slots.iter().all(|slot| slot.id != id) {
                return id;
            }
        }
    }

    /// Records where the command of the request lies that was taken in last, and whether something goes with it.
    pub fn set_span(&mut self, span: Span, attached: bool) {
        if let Some(slot) = self.slots.back_mut() {
            slot.span = span;
            slot.attached = attached;
            self.attached = self.attached.saturating_add(usize::from(attached));
        }
    }

    fn place(&self, id: u64) -> Option<usize> {
        // In order, as a rule.
        match self.slots.front() {
            Some(first) if u64::from(first.id) == id => Some(0),
            _ => self.slots.iter().position(|slot| u64::from(slot.id) == id),
        }
    }

    /// Is this the id of a request on the wire?
    pub fn is_used(&self, id: u64) -> bool {
        self.place(id).is_some()
    }

    /// Takes the request with this id out. Gives it back if somebody still waits for it.
    pub fn release(&mut self, id: u64) -> Option<Slot> {
        let slot = match self.place(id)? {
            0 => self.slots.pop_front()?,
            place => self.slots.remove(place)?,
        };
        if !slot.out_of_band {
            self.in_band = self.in_band.saturating_sub(1);
        }
        self.attached = self.attached.saturating_sub(usize::from(slot.attached));
        if slot.forgotten {
            self.forgotten = self.forgotten.saturating_sub(1);
            return None;
        }
        Some(slot)
    }

    /// The id under which this call waits, and where its command lies.
    pub fn find(&self, call: u32) -> Option<(u64, Span)> {
        let slot = self.slots.iter().find(|slot| !slot.forgotten && slot.call == call)?;
        Some((slot.id.into(), slot.span))
    }

    /// Nobody waits for this id's reply any more; the id stays taken until it comes.
    pub fn forget(&mut self, id: u64) {
        let place = self.place(id);
        if let Some(slot) = place.and_then(|at| self.slots.get_mut(at)).filter(|slot| !slot.forgotten) {
            slot.forgotten = true;
            slot.request = None;
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// The command that lay there was taken back: those behind it have moved up.
    pub fn move_up(&mut self, from: Span) {
        for slot in self.slots.iter_mut().filter(|slot| slot.span.start > from.start) {
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
        let slot = self.slots.get(self.place(id)?)?;
        (!slot.forgotten).then_some(slot.call)
    }

    /// How many requests are on the wire.
    pub fn used(&self) -> usize {
        self.slots.len()
    }

    /// How many of them are in-band.
    pub fn in_band(&self) -> usize {
        self.in_band
    }

    /// Is a request with an attachment among them?
    pub fn any_attached(&self) -> bool {
        self.attached > 0
    }

    /// How many of them were given up.
    pub fn forgotten(&self) -> usize {
        self.forgotten
    }

    /// Empties the table: the calls that were waiting, in the order in which they were put on the wire.
    pub fn drain(&mut self) -> Vec<(u32, Span)> {
        let slots = std::mem::take(self).slots;
        slots.iter().filter(|slot| !slot.forgotten).map(|slot| (slot.call, slot.span)).collect()
    }
}
