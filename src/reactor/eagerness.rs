//! Whether to look again and again, rather than sleep, for what is expected at once.
//!
//! Being woken costs more than a fast peer takes to answer, for both sides. A slow one is soon left to sleep for.

use std::time::Duration;

/// So long it is looked for: about what a sleep and its end may cost.
const PATIENCE: Duration = Duration::from_micros(50);
/// After this many times in vain, or more, it is tried once in two to this power.
const MOST_MISSES: u32 = 10;

/// How it went lately.
#[derive(Debug, Default)]
pub(super) struct Eagerness {
    /// In vain, this many times in a row.
    misses: u32,
    /// So many times it is not tried.
    pause: u32,
}

impl Eagerness {
    /// How long to look, this time.
    pub(super) fn next(&mut self) -> Duration {
        if self.pause == 0 {
            return PATIENCE;
        }
        self.pause -= 1;
        Duration::ZERO
    }

    /// Did it come in that time?
    pub(super) fn learn(&mut self, came: bool) {
        self.misses = if came { 0 } else { (self.misses + 1).min(MOST_MISSES) };
        self.pause = (1 << self.misses) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_peer_is_slept_for_and_a_fast_one_is_not() {
        let mut eagerness = Eagerness::default();
        let looks = |eagerness: &mut Eagerness, count, came| {
            let look = |_: &i32| {
                let looked = eagerness.next() > Duration::ZERO;
                if looked {
                    eagerness.learn(came);
                }
                looked
            };
            (0..count).filter(look).count()
        };
        assert_eq!(looks(&mut eagerness, 1000, true), 1000);
        // 1, 2, 4, … and then each 1,024th.
        assert_eq!(looks(&mut eagerness, 1023 + 10 * 1024, false), 20);
        // One success is enough.
        assert_eq!(looks(&mut eagerness, 1024 + 99, true), 100);
    }
}
