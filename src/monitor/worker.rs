//! The thread that turns a reactor for those who want none of their own.

use std::sync::Arc;

use super::Reactor;
use super::inside::{in_callback, this_thread};
use super::shared::{Guard, Shared, system};
use crate::error::{Code, Error, Result};
use crate::sys::thread::Thread;

/// The library's own thread.
pub(super) struct Worker {
    thread: Thread,
    /// Asked to end with the turn that it is in.
    stopping: bool,
}

impl Reactor {
    /// Lets a thread of the library turn the reactor. It takes no signals.
    pub fn start(self: &Arc<Self>) -> Result<()> {
        let mut shared = self.lock()?;
        if shared.worker.as_ref().is_some_and(|worker| worker.stopping) {
            // A callback asked it to stop; nobody has joined it yet.
            drop(shared);
            self.stop()?;
            shared = self.lock()?;
        }
        if shared.worker.is_some() {
            return Err(Error::new(Code::State, "the reactor is started already"));
        }
        self.waker(&shared)?;
        let reactor = Arc::clone(self);
        let thread = Thread::spawn_without_signals(move || reactor.work())
            .map_err(|why| system("the reactor's thread cannot be started", &why))?;
        shared.worker = Some(Worker { thread, stopping: false });
        Ok(())
    }

    /// Ends the thread, if there is one, and waits for the callback that it is in. In a callback of that thread it
    /// only asks.
    pub fn stop(&self) -> Result<()> {
        let mut shared = self.lock()?;
        let own = shared.dispatcher == Some(this_thread()) && in_callback();
        let Some(worker) = &mut shared.worker else { return Ok(()) };
        worker.stopping = true;
        self.end_sleep(&mut shared);
        if own {
            return Ok(());
        }
        let worker = shared.worker.take();
        drop(shared);
        join(worker);
        Ok(())
    }

    /// The application's share is given up: stops the thread, and runs what only this reactor's last owner can run.
    pub fn release(self: Arc<Self>) {
        let mut shared = self.lock_to_end();
        shared.shares = shared.shares.saturating_sub(1);
        self.retire(shared, true);
    }

    /// After a share was given up: with none left nobody can turn any more. `stop`: end the thread in any case.
    pub(super) fn retire<'a>(&'a self, mut shared: Guard<'a>, stop: bool) {
        let last = shared.shares == 0;
        if let Some(worker) = shared.worker.as_mut().filter(|_| last || stop) {
            worker.stopping = true;
            self.end_sleep(&mut shared);
            let worker = shared.worker.take();
            let own = shared.dispatcher == Some(this_thread()) || in_callback();
            drop(shared);
            if own {
                // It ends with its turn; nobody waits for that.
                drop(worker);
            } else {
                join(worker);
            }
            shared = self.lock_to_end();
        }
        if last && shared.dispatcher.is_none() {
            shared.dispatcher = Some(this_thread());
            shared = self.run_all(shared);
            shared.dispatcher = None;
        }
        self.leave(&mut shared);
    }

    fn work(&self) {
        loop {
            let Ok(mut shared) = self.lock() else { return };
            if is_stopping(&shared) {
                shared.stopping = false;
                return;
            }
            if self.turn_with(shared, None, false).is_err() {
                return;
            }
        }
    }

    fn end_sleep(&self, shared: &mut Guard<'_>) {
        shared.stopping = true;
        self.interrupt(shared);
        if let Some(seat) = shared.turner {
            shared.hub.seats.notify(seat);
        }
        self.role.notify_all();
    }
}

/// Should the thread end? A thread whose handle is gone was detached.
fn is_stopping(shared: &Shared) -> bool {
    shared.worker.as_ref().is_none_or(|worker| worker.stopping)
}

fn join(worker: Option<Worker>) {
    if let Some(worker) = worker {
        worker.thread.join();
    }
}
