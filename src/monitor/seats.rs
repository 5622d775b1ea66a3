//! Where blocked threads sit: one condition variable each, so that only the one that is meant wakes up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};

/// The threads that sleep without the lead.
#[derive(Debug, Default)]
pub struct Seats {
    seats: Vec<Arc<Condvar>>,
    free: Vec<usize>,
    /// Those that would take the lead, the longest waiting first.
    queue: VecDeque<usize>,
    called: Option<Called>,
}

/// The threads that are to be woken: dropping this wakes them.
#[derive(Debug)]
pub struct Called {
    first: Arc<Condvar>,
    /// There is one, as a rule.
    others: Vec<Arc<Condvar>>,
}

impl Seats {
    /// A seat for the calling thread.
    pub fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.seats.push(Arc::new(Condvar::new()));
            self.seats.len() - 1
        })
    }

    /// Gives a seat back.
    pub fn give_back(&mut self, seat: usize) {
        self.queue.retain(|queued| *queued != seat);
        self.free.push(seat);
    }

    /// What the thread in this seat sleeps on.
    pub fn condvar(&self, seat: usize) -> Arc<Condvar> {
        self.seats.get(seat).map(Arc::clone).unwrap_or_default()
    }

    /// Puts a seat at the end of the queue for the lead, if it is not in it.
    pub fn queue_for_lead(&mut self, seat: usize) {
        if !self.queue.contains(&seat) {
            self.queue.push_back(seat);
        }
    }

    /// The lead is free: wakes the one who has waited longest for it.
    pub fn pass_lead(&mut self) {
        if let Some(seat) = self.queue.pop_front() {
            self.notify(seat);
        }
    }

    /// Wakes the thread in this seat, when the lock is let go.
    pub fn notify(&mut self, seat: usize) {
        let Some(condvar) = self.seats.get(seat).map(Arc::clone) else { return };
        match &mut self.called {
            None => self.called = Some(Called { first: condvar, others: Vec::new() }),
            // Each event of a burst calls those who wait for one.
            Some(called) if Arc::ptr_eq(called.others.last().unwrap_or(&called.first), &condvar) => {}
            Some(called) => called.others.push(condvar),
        }
    }

    /// Who is to be woken.
    pub fn take_called(&mut self) -> Option<Called> {
        self.called.take()
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        self.first.notify_one();
        self.others.iter().for_each(|condvar| condvar.notify_one());
    }
}
