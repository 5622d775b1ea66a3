//! The lead: whoever holds it may wait for I/O.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry};

/// mio's Poll and the events it brought. There is one of it a reactor; its owner is the leader.
#[derive(Debug)]
pub struct Lead {
    poll: Poll,
    events: Events,
}

impl Lead {
    /// A new epoll instance, with room for this many events a round.
    pub fn new(capacity: usize) -> io::Result<Lead> {
        Ok(Lead { poll: Poll::new()?, events: Events::with_capacity(capacity) })
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

    /// Like [`Lead::wait`], but looks again and again for so long before it sleeps.
    pub fn wait_busily(&mut self, busily: Duration, timeout: Option<Duration>) -> io::Result<()> {
        if busily.is_zero() || timeout == Some(Duration::ZERO) {
            return self.wait(timeout);
        }
        let begin = Instant::now();
        let enough = timeout.map_or(busily, |timeout| timeout.min(busily));
        loop {
            self.wait(Some(Duration::ZERO))?;
            let passed = begin.elapsed();
            if !self.events.is_empty() || timeout.is_some_and(|timeout| passed >= timeout) {
                return Ok(());
            }
            if passed >= enough {
                return self.wait(timeout.map(|timeout| timeout - passed));
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
