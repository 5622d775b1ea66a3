//! A descriptor that is readable while a flag is set: how a state of ours shows in somebody's poll(2).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::owned;

/// An eventfd used as a flag. Setting twice costs one system call, as does clearing twice.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
    set: bool,
}

impl EventFd {
    /// A flag that is not set.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: no pointers; the flags are valid.
        let fd = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        Ok(EventFd { fd, set: false })
    }

    /// Makes the descriptor readable, or not.
    pub fn set(&mut self, on: bool) {
        if self.set == on {
            return;
        }
        self.set = on;
        let mut value = 1u64;
        let bytes = (&raw mut value).cast::<libc::c_void>();
        // SAFETY: `value` is eight bytes long and lives through the call. Neither call can fail here: the counter is 0
        // before the write and 1 before the read.
        unsafe {
            if on {
                libc::write(self.fd.as_raw_fd(), bytes, 8);
            } else {
                libc::read(self.fd.as_raw_fd(), bytes, 8);
            }
        }
    }
}

/// An eventfd that rings: each time brings an edge to an epoll that watches it, and nobody has to read it.
#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// A bell that has not rung.
    pub fn new() -> io::Result<Bell> {
        // SAFETY: no pointers; the flags are valid.
        let fd = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        Ok(Bell { fd })
    }

    /// Rings. A signal handler may do so too.
    pub fn ring(&self) {
        let value = 1u64;
        // SAFETY: `value` is eight bytes long and lives through the call. The counter does not reach its end in any life.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const value).cast(), 8) };
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
