//! The virsh driver: one monitor, and the processes that stand in for it.

mod child;

use std::time::Instant;

use super::child::{self as process, Child};
use super::fds::{Fds, expect_one};
use super::told::Told;
use super::{Sink, Submission, inbox};
use crate::error::{Delivery, Error, Result};
use crate::proto::libvirt::Wanted;
use crate::proto::virsh::{Action, End, Proxy, Settings, Slot};
use crate::reactor::{Io, Ready};
use crate::sys::process::Ended;
use child::Program;

const SLOTS: [Slot; 3] = [Slot::Session, Slot::Single, Slot::Events];

/// A monitor over virsh.
pub struct Virsh {
    program: Program,
    proxy: Proxy<Fds>,
    children: [Option<Child>; 3],
    deadline: Option<Instant>,
}

impl Virsh {
    /// A link for `port`: by the program at `path`, to the URI that virsh is given.
    pub fn new(port: usize, path: &str, uri: &str, wanted: Option<Wanted>, session: bool, limit: usize) -> Self {
        let key = child::random_key();
        // Only the user's own daemon is started by who needs it; without a URI that may be the one.
        let wakes = uri.is_empty() || uri.contains("/session") && !uri.contains("socket=");
        Virsh {
            program: Program { path: path.to_owned(), uri: uri.to_owned() },
            proxy: Proxy::new(Settings { port, session, wakes, limit, key }, wanted),
            children: [None, None, None],
            deadline: None,
        }
    }

    /// Begins to connect.
    pub fn begin<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        self.proxy.begin(&mut Told(sink));
        self.settle(io, sink);
    }

    /// Sends or queues a request.
    pub fn submit<S: Sink>(&mut self, what: Submission<'_>, io: &mut Io, sink: &mut S) -> Result<()> {
        expect_one(what.fds.as_ref())?;
        self.proxy.submit(what.call, what.request, what.value_only, what.fds, &mut Told(sink))?;
        self.settle(io, sink);
        Ok(())
    }

    /// Asks for the domains of the hypervisor.
    pub fn list<S: Sink>(&mut self, call: u32, io: &mut Io, sink: &mut S) -> Result<()> {
        self.proxy.list(call, &mut Told(sink))?;
        self.settle(io, sink);
        Ok(())
    }

    /// Nobody waits for this call any more.
    pub fn forget<S: Sink>(&mut self, call: u32, io: &mut Io, sink: &mut S) -> Delivery {
        let delivery = self.proxy.forget(call, &mut Told(sink));
        self.settle(io, sink);
        delivery
    }

    /// The monitor leaves.
    pub fn close<S: Sink>(&mut self, why: &Error, io: &mut Io, sink: &mut S) {
        self.proxy.close(why, &mut Told(sink));
        self.settle(io, sink);
    }

    /// The error of a connect whose deadline has come.
    pub fn not_connected_yet(&self) -> Error {
        self.proxy.not_connected_yet()
    }

    /// `events`, `fds`.
    pub fn supports(&self, feature: &str) -> bool {
        match feature {
            "events" => self.proxy.is_ready(),
            "fds" => self.proxy.passes_fds(),
            _ => false,
        }
    }

    /// A source may be ready: what a process prints, or its end.
    pub fn ready<S: Sink>(&mut self, ready: Ready, io: &mut Io, sink: &mut S) {
        let (slot, part) = process::source_of(ready.source);
        let Some(slot) = SLOTS.get(slot).copied() else { return };
        if ready.writable {
            self.write(io);
        }
        self.read(slot, part == process::END, io, sink);
        self.settle(io, sink);
    }

    /// The driver asked to go on.
    pub fn resume<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        for slot in SLOTS {
            self.read(slot, false, io, sink);
        }
        self.settle(io, sink);
    }

    /// A pause or a patience is over.
    pub fn expired<S: Sink>(&mut self, now: Instant, io: &mut Io, sink: &mut S) {
        self.deadline = None;
        self.proxy.tick(now, &mut Told(sink));
        self.settle(io, sink);
    }

    /// To be called after every change: starts and ends processes, and writes to them.
    pub fn settle<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        let events = self.children[Slot::Events as usize].as_ref();
        if self.proxy.is_settling() && events.is_some_and(|child| child.process.sleeps_in_read()) {
            self.proxy.settled(&mut Told(sink));
        }
        while let Some(action) = self.proxy.action() {
            match action {
                Action::End(slot) => self.children[slot as usize] = None,
                Action::Start(slot, arguments, fds) => {
                    match self.program.start(slot, arguments, fds.as_deref().unwrap_or_default(), io) {
                        Ok(child) => self.children[slot as usize] = Some(child),
                        Err(why) => self.proxy.not_started(slot, why, Instant::now(), &mut Told(sink)),
                    }
                }
            }
        }
        self.write(io);
        if self.proxy.is_over() {
            return io.finish();
        }
        let deadline = self.proxy.deadline(Instant::now());
        if deadline != self.deadline {
            self.deadline = deadline;
            io.set_deadline(deadline);
        }
    }

    fn write(&mut self, io: &mut Io) {
        if let Some(child) = &mut self.children[Slot::Session as usize] {
            // What cannot be written is told by the process's end.
            let _ = child.output.flush(self.proxy.outbox(), io);
        }
    }

    /// Takes in what a process has printed, and its end. `look`: it may have ended.
    fn read<S: Sink>(&mut self, slot: Slot, look: bool, io: &mut Io, sink: &mut S) {
        let (proxy, Some(child)) = (&mut self.proxy, &mut self.children[slot as usize]) else { return };
        // Asked before the rest is read: after its end it prints no more.
        let mut ended = if look { child.process.ended() } else { None };
        let to_the_end = ended.is_some();
        let errors = |proxy: &mut Proxy<_>, child: &mut Child, io: &mut Io, sink: &mut S| {
            let _ = child.errors.read(to_the_end, io, |buf| {
                proxy.error_output(slot, buf, &mut Told(sink));
                buf.clear();
                Ok(())
            });
        };
        // That it is registered is told before the first event; an answer before what was said of it.
        if slot == Slot::Events {
            errors(proxy, child, io, sink);
        }
        let read = child.output.read(to_the_end, io, |buf| {
            let done = proxy.output(slot, buf, &mut Told(sink));
            inbox::drop_front(buf, done);
            Ok(())
        });
        if slot != Slot::Events {
            errors(proxy, child, io, sink);
        }
        let now = Instant::now();
        proxy.proceed(now, &mut Told(sink));
        // One that closes its output will say no more; the single one is waited for, as its status counts.
        let watched = slot == Slot::Single && child.process.end_fd().is_some();
        if ended.is_none() && read.is_err() && !watched {
            ended = Some(child.process.end());
            errors(proxy, child, io, sink);
        }
        if let Some(ended) = ended {
            self.children[slot as usize] = None;
            let end = match ended {
                Ended::Status(status) => End::Status(status),
                Ended::Signal(signal) => End::Signal(signal),
                Ended::Unknown => End::Unknown,
            };
            self.proxy.exited(slot, end, now, &mut Told(sink));
        }
    }
}
