//! Where received bytes lie: in the reactor's one scratch buffer while a message fits a read, in a buffer of the link's
//! own while a longer one is incomplete.

/// The size of the scratch buffer. Pages that no read touches cost nothing.
const SCRATCH: usize = 256 * 1024;
/// With less room than this the buffer grows before the next read.
const MIN_ROOM: usize = 16 * 1024;
/// An incomplete message up to this size is copied aside; a longer one keeps the buffer it lies in.
const COPY: usize = 32 * 1024;

/// Makes `scratch` the buffer to read into: what was held of an incomplete message stands at its front.
#[inline]
pub(super) fn open(held: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    if held.capacity() > 0 {
        bring_back(held, scratch);
    }
    make_room(scratch);
}

fn bring_back(held: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    if held.len() > COPY {
        // Meanwhile the scratch buffer is held.
        std::mem::swap(held, scratch);
    } else {
        scratch.append(held);
        *held = Vec::new();
    }
}

/// Makes sure that the next read has room.
#[inline]
pub(super) fn make_room(buf: &mut Vec<u8>) {
    if buf.capacity() - buf.len() < MIN_ROOM {
        // A long message doubles its buffer: the kernel moves the pages, and those not written to are not there.
        buf.reserve_exact(buf.len().max(SCRATCH));
    }
}

/// Puts an incomplete rest aside, and leaves the scratch buffer empty.
#[inline]
pub(super) fn close(held: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    if !scratch.is_empty() || held.capacity() > 0 || scratch.capacity() > 2 * SCRATCH {
        put_aside(held, scratch);
    }
}

#[inline(never)]
fn put_aside(held: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    if scratch.len() > COPY {
        std::mem::swap(held, scratch);
    } else {
        let rest = scratch.as_slice().to_vec();
        if held.capacity() > 0 {
            *scratch = std::mem::take(held);
        }
        *held = rest;
    }
    scratch.clear();
    if scratch.capacity() > 2 * SCRATCH {
        *scratch = Vec::new();
    }
}

/// Drops bytes from the front.
pub(super) fn drop_front(buf: &mut Vec<u8>, n: usize) {
    if n >= buf.len() {
        buf.clear();
    } else if n > 0 {
        buf.drain(..n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_incomplete_comes_back_and_idle_links_hold_nothing() {
        let (mut held, mut scratch) = (Vec::new(), Vec::new());
        for rest in [0, 1, COPY, COPY + 1, SCRATCH, 3 * SCRATCH, COPY, 0] {
            // A read adds to what was held, and a message of which nothing is left is dropped.
            open(&mut held, &mut scratch);
            assert!(scratch.capacity() - scratch.len() >= MIN_ROOM);
            scratch.resize(rest, b'x');
            close(&mut held, &mut scratch);
            assert_eq!((held.len(), scratch.len()), (rest, 0));
            assert!(scratch.capacity() <= 2 * SCRATCH);
            assert!(rest > 0 || held.capacity() == 0);
        }
        assert!(scratch.capacity() > 0);
    }

    #[test]
    fn a_buffer_that_was_handed_over_is_replaced() {
        for rest in [0, COPY + 1] {
            let (mut held, mut scratch) = (vec![b'x'; rest], Vec::with_capacity(SCRATCH));
            open(&mut held, &mut scratch);
            assert_eq!(scratch.len(), rest);
            drop(std::mem::take(&mut scratch));
            close(&mut held, &mut scratch);
            assert_eq!((held.capacity(), scratch.len()), (0, 0));
            open(&mut held, &mut scratch);
            assert!(scratch.capacity() >= MIN_ROOM);
        }
    }
}
