//! The one descriptor of a reactor that a foreign event loop watches, and the timer inside it.
//!
//! mio's own epoll descriptor cannot be that one: a blocking call in another thread harvests its edges. So an epoll of
//! ours holds mio's (level-triggered, and masked while somebody sleeps in it) and a flag for work that mio does not see.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::event_fd::EventFd;
use super::{check, owned};

/// An epoll around mio's, a flag, and a timer that the owner registers with mio.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
    flag: EventFd,
    timer: OwnedFd,
    inner: RawFd,
    masked: bool,
}

impl Watch {
    /// Watches the epoll descriptor `inner`, which must outlive this.
    pub fn new(inner: RawFd) -> io::Result<Watch> {
        // SAFETY: no pointers; the flags are valid.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let flag = EventFd::new()?;
        // SAFETY: no pointers; clock and flags are valid.
        let timer =
            owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })?;
        let watch = Watch { epoll, flag, timer, inner, masked: false };
        watch.control(libc::EPOLL_CTL_ADD, watch.flag.as_raw_fd(), libc::EPOLLIN)?;
        watch.control(libc::EPOLL_CTL_ADD, inner, libc::EPOLLIN)?;
        Ok(watch)
    }

    /// The timer's descriptor, to be registered with mio.
    pub fn timer(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// While masked, what happens inside mio does not show: whoever sleeps there takes care of it.
    pub fn mask(&mut self, on: bool) {
        if self.masked != on {
            self.masked = on;
            let events = if on { 0 } else { libc::EPOLLIN };
            // Both descriptors are ours and registered: this cannot fail.
            let _ = self.control(libc::EPOLL_CTL_MOD, self.inner, events);
        }
    }

    /// Shows, or no longer shows, that there is work that mio does not see.
    pub fn raise(&mut self, on: bool) {
        self.flag.set(on);
    }

    /// Sets the timer to go off after this long; `None` stops it.
    pub fn arm(&self, after: Option<Duration>) {
        // A zero would stop the timer; one nanosecond is "at once".
        let after = after.map_or(Duration::ZERO, |d| d.max(Duration::from_nanos(1)));
        // Whatever exceeds the clock's range is as good as its end.
        let seconds = libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut spec = libc::itimerspec { it_interval: zero, it_value: zero };
        spec.it_value.tv_sec = seconds;
        spec.it_value.tv_nsec = after.subsec_nanos().into();
        // SAFETY: `spec` lives through the call; the old value is not asked for.
        unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &raw const spec, std::ptr::null_mut()) };
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: 0 };
        // SAFETY: `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) })?;
        Ok(())
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}
