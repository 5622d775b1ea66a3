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
    current: Vec<Option<Timer>>,
    /// How many hold.
    live: usize,
    /// In order; what is not (any more) in `current` was taken back.
    queue: VecDeque<(usize, Timer)>,
    /// Tells a timer from an earlier one of the same key.
    stamp: u64,
    /// Those that came out of order.
    others: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Sets the deadline of `key`, or takes it back.
    pub fn set(&mut self, key: usize, new: Option<Instant>) {
        if let Some(old) = self.current.get_mut(key).and_then(Option::take) {
            self.live -= 1;
            if self.queue.front().is_some_and(|(_, first)| first.stamp == old.stamp) {
                self.queue.pop_front();
                self.clean();
            } else if !self.others.is_empty() {
                self.others.remove(&(old.at, key));
            }
        }
        if let Some(at) = new {
            self.add(key, at);
        }
    }

    fn add(&mut self, key: usize, at: Instant) {
        self.stamp += 1;
        let timer = Timer { at, stamp: self.stamp };
        if self.current.len() <= key {
            self.current.resize(key + 1, None);
        }
        self.current[key] = Some(timer);
        self.live += 1;
        if self.queue.back().is_some_and(|(_, last)| last.at > at) {
            self.others.insert((at, key));
            return;
        }
        self.queue.push_back((key, timer));
        if self.queue.len() > 2 * self.live + SLACK {
            let current = &self.current;
            self.queue.retain(|(key, timer)| timer.holds(*key, current));
        }
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<Instant> {
        let (queued, other) = (self.queue.front(), self.others.first());
        match (queued, other) {
            (Some((_, a)), Some((b, _))) => Some(a.at.min(*b)),
            (a, b) => a.map(|(_, timer)| timer.at).or(b.map(|(at, _)| *at)),
        }
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = self.first().filter(|at| *at <= now)?;
        let queued = self.queue.front().filter(|(_, timer)| timer.at == first).map(|(key, _)| *key);
        let key = queued.or_else(|| self.others.first().map(|(_, key)| *key))?;
        self.set(key, None);
        Some(key)
    }

    /// Makes sure that what stands at the front of the queue holds.
    fn clean(&mut self) {
        while self.queue.front().is_some_and(|(key, timer)| !timer.holds(*key, &self.current)) {
            self.queue.pop_front();
        }
    }
}

/// A deadline that was set.
#[derive(Clone, Copy, Debug)]
struct Timer {
    at: Instant,
    stamp: u64,
}

impl Timer {
    /// Is it what holds for this key?
    fn holds(&self, key: usize, current: &[Option<Timer>]) -> bool {
        current.get(key).and_then(Option::as_ref).is_some_and(|now| now.stamp == self.stamp)
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
