//! A stream of events that its owner pulls from, in his own time.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use super::roles::{Awaited, Deadline};
use super::shared::Shared;
use super::{Reactor, State, Timeout};
use crate::error::{Code, Error, Result};
use crate::sys::buffer::Buffer;
use crate::sys::event_fd::EventFd;

/// The events of one monitor, in the order in which they came.
pub struct Events {
    reactor: Arc<Reactor>,
    key: usize,
    monitor: usize,
    serial: u64,
    target: String,
}

impl Events {
    pub(super) fn new(reactor: Arc<Reactor>, key: usize, monitor: usize, serial: u64, target: String) -> Self {
        Events { reactor, key, monitor, serial, target }
    }

    /// The next event, waiting for it at most this long.
    pub fn next(&self, timeout: Timeout) -> Result<Buffer> {
        self.try_next(timeout).map_err(|why| self.named(why))
    }

    /// An error of this stream: it names the target.
    pub fn named(&self, error: Error) -> Error {
        error.about(&self.target, "events")
    }

    /// A descriptor that is readable while [`Events::next`] would return at once. Somebody must turn the reactor.
    pub fn fd(&self) -> Result<RawFd> {
        let mut shared = self.reactor.lock()?;
        let Some(stream) = shared.hub.streams.get_mut(self.key) else { return Err(closed()) };
        if stream.fd.is_none() {
            let fd = EventFd::new()
                .map_err(|why| Error::from_io(Code::System, "the stream's descriptor cannot be made", &why))?;
            stream.fd = Some(fd);
        }
        let fd = stream.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        shared.hub.refresh_stream(self.key);
        Ok(fd)
    }

    /// Nothing is put in any more: `next` gives what is there, then CANCELED, to every thread.
    pub fn close(&self) {
        let mut shared = self.reactor.lock_to_end();
        self.shut(&mut shared);
        self.reactor.settle(&mut shared);
    }

    /// Gives the stream up.
    pub fn free(self: Arc<Self>) {
        let mut shared = self.reactor.lock_to_end();
        self.shut(&mut shared);
        if let Some(mon) = shared.hub.mons.get_mut(self.monitor).filter(|mon| mon.serial == self.serial) {
            mon.extras().streams.retain(|key| *key != self.key);
        }
        self.reactor.settle(&mut shared);
        // The queue goes when the last thread inside has left: see Drop.
    }

    fn shut(&self, shared: &mut Shared) {
        if let Some(stream) = shared.hub.streams.get_mut(self.key) {
            stream.closed = true;
            let seats = stream.seats.clone();
            for seat in seats {
                shared.hub.seats.notify(seat);
            }
        }
        shared.hub.refresh_stream(self.key);
        shared.hub.disturb = true;
    }

    fn try_next(&self, timeout: Timeout) -> Result<Buffer> {
        let shared = self.reactor.lock()?;
        let own = shared.hub.mons.get(self.monitor).filter(|mon| mon.serial == self.serial);
        let ms = match timeout {
            Timeout::Forever => None,
            Timeout::Default => own.map_or(Some(0), |mon| mon.options.timeout),
            Timeout::Millis(ms) => Some(ms),
        };
        let ready = |shared: &mut Shared| self.take(shared);
        let waited = self.reactor.wait(shared, ms.map(Deadline::after), Awaited::Stream(self.key), ready);
        waited?
            .1
            .unwrap_or_else(|| Err(Error::new(Code::Timeout, format!("no event within {} ms", ms.unwrap_or_default()))))
    }

    fn take(&self, shared: &mut Shared) -> Option<Result<Buffer>> {
        let stream = shared.hub.streams.get_mut(self.key)?;
        if let Some(event) = stream.take() {
            if stream.is_empty() {
                shared.hub.refresh_stream(self.key);
            }
            return Some(Ok(event));
        }
        if stream.closed {
            return Some(Err(closed()));
        }
        let own = shared.hub.mons.get(self.monitor).filter(|mon| mon.serial == self.serial);
        match own.map(|mon| mon.state) {
            None => Some(Err(closed())),
            Some(State::New) => Some(Err(Error::new(Code::Disconnected, "the monitor was never connected"))),
            Some(State::Disconnected) => Some(Err(Error::new(Code::Disconnected, "the monitor is not connected"))),
            Some(State::Connecting | State::Connected) => None,
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut shared = self.reactor.lock_to_end();
        shared.hub.streams.try_remove(self.key);
    }
}

fn closed() -> Error {
    Error::new(Code::Canceled, "the stream is closed, or its monitor was freed")
}
