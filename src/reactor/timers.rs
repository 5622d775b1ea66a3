//! Deadlines, the earliest first.

use std::collections::BTreeSet;
use std::time::Instant;

/// A set of deadlines, at most one a key. The owner remembers each key's deadline, so that none is looked for.
#[derive(Debug, Default)]
pub struct Timers {
    set: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Replaces the deadline `old` of `key` by `new`.
    pub fn change(&mut self, key: usize, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            self.set.remove(&(at, key));
        }
        if let Some(at) = new {
            self.set.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = *self.set.first()?;
        if first.0 > now {
            return None;
        }
        self.set.remove(&first);
        Some(first.1)
    }
}
