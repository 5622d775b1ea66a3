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
    /// It turns no more: only joining it is left.
    ended: bool,
}

impl Reactor {
    /// Lets a thread of the library turn the reactor. It takes no signals.
    pub fn start(self: &Arc<Self>) -> Result<()> {
        let mut shared = self.lock()?;
        loop {
            let asked = shared.worker.as_ref().is_some_and(|worker| worker.stopping || worker.ended);
            if (shared.worker.is_some() && !asked) || (shared.stopping && is_own(&shared)) {
                return Err(Error::new(Code::State, "the reactor is started already"));
            }
            if !asked && !shared.stopping {
                break;
            }
            // The one before has to end first, and to be joined if nobody is at it.
            drop(shared);
            self.stop()?;
            shared = self.lock()?;
        }
        self.waker(&shared)?;
        let reactor = Arc::clone(self);
        let thread = Thread::spawn_without_signals(move || reactor.work())
            .map_err(|why| system("the reactor's thread cannot be started", &why))?;
        shared.worker = Some(Worker { thread, stopping: false, ended: false });
        Ok(())
    }

    /// Ends the thread, if there is one, and waits for the callback that it is in. In a callback of that thread it
    /// only asks.
    pub fn stop(&self) -> Result<()> {
        let mut shared = self.lock()?;
        self.ask_to_end(&mut shared);
        let ended = shared.worker.as_ref().is_some_and(|worker| worker.ended);
        if is_own(&shared) && !ended {
            return Ok(());
        }
        let Some(worker) = shared.worker.take() else {
            // Another thread joins it, or it was detached.
            while shared.stopping && shared.worker.is_none() {
                shared = self.await_role(shared);
            }
            return Ok(());
        };
        drop(shared);
        worker.thread.join();
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
        if last || stop {
            self.ask_to_end(&mut shared);
        }
        if let Some(worker) = shared.worker.take_if(|_| last || stop) {
            let own = shared.dispatcher == Some(this_thread()) || in_callback();
            drop(shared);
            if own {
                // It ends with its turn; nobody waits for that.
                drop(worker);
            } else {
                worker.thread.join();
            }
            shared = self.lock_to_end();
        }
        // Inside a callback nothing is waited for: the thread whose callback runs retires after it.
        let clear = shared.dispatcher.is_none() && (shared.running.is_none() || !in_callback());
        if last && clear {
            shared.dispatcher = Some(this_thread());
            shared = self.run_all(shared);
            shared.dispatcher = None;
            self.tell_waiters(&shared);
        } else if last {
            self.end_turn(&mut shared);
        }
        self.leave(&mut shared);
    }

    fn work(&self) {
        while let Ok(shared) = self.lock() {
            if is_stopping(&shared) || self.turn_with(shared, None, false).is_err() {
                break;
            }
        }
        let mut shared = self.lock_to_end();
        // Only this thread says that it has ended: a reactor that stayed "stopping" would never wait again.
        shared.stopping = false;
        if let Some(worker) = &mut shared.worker {
            worker.ended = true;
        }
        self.role.notify_all();
    }

    /// Asks the thread to end, if there is one that turns, and ends its sleep.
    fn ask_to_end(&self, shared: &mut Guard<'_>) {
        let Some(worker) = shared.worker.as_mut().filter(|worker| !worker.ended) else { return };
        worker.stopping = true;
        shared.stopping = true;
        self.end_turn(shared);
        self.role.notify_all();
    }

    /// Lets the turn that waits, if one does, look around.
    fn end_turn(&self, shared: &mut Guard<'_>) {
        self.interrupt(shared);
        if let Some(seat) = shared.turner {
            shared.hub.seats.notify(seat);
        }
    }
}

/// Is this a callback of this reactor? Its thread may have to wait for it.
fn is_own(shared: &Shared) -> bool {
    let runs = shared.running.map(|(_, thread)| thread);
    in_callback() && [shared.dispatcher, runs].contains(&Some(this_thread()))
}

/// Should the thread end? A thread whose handle is gone was detached, or is being joined.
fn is_stopping(shared: &Shared) -> bool {
    shared.worker.as_ref().is_none_or(|worker| worker.stopping)
}
