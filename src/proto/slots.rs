//! Wire ids: each request on the wire has a slot, and the slot's index is its id.
//!
//! A request that was given up keeps its slot until its late reply comes, so an index means one request at a time and
//! needs no generation. Indexes are reused lowest-recent first, which keeps ids short: QEMU reads them byte by byte.

use std::sync::Arc;

use super::outbox::Span;
use super::request::Request;

const NONE: u32 = u32::MAX;

/// The requests on the wire.
#[derive(Debug, Default)]
pub struct Slots {
    slots: Vec<Slot>,
    /// Head of the list of free slots, shifted by one so that the default is "none".
    free: u32,
    /// How many in-band requests are on the wire, those given up included.
    in_band: usize,
    /// How many requests of either kind are on the wire.
    used: usize,
    /// How many of these are given up.
    forgotten: usize,
}

/// One request on the wire.
#[derive(Debug)]
pub struct Slot {
    state: State,
    /// Who waits for it.
    pub call: u32,
    /// Where its command lies.
    pub span: Span,
    /// What was asked; the caller's id is in it. `None` for a request of our own, and in a free slot.
    pub request: Option<Arc<Request>>,
    /// Does the caller want the whole reply, or the value of `return`?
    pub value_only: bool,
    out_of_band: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free { next: u32 },
    Open,
    Forgotten,
}

impl Slots {
    /// Takes a free slot; the returned index is the wire id. The span is set later by [`Slots::set_span`].
    pub fn take(&mut self, call: u32, request: Option<Arc<Request>>, value_only: bool, out_of_band: bool) -> u32 {
        let span = Span { start: u64::MAX, len: 0 };
        let slot = Slot { state: State::Open, call, span, request, value_only, out_of_band };
        self.used = self.used.saturating_add(1);
        if !out_of_band {
            self.in_band = self.in_band.saturating_add(1);
        }
        let index = self.free.wrapping_sub(1);
        match self.slots.get_mut(index as usize) {
            Some(old) => {
                if let State::Free { next } = old.state {
                    self.free = next;
                }
                *old = slot;
                index
            }
            None => {
                let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
                self.slots.push(slot);
                index
            }
        }
    }

    /// Records where the command of a slot lies.
    pub fn set_span(&mut self, index: u32, span: Span) {
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.span = span;
        }
    }

    /// Is this the id of a request on the wire?
    pub fn is_used(&self, id: u64) -> bool {
        usize::try_from(id)
            .ok()
            .and_then(|id| self.slots.get(id))
            .is_some_and(|s| !matches!(s.state, State::Free { .. }))
    }

    /// Frees the slot with this id. Gives the request back if somebody still waits for it.
    pub fn release(&mut self, id: u64) -> Option<Slot> {
        let index = u32::try_from(id).ok()?;
        let next = self.free;
        let slot = self.slots.get_mut(index as usize)?;
        if matches!(slot.state, State::Free { .. }) {
            return None;
        }
        let empty = Slot {
            state: State::Free { next },
            call: NONE,
            span: slot.span,
            request: None,
            value_only: false,
            out_of_band: false,
        };
        let old = std::mem::replace(slot, empty);
        self.free = index.saturating_add(1);
        self.used = self.used.saturating_sub(1);
        if !old.out_of_band {
            self.in_band = self.in_band.saturating_sub(1);
        }
        if old.state == State::Forgotten {
            self.forgotten = self.forgotten.saturating_sub(1);
            return None;
        }
        Some(old)
    }

    /// The slot in which this call waits.
    pub fn find(&self, call: u32) -> Option<(u32, Span)> {
        let index = self.slots.iter().position(|s| s.state == State::Open && s.call == call)?;
        Some((u32::try_from(index).ok()?, self.slots.get(index)?.span))
    }

    /// Nobody waits for this slot's reply any more; the slot stays taken until it comes.
    pub fn forget(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize).filter(|s| s.state == State::Open) {
            slot.state = State::Forgotten;
            slot.request = None;
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Commands behind a taken-back one have moved up.
    pub fn move_up(&mut self, from: Span) {
        for slot in self.slots.iter_mut().filter(|s| s.span.start > from.start && s.span.start != u64::MAX) {
            slot.span.start = slot.span.start.saturating_sub(from.len as u64);
        }
    }

    /// The id of the only request on the wire, when there is exactly one.
    pub fn only(&self) -> Option<u64> {
        if self.used != 1 {
            return None;
        }
        self.slots.iter().position(|s| !matches!(s.state, State::Free { .. })).map(|i| i as u64)
    }

    /// The call that waits in the slot with this id, if one does.
    pub fn caller(&self, id: u64) -> Option<u32> {
        let slot = self.slots.get(usize::try_from(id).ok()?)?;
        (slot.state == State::Open).then_some(slot.call)
    }

    /// How many requests are on the wire.
    pub fn used(&self) -> usize {
        self.used
    }

    /// How many of them are in-band.
    pub fn in_band(&self) -> usize {
        self.in_band
    }

    /// How many of them were given up.
    pub fn forgotten(&self) -> usize {
        self.forgotten
    }

    /// Empties the table: the calls that were waiting, in the order in which they were put on the wire.
    pub fn drain(&mut self) -> Vec<(u32, Span)> {
        let slots = std::mem::take(self).slots;
        let mut open: Vec<_> = slots.iter().filter(|s| s.state == State::Open).map(|s| (s.call, s.span)).collect();
        open.sort_by_key(|(_, span)| span.start);
        open
    }
}
