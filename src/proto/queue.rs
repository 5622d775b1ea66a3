//! A queue that takes one word until it is needed: each of thousands of idle monitors has several.

use std::collections::VecDeque;

/// First in, first out.
#[derive(Debug)]
// The one indirection is what this is for.
#[allow(clippy::box_collection)]
pub(super) struct Queue<T>(Option<Box<VecDeque<T>>>);

impl<T> Queue<T> {
    /// An empty one, which owns nothing.
    pub(super) const fn new() -> Self {
        Queue(None)
    }

    pub(super) fn push_back(&mut self, item: T) {
        self.0.get_or_insert_with(Box::default).push_back(item);
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.0.as_ref()?.front()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out what it is, which is likely to be near one of the ends.
    pub(super) fn take_one(&mut self, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let (at, from_behind) = find_near_an_end(self.iter(), is_it)?;
        self.remove(if from_behind { self.len().checked_sub(at)?.checked_sub(1)? } else { at })
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<T> {
        self.0.as_mut()?.remove(at)
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain(keep);
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().flat_map(|queue| queue.iter())
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.0.iter_mut().flat_map(|queue| queue.iter_mut())
    }

    /// Takes everything out, and what it lay in.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.0.take().into_iter().flat_map(|queue| *queue)
    }
}

/// Looks from both ends at once: how far from one of them it is, and whether that is the far one. What is given up is the
/// oldest, or one after the other from the newest: among thousands either is found at once.
fn find_near_an_end<T>(
    mut items: impl DoubleEndedIterator<Item = T>,
    mut is_it: impl FnMut(T) -> bool,
) -> Option<(usize, bool)> {
    let mut at = 0usize;
    loop {
        if is_it(items.next()?) {
            return Some((at, false));
        }
        if is_it(items.next_back()?) {
            return Some((at, true));
        }
        at = at.saturating_add(1);
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(len: u32) -> Queue<u32> {
        let mut queue = Queue::new();
        (0..len).for_each(|item| queue.push_back(item));
        queue
    }

    #[test]
    fn one_is_taken_out_wherever_it_is() {
        for len in 0..8 {
            for wanted in 0..len {
                let mut queue = queue(len);
                assert_eq!(queue.take_one(|item| *item == wanted), Some(wanted));
                let rest: Vec<u32> = (0..len).filter(|item| *item != wanted).collect();
                assert_eq!(queue.iter().copied().collect::<Vec<_>>(), rest);
            }
            assert_eq!(queue(len).take_one(|item| *item == len), None);
        }
    }

    #[test]
    fn emptying_it_from_either_end_takes_no_search() {
        let mut looks = 0;
        let (mut oldest_first, mut newest_first) = (queue(1000), queue(1000));
        for wanted in 0..1000 {
            let mut is = |item: &u32, wanted| {
                looks += 1;
                *item == wanted
            };
            oldest_first.take_one(|item| is(item, wanted)).unwrap();
            newest_first.take_one(|item| is(item, 999 - wanted)).unwrap();
        }
        assert!(looks <= 3000, "{looks}");
    }
}
