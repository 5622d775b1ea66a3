//! Deadlines, the earliest first.
//!
//! Most come in the order in which they are set, and most are taken back before they are due: a request is answered, the
//! next one has the same timeout. So they stand in a queue, and one that is taken back is left there until it comes to
//! the front. Only one that is earlier than the last of the queue goes to a tree.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

/// So many that were taken back may stand in the queue besides as many as hold.
const SLACK: usize = 64;

/// A set of deadlines, at most one a key. Keys are small numbers.
#[derive(Debug, Default)]
pub struct Timers {
    /// What holds now, by key.
    current: Vec<Option<Instant>>,
    /// How many hold.
    live: usize,
    /// In order; what is not (any more) in `current` was taken back.
    queue: VecDeque<(Instant, usize)>,
    /// Those that came out of order.
    others: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Sets the deadline of `key`, or takes it back.
    pub fn set(&mut self, key: usize, new: Option<Instant>) {
        if self.current.len() <= key {
            if new.is_none() {
                return;
            }
            self.current.resize(key + 1, None);
        }
        let old = std::mem::replace(&mut self.current[key], new);
        if old == new {
            return;
        }
        if let Some(at) = old {
            self.live -= 1;
            if !self.others.is_empty() {
                self.others.remove(&(at, key));
            }
        }
        if let Some(at) = new {
            self.live += 1;
            if self.queue.back().is_none_or(|(last, _)| *last <= at) {
                self.queue.push_back((at, key));
            } else {
                self.others.insert((at, key));
            }
        }
        self.clean();
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<Instant> {
        let (queued, other) = (self.queue.front(), self.others.first());
        match (queued, other) {
            (Some((a, _)), Some((b, _))) => Some(*a.min(b)),
            (a, b) => a.or(b).map(|(at, _)| *at),
        }
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = self.first().filter(|at| *at <= now)?;
        let queued = self.queue.front().filter(|(at, _)| *at == first);
        let key = queued.or_else(|| self.others.first()).map(|(_, key)| *key)?;
        self.set(key, None);
        Some(key)
    }

    /// What stands at the front of the queue holds; and it is not much longer than it needs to be.
    fn clean(&mut self) {
        let holds = |current: &[Option<Instant>], (at, key): &(Instant, usize)| current[*key] == Some(*at);
        while self.queue.front().is_some_and(|front| !holds(&self.current, front)) {
            self.queue.pop_front();
        }
        if self.queue.len() > 2 * self.live + SLACK {
            let current = &self.current;
            self.queue.retain(|entry| holds(current, entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Against the plain way: a map from keys to deadlines.
    #[test]
    fn it_is_a_set_of_deadlines() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let (mut timers, mut plain) = (Timers::default(), std::collections::BTreeMap::new());
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
            timers.set(key, new);
            match new {
                Some(at) => drop(plain.insert(key, at)),
                None => drop(plain.remove(&key)),
            }
            if random >> 56 == 0 {
                let now = at(step);
                let mut due: Vec<_> = plain.iter().filter(|(_, at)| **at <= now).map(|(key, at)| (*at, *key)).collect();
                due.sort();
                let mut popped = Vec::new();
                while let Some(key) = timers.pop(now) {
                    popped.push((plain.remove(&key).unwrap(), key));
                }
                let times = |list: &[(Instant, usize)]| list.iter().map(|(at, _)| *at).collect::<Vec<_>>();
                assert_eq!(times(&popped), times(&due));
            }
            assert_eq!(timers.first(), plain.values().min().copied());
            assert!(timers.queue.len() <= 2 * timers.live + SLACK);
        }
    }
}
