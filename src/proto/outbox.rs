//! What is to be written: one run of bytes, in which some commands carry an attachment (descriptors).

use super::queue::Queue;

/// An outbox whose buffer grew beyond this gives it back when it has run empty.
const KEEP: usize = 4096;
/// What is written goes from the front once it is this much and the larger part: an outbox that never runs empty must
/// not keep it all.
const MOVE: usize = 64 * 1024;

/// Bytes on their way to the wire. `F` is what may go with a command: to this layer it is opaque.
#[derive(Debug)]
pub struct Outbox<F> {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    sent: usize,
    /// How many bytes were written in all: positions on the wire do not move when `bytes` does.
    written: u64,
    attached: Queue<Attached<F>>,
}

#[derive(Debug)]
struct Attached<F> {
    start: u64,
    len: usize,
    what: F,
}

/// Where a command lies on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The position of its first byte, counted from the first byte ever written.
    pub start: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl<F> Outbox<F> {
    /// Nothing to write.
    pub fn new() -> Self {
        Outbox { bytes: Vec::new(), sent: 0, written: 0, attached: Queue::new() }
    }

    /// Appends what `write` appends as one command.
    #[inline]
    pub fn push(&mut self, attachment: Option<F>, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.written.saturating_add((self.bytes.len().saturating_sub(self.sent)) as u64);
        let before = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len().saturating_sub(before);
        if let Some(what) = attachment {
            self.attached.push_back(Attached { start, len, what });
        }
        Span { start, len }
    }

    /// Writes into this buffer from now on, which is empty, rather than make one of its own.
    #[inline]
    pub fn borrow_buffer(&mut self, spare: &mut Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = std::mem::take(spare);
        }
    }

    /// Once everything is written, gives its buffer to the next one who needs one.
    #[inline]
    pub fn lend_buffer(&mut self, spare: &mut Vec<u8>) {
        if self.bytes.is_empty() {
            if spare.capacity() == 0 {
                std::mem::swap(spare, &mut self.bytes);
            } else {
                self.bytes = Vec::new();
            }
        }
    }

    /// How many bytes are to be written.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// Is everything written?
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= self.sent
    }

    /// The next bytes to write in one go, and what has to go with their first byte.
    ///
    /// A command with an attachment stands alone, so that nothing comes between it and its descriptors.
    pub fn next(&self) -> Option<(&[u8], Option<&F>)> {
        let rest = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty())?;
        let Some(first) = self.attached.front() else { return Some((rest, None)) };
        let ahead = usize::try_from(first.start.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let (len, what) = if ahead == 0 { (first.len, Some(&first.what)) } else { (ahead, None) };
        Some((rest.get(..len).unwrap_or(rest), what))
    }

    /// `n` bytes of what [`Outbox::next`] gave are written; an attachment is gone with the first of them.
    pub fn wrote(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.bytes.len());
        self.written = self.written.saturating_add(n as u64);
        if self.attached.front().is_some_and(|first| first.start < self.written) {
            self.attached.pop_front();
        }
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEEP {
                self.bytes = Vec::new();
            }
        } else if self.sent >= MOVE && self.sent >= self.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Where the first command with an attachment begins that is not written.
    pub fn first_attached(&self) -> Option<u64> {
        self.attached.front().map(|first| first.start)
    }

    /// Has any byte of this command been written?
    pub fn has_begun(&self, span: Span) -> bool {
        span.start < self.written
    }

    /// Takes back a command of which no byte is written; those behind it move up by its length.
    pub fn take_back(&mut self, span: Span) {
        let at = span.start.saturating_sub(self.written).saturating_add(self.sent as u64);
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = start.saturating_add(span.len).min(self.bytes.len());
        self.bytes.drain(start..end);
        self.attached.retain(|a| a.start != span.start);
        for a in self.attached.iter_mut().filter(|a| a.start > span.start) {
            a.start = a.start.saturating_sub(span.len as u64);
        }
    }
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Outbox::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &[u8]) -> impl FnOnce(&mut Vec<u8>) {
        |bytes| bytes.extend_from_slice(text)
    }

    #[test]
    fn an_attachment_goes_with_the_first_byte_of_its_own_command() {
        let mut out = Outbox::new();
        out.push(None, text(b"one!"));
        out.push(Some(2), text(b"two"));
        out.push(None, text(b"three"));
        assert_eq!(out.next(), Some((&b"one!"[..], None)));
        out.wrote(1);
        assert_eq!(out.next(), Some((&b"ne!"[..], None)));
        out.wrote(3);
        assert_eq!(out.next(), Some((&b"two"[..], Some(&2))));
        out.wrote(1);
        assert_eq!(out.next(), Some((&b"wothree"[..], None)));
        out.wrote(7);
        assert_eq!(out.next(), None);
    }

    #[test]
    fn a_buffer_goes_from_one_to_the_next() {
        let (mut one, mut other, mut spare) = (Outbox::<()>::new(), Outbox::<()>::new(), Vec::new());
        one.push(None, text(b"one"));
        one.lend_buffer(&mut spare);
        assert_eq!((one.len(), spare.capacity()), (3, 0));
        one.wrote(3);
        one.lend_buffer(&mut spare);
        assert!(spare.capacity() > 0 && spare.is_empty());
        other.borrow_buffer(&mut spare);
        other.push(None, text(b"two"));
        assert_eq!((other.next(), spare.capacity()), (Some((&b"two"[..], None)), 0));
    }

    #[test]
    fn what_is_written_does_not_stay_while_more_comes() {
        let mut out = Outbox::<()>::new();
        out.push(None, text(b"begin"));
        for _ in 0..4000 {
            out.push(None, text(&[b'x'; 100]));
            out.wrote(100);
        }
        assert_eq!((out.len(), out.next()), (5, Some((&b"xxxxx"[..], None))));
        assert!(out.bytes.capacity() < 4 * MOVE, "{} bytes are kept", out.bytes.capacity());
        let last = out.push(None, text(b"last"));
        assert!(!out.has_begun(last));
        out.take_back(last);
        assert_eq!(out.len(), 5);
    }

    #[test]
    fn what_has_not_begun_can_be_taken_back() {
        let mut out = Outbox::new();
        let one = out.push(None, text(b"one"));
        let two = out.push(Some(2), text(b"twotwo"));
        let three = out.push(Some(3), text(b"three"));
        out.wrote(1);
        assert!(out.has_begun(one) && !out.has_begun(two) && !out.has_begun(three));
        out.take_back(two);
        assert_eq!(out.next(), Some((&b"ne"[..], None)));
        out.wrote(2);
        assert_eq!(out.next(), Some((&b"three"[..], Some(&3))));
    }
}
