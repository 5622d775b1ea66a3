//! The lead: whoever holds it may wait for I/O.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry};

use super::eagerness::Eagerness;

/// mio's Poll and the events it brought. There is one of it a reactor; its owner is the leader.
#[derive(Debug)]
pub struct Lead {
    poll: Poll,
    events: Events,
    eagerness: Eagerness,
}

impl Lead {
    /// A new epoll instance, with room for this many events a round.
    pub fn new(capacity: usize) -> io::Result<Lead> {
        Ok(Lead { poll: Poll::new()?, events: Events::with_capacity(capacity), eagerness: Eagerness::default() })
    }

    /// A second handle of the same epoll instance, to register sources while somebody sleeps in it.
    pub fn registry(&self) -> io::Result<Registry> {
        self.poll.registry().try_clone()
    }

    /// Waits until something is ready or the time is up. A signal ends the wait like the time does.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Like [`Lead::wait`], but looks again and again for so long before it sleeps; a little longer if something is
    /// expected at once, and looking for that has paid lately.
    pub fn wait_busily(&mut self, busily: Duration, expecting: bool, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) || (busily.is_zero() && !expecting) {
            return self.wait(timeout);
        }
        let eagerly = if expecting { self.eagerness.next() } else { Duration::ZERO };
        let enough = busily.max(eagerly);
        if enough.is_zero() {
            return self.wait(timeout);
        }
        let passed = self.look(timeout.map_or(enough, |timeout| timeout.min(enough)))?;
        if eagerly > Duration::ZERO {
            self.eagerness.learn(!self.events.is_empty());
        }
        let left = timeout.map(|timeout| timeout.saturating_sub(passed));
        if self.events.is_empty() && left != Some(Duration::ZERO) { self.wait(left) } else { Ok(()) }
    }

    /// Looks until something is ready or so much time has passed. Tells how much that was.
    fn look(&mut self, enough: Duration) -> io::Result<Duration> {
        self.wait(Some(Duration::ZERO))?;
        if !self.events.is_empty() {
            return Ok(Duration::ZERO);
        }
        let begin = Instant::now();
        loop {
            self.wait(Some(Duration::ZERO))?;
            let passed = begin.elapsed();
            if !self.events.is_empty() || passed >= enough {
                return Ok(passed);
            }
        }
    }

    /// What the last wait brought.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Forgets what the last wait brought.
    pub fn clear(&mut self) {
        self.events.clear();
    }
}

impl AsRawFd for Lead {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
