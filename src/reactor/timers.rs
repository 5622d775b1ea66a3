//! Deadlines of drivers, the earliest first. Few drivers have one, and seldom another.

use std::collections::BTreeSet;
use std::time::Instant;

/// The deadlines of numbered things, each of which knows its own.
#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(Instant, usize)>);

impl Timers {
    /// Replaces the deadline of a thing.
    pub fn change(&mut self, key: usize, from: Option<Instant>, to: Option<Instant>) {
        if let Some(at) = from {
            self.0.remove(&(at, key));
        }
        if let Some(at) = to {
            self.0.insert((at, key));
        }
    }

    /// The earliest deadline.
    #[inline(always)]
    pub fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that is not after `now`, and says whose it was. The thing has to lose it, too.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        self.first().filter(|at| *at <= now)?;
        self.0.pop_first().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_what_was_taken_back_does_not() {
        let begin = Instant::now();
        let at = |ms: u64| Some(begin + Duration::from_millis(ms));
        let mut timers = Timers::default();
        for (key, ms) in [(1, 50), (2, 20), (3, 30), (4, 20)] {
            timers.change(key, None, at(ms));
        }
        timers.change(2, at(20), None);
        timers.change(3, at(30), at(10));
        assert_eq!(timers.first(), at(10));
        let now = at(20).unwrap();
        assert_eq!([timers.pop(now), timers.pop(now), timers.pop(now)], [Some(3), Some(4), None]);
        assert_eq!(timers.first(), at(50));
    }
}
