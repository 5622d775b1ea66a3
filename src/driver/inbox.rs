//! Where received bytes lie: in the reactor's one scratch buffer while a message fits a read, in a buffer of the link's
//! own while a longer one is incomplete.

/// The size of the scratch buffer. Pages that no read touches cost nothing.
const SCRATCH: usize = 256 * 1024;
/// With less room than this the buffer grows before the next read.
const MIN_ROOM: usize = 16 * 1024;
/// An incomplete message up to this size is copied aside; a longer one keeps the buffer it lies in.
const COPY: usize = 32 * 1024;

/// The buffer to read into: what was held of an incomplete message stands at its front.
#[inline]
pub(super) fn open(held: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Vec<u8> {
    let mut buf;
    if held.len() > COPY {
        buf = std::mem::take(held);
    } else {
        buf = std::mem::take(scratch);
        if held.capacity() > 0 {
            buf.append(held);
            *held = Vec::new();
        }
    }
    make_room(&mut buf);
    buf
}

/// Makes sure that the next read has room.
#[inline]
pub(super) fn make_room(buf: &mut Vec<u8>) {
    if buf.capacity() - buf.len() < MIN_ROOM {
        // A long message doubles its buffer: the kernel moves the pages, and those not written to are not there.
        buf.reserve_exact(buf.len().max(SCRATCH));
    }
}

/// Puts an incomplete rest aside and gives the scratch buffer back.
#[inline]
pub(super) fn close(mut buf: Vec<u8>, held: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    if buf.len() > COPY {
        *held = buf;
        return;
    }
    if !buf.is_empty() {
        *held = buf.as_slice().to_vec();
        buf.clear();
    }
    if scratch.capacity() == 0 && buf.capacity() <= 2 * SCRATCH {
        *scratch = buf;
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
