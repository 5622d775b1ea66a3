//! What the safe world cannot do: the only `unsafe` outside `ffi/`.
//!
//! Each file is a small safe wrapper; nothing here knows a protocol, a driver or what a lock protects.

pub mod buffer;
pub mod event_fd;
pub mod lock;
pub mod process;
pub mod socket;
pub mod text;
pub mod texts;
pub mod thread;
pub mod user_data;
pub mod watch;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Turns the result of a system call that returns -1 on failure into a `Result`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Owns the descriptor that a system call just made, or tells why it made none.
fn owned(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the system call succeeded and handed out a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A second, close-on-exec descriptor of the caller's open file; the caller keeps his own. It is none of the first three,
/// which a child process has for its own.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes any integer and answers EBADF for one that is no descriptor.
    owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })
}

/// Runs something without a trace in `errno`: a signal handler must leave it as it found it.
pub fn keeping_errno<R>(run: impl FnOnce() -> R) -> R {
    // SAFETY: the location is this thread's own and always there.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { place.read() };
    let result = run();
    // SAFETY: as above.
    unsafe { place.write(before) };
    result
}

/// Does this process act as root?
pub fn is_root() -> bool {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Waits until a descriptor can be read, but no longer than this.
pub fn wait_readable(fd: RawFd, timeout: Duration) {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let ms = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX).max(1);
    // SAFETY: `entry` lives through the call. Whatever ends it, the caller looks again.
    unsafe { libc::poll(&raw mut entry, 1, ms) };
}
