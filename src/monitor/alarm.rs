//! When the first of many calls is due, or a little earlier.
//!
//! Calls come and go by the hundred thousand a second, and nearly all are answered long before they are due. So nobody
//! keeps their deadlines in order: only the earliest that there was is known, and when it comes, all calls are looked at.
//! At worst that wakes somebody for nothing, once a timeout, while other calls are open.

use std::time::{Duration, Instant};

/// So much time passes at least between two looks: timeouts are milliseconds.
const PAUSE: Duration = Duration::from_millis(1);

/// No deadline is earlier than this.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Instant>);

impl Alarm {
    /// There is one more deadline.
    #[inline(always)]
    pub(super) fn add(&mut self, deadline: Instant) {
        if self.0.is_none_or(|first| deadline < first) {
            self.0 = Some(deadline);
        }
    }

    /// There is none any more.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// When to look.
    pub(super) fn at(&self) -> Option<Instant> {
        self.0
    }

    /// If it is time to look: which of these deadlines are not after `now`, the earliest first.
    pub(super) fn ring<T: Ord>(
        &mut self,
        now: Instant,
        deadlines: impl Iterator<Item = (Instant, T)>,
    ) -> Vec<(Instant, T)> {
        let mut due = Vec::new();
        if self.0.is_some_and(|first| first <= now) {
            self.0 = None;
            for (at, what) in deadlines {
                if at <= now { due.push((at, what)) } else { self.add(at.max(now + PAUSE)) }
            }
            due.sort_unstable();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Against the plain way: a look at every moment.
    #[test]
    fn what_is_due_is_found_within_a_millisecond() {
        let begin = Instant::now();
        let at = |us: u64| begin + Duration::from_micros(us);
        let (mut alarm, mut open) = (Alarm::default(), BTreeMap::new());
        let mut random = 88_172_645_463_325_252_u64;
        for step in 0..20_000u64 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let now = at(step * 100);
            // Mostly in order, often answered, sometimes early.
            match random >> 60 {
                0..=5 => drop(open.remove(&(step - random % 40 % (step + 1)))),
                6 | 7 => drop(open.insert(step, at(step * 100 + (random >> 32) % 3000))),
                _ => drop(open.insert(step, at(step * 100 + 10_000))),
            }
            if let Some(deadline) = open.get(&step) {
                alarm.add(*deadline);
            }
            let due = alarm.ring(now, open.iter().map(|(key, at)| (*at, *key)));
            assert!(due.is_sorted() && due.iter().all(|(at, _)| *at <= now));
            open.retain(|key, _| due.iter().all(|(_, other)| other != key));
            assert!(open.values().all(|at| *at + PAUSE > now), "at step {step} something is late");
            assert!(alarm.at().is_none_or(|at| at > now));
            if open.is_empty() {
                alarm.clear();
            }
        }
    }
}
