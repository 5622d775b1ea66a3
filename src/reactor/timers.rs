//! Deadlines, the earliest first.
//!
//! Most come in the order in which they are set, and most are taken back before they are due: a request is answered, the
//! next one has the same timeout. So they stand in a queue, and taking one back costs nothing: what it is for knows its own
//! deadline, and one that does not hold any more is dropped when it comes to the front. Only one that is earlier than the
//! last of the queue goes to a tree.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

/// So many that do not hold may be kept besides as many as hold.
const SLACK: usize = 64;
/// A queue with room for more than this gives it back when it has run empty.
const KEEP: usize = 1024;

/// Deadlines of numbered things. `holds` tells whether a deadline is the one that its thing has now.
#[derive(Debug, Default)]
pub struct Timers {
    /// In order.
    queue: VecDeque<(Instant, usize)>,
    /// Those that came out of order.
    others: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Adds the deadline of a thing. There are `things` things that may have one.
    pub fn add(&mut self, key: usize, at: Instant, things: usize, holds: impl Fn(usize, Instant) -> bool) {
        if self.queue.back().is_some_and(|(last, _)| *last > at) {
            self.others.insert((at, key));
        } else {
            self.queue.push_back((at, key));
        }
        if self.queue.len() + self.others.len() > 2 * things + SLACK {
            self.queue.retain(|(at, key)| holds(*key, *at));
            self.others.retain(|(at, key)| holds(*key, *at));
        }
    }

    /// The earliest deadline.
    #[inline(always)]
    pub fn first(&mut self, holds: impl Fn(usize, Instant) -> bool) -> Option<Instant> {
        if self.queue.is_empty() && self.others.is_empty() { None } else { self.find_first(holds) }
    }

    #[inline(never)]
    fn find_first(&mut self, holds: impl Fn(usize, Instant) -> bool) -> Option<Instant> {
        while self.queue.front().is_some_and(|(at, key)| !holds(*key, *at)) {
            self.queue.pop_front();
        }
        if self.queue.is_empty() && self.queue.capacity() > KEEP {
            self.queue = VecDeque::new();
        }
        while self.others.first().is_some_and(|(at, key)| !holds(*key, *at)) {
            self.others.pop_first();
        }
        match (self.queue.front(), self.others.first()) {
            (Some((a, _)), Some((b, _))) => Some(*a.min(b)),
            (a, b) => a.or(b).map(|(at, _)| *at),
        }
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was. The thing has to lose it, too.
    pub fn pop(&mut self, now: Instant, holds: impl Fn(usize, Instant) -> bool) -> Option<usize> {
        let first = self.first(holds).filter(|at| *at <= now)?;
        let is_queued = self.queue.front().is_some_and(|(at, _)| *at == first);
        let (_, key) = if is_queued { self.queue.pop_front() } else { self.others.pop_first() }?;
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// Against the plain way: a map from keys to deadlines.
    #[test]
    fn it_is_a_set_of_deadlines() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let (mut timers, mut plain) = (Timers::default(), BTreeMap::new());
        let holds = |plain: &BTreeMap<usize, Instant>, key: usize, at: Instant| plain.get(&key) == Some(&at);
        let mut random = 88_172_645_463_325_252_u64;
        for step in 0..20_000u64 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let key = (random % 40) as usize;
            // Mostly in order, often taken back, sometimes early.
            let new = match random >> 60 {
                0..=5 => None,
                6 | 7 => Some(at(step / 2 + (random >> 32) % 50)),
                _ => Some(at(step + 100)),
            };
            match new {
                Some(at) => {
                    plain.insert(key, at);
                    timers.add(key, at, plain.len(), |key, at| holds(&plain, key, at));
                }
                None => drop(plain.remove(&key)),
            }
            if random >> 56 == 0 {
                let now = at(step);
                let mut due: Vec<_> = plain.values().filter(|at| **at <= now).copied().collect();
                due.sort();
                let mut popped = Vec::new();
                while let Some(key) = timers.pop(now, |key, at| holds(&plain, key, at)) {
                    popped.push(plain.remove(&key).unwrap());
                }
                assert_eq!(popped, due);
            }
            assert_eq!(timers.first(|key, at| holds(&plain, key, at)), plain.values().min().copied());
            assert!(timers.queue.len() + timers.others.len() <= 2 * 40 + SLACK);
        }
    }
}
