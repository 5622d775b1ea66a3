//! Deadlines, the earliest first.
//!
//! Most come in the order in which they are set, and most are taken back before they are due: a request is answered, the
//! next one has the same timeout. So they stand in a queue, and one that is taken back is left there until somebody asks
//! what comes first. Only one that is earlier than the last of the queue goes to a tree.

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
        if let Some(old) = self.current.get_mut(key).and_then(Option::take) {
            self.live -= 1;
            if !self.others.is_empty() {
                self.others.remove(&(old, key));
            }
        }
        if let Some(at) = new {
            self.add(key, at);
        }
    }

    fn add(&mut self, key: usize, at: Instant) {
        if self.current.len() <= key {
            self.current.resize(key + 1, None);
        }
        self.current[key] = Some(at);
        self.live += 1;
        if self.queue.back().is_some_and(|(last, _)| *last > at) {
            self.others.insert((at, key));
            return;
        }
        self.queue.push_back((at, key));
        if self.queue.len() > 2 * self.live + SLACK {
            let current = &self.current;
            self.queue.retain(|(at, key)| current[*key] == Some(*at));
        }
    }

    /// The earliest deadline.
    #[inline]
    pub fn first(&mut self) -> Option<Instant> {
        if self.live == 0 { None } else { self.find_first() }
    }

    fn find_first(&mut self) -> Option<Instant> {
        while self.queue.front().is_some_and(|(at, key)| self.current[*key] != Some(*at)) {
            self.queue.pop_front();
        }
        let queued = self.queue.front().map(|(at, _)| *at);
        let other = self.others.first().map(|(at, _)| *at);
        match (queued, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = self.first().filter(|at| *at <= now)?;
        let queued = self.queue.front().filter(|(at, _)| *at == first).map(|(_, key)| *key);
        let key = queued.or_else(|| self.others.first().map(|(_, key)| *key))?;
        self.set(key, None);
        Some(key)
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
            // Taking back leaves some standing, until the next one is set.
            assert!(timers.queue.len() <= 2 * (timers.live + 40) + SLACK);
        }
    }
}
