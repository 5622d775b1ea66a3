//! Requests: blocking, or with a callback.

use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use super::call::{Asked, Call, Outcome, Waiter};
use super::inside::this_thread;
use super::memo::Text;
use super::receiver::Receiver;
use super::roles::{Awaited, Deadline};
use super::shared::{Guard, Shared};
use super::{Monitor, ReplyHandler, Timeout, after, next_id};
use crate::driver::Submission;
use crate::driver::fds::Fds;
use crate::error::{Code, Error, Result};
use crate::proto::request::Request;
use crate::sys::buffer::Buffer;
use crate::sys::socket::MAX_FDS;

/// The index of a call stands in the lower half of its id, so that cancelling finds it at once.
const INDEX_BITS: u32 = 24;

/// A request that was handed to the link, with the lock still held.
struct Begun<'a> {
    shared: Guard<'a>,
    call: u32,
    /// Its id for the application.
    id: u64,
    timeout: Option<u32>,
    /// Why the link refused it.
    refused: Option<Error>,
}

impl Monitor {
    /// Sends a whole QMP command and waits for the whole reply.
    pub fn run(&self, request: &[u8], fds: &[RawFd], timeout: Timeout) -> Result<Buffer> {
        self.block(Text::Whole(request), fds, timeout)
    }

    /// Sends a command and waits for the value of `return`.
    pub fn execute(&self, command: &str, arguments: Option<&[u8]>, timeout: Timeout) -> Result<Buffer> {
        self.block(Text::Command(command, arguments), &[], timeout)
    }

    /// Sends a whole QMP command; the callback gets the whole reply. Gives the id for [`Monitor::cancel`].
    pub fn start(&self, request: &[u8], fds: &[RawFd], timeout: Timeout, done: ReplyHandler) -> Result<u64> {
        self.start_for(Receiver::Closure(done), request, fds, timeout)
    }

    /// Like [`Monitor::start`], for any receiver.
    pub fn start_for(&self, receiver: Receiver, request: &[u8], fds: &[RawFd], timeout: Timeout) -> Result<u64> {
        let text = Text::Whole(request);
        let mut receiver = Some(receiver);
        let started = self.begin(text, fds, timeout, |call| {
            if let Some(receiver) = receiver.take() {
                call.waiter = Waiter::Reply(receiver);
            }
        });
        let Begun { mut shared, call, id, timeout, refused } =
            started.map_err(|why| self.named(why, &command_of(text)))?;
        if let Some(why) = refused {
            let refused = shared.hub.calls.try_remove(call as usize);
            self.reactor().settle(&mut shared);
            drop(shared);
            drop(refused);
            return Err(self.named(why, &command_of(text)));
        }
        if timeout == Some(0) {
            shared.give_up(call, Code::Timeout);
        }
        self.reactor().settle(&mut shared);
        Ok(id)
    }

    /// An error of this request: it names the target and the command, as far as that can be told.
    pub fn named_request(&self, error: Error, request: &[u8]) -> Error {
        if error.is_named() { error } else { self.named(error, &command_of(Text::Whole(request))) }
    }

    /// Ends an open request with CANCELED; 0: all of them, also those that threads wait for.
    pub fn cancel(&self, id: u64) -> Result<()> {
        let mut shared = self.reactor().lock()?;
        shared.hub.mon(self)?;
        let calls: Vec<u32> = if id == 0 {
            let own = |(_, call): &(usize, &Call)| call.mon == self.key() && !matches!(call.asked, Asked::Link);
            let mut calls: Vec<_> =
                shared.hub.calls.iter().filter(own).map(|(key, call)| (call.id, key as u32)).collect();
            calls.sort_unstable();
            calls.into_iter().map(|(_, key)| key).collect()
        } else {
            let key = (id & ((1 << INDEX_BITS) - 1)) as usize;
            let open = shared.hub.calls.get(key).is_some_and(|call| call.id == id && call.mon == self.key());
            if !open {
                return Err(Error::new(Code::InvalidArgument, format!("no request {id} is open")));
            }
            vec![key as u32]
        };
        // The last one first: what waits behind another is not begun just because that other is given up. Their answers
        // come in order.
        let forget = |call: &u32| (*call, shared.forget(*call, Code::Canceled));
        let errors: Vec<_> = calls.iter().rev().map(forget).collect();
        for (call, error) in errors.into_iter().rev() {
            if let Some(error) = error {
                shared.hub.settle(call, Err(error));
            }
        }
        self.reactor().settle(&mut shared);
        Ok(())
    }

    /// The domains of the hypervisor, as JSON.
    pub fn domains(&self, timeout: Timeout) -> Result<Buffer> {
        self.try_domains(timeout).map_err(|why| self.named(why, "domains"))
    }

    fn try_domains(&self, timeout: Timeout) -> Result<Buffer> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let link = mon.connected()?;
        let timeout = timeout.resolve(mon.options.timeout);
        let (mon, waiter) = (self.key(), Waiter::Thread(None, None));
        let entry = Call { mon, id: 0, asked: Asked::Domains, timeout, deadline: None, waiter };
        let call = shared.hub.insert_call(entry);
        let Shared { core, hub, .. } = &mut *shared;
        let asked = if timeout == Some(0) {
            Some(Ok(()))
        } else {
            core.with(link, |driver, io| driver.list(mon, call, io, hub))
        };
        self.finish_blocking(Begun { shared, call, id: 0, timeout, refused: asked.and_then(Result::err) })
    }

    fn block(&self, text: Text<'_>, fds: &[RawFd], timeout: Timeout) -> Result<Buffer> {
        self.try_block(text, fds, timeout).map_err(|why| self.named(why, &command_of(text)))
    }

    fn try_block(&self, text: Text<'_>, fds: &[RawFd], timeout: Timeout) -> Result<Buffer> {
        self.finish_blocking(self.begin(text, fds, timeout, |_| {})?)
    }

    /// Waits for the answer to a call of this thread, unless the link refused it.
    #[inline(always)]
    fn finish_blocking(&self, begun: Begun<'_>) -> Result<Buffer> {
        let Begun { mut shared, call, timeout, refused, .. } = begun;
        if let Some(why) = refused {
            shared.hub.calls.try_remove(call as usize);
            self.reactor().settle(&mut shared);
            return Err(why);
        }
        let deadline = match timeout {
            None => None,
            Some(0) => {
                shared.give_up(call, Code::Timeout);
                None
            }
            Some(ms) => Some(Deadline::after(ms)),
        };
        let answer = self.reactor().wait_for(shared, call, deadline)?;
        answer.map(|text| text.unwrap_or_else(|| Buffer::concat(&[])))
    }

    /// Checks a request and hands it to the link.
    fn begin(
        &self,
        text: Text<'_>,
        fds: &[RawFd],
        timeout: Timeout,
        fill: impl FnOnce(&mut Call),
    ) -> Result<Begun<'_>> {
        let fds = if fds.is_empty() { None } else { Some(duplicate(fds)?) };
        let (mut shared, request) = self.check(text)?;
        let mon = shared.hub.mon(self)?;
        let link = mon.connected()?;
        let timeout = timeout.resolve(mon.options.timeout);
        let (mon, waiter) = (self.key(), Waiter::Thread(None, None));
        let asked = Asked::Request(Arc::clone(&request));
        let id = next_id() << INDEX_BITS | shared.hub.calls.vacant_key() as u64;
        let mut entry = Call { mon, id, asked, timeout, deadline: None, waiter };
        fill(&mut entry);
        let started = matches!(entry.waiter, Waiter::Reply(_));
        if started {
            // One of no time at all is given up at once, and nobody has to look for it.
            entry.deadline = timeout.filter(|ms| *ms > 0).map(after);
        }
        let call = shared.hub.insert_call(entry);
        if timeout == Some(0) {
            return Ok(Begun { shared, call, id, timeout, refused: None });
        }
        // What callbacks start goes out together, when the last of them has run.
        let cork = started && shared.dispatcher == Some(this_thread());
        let value_only = matches!(text, Text::Command(..));
        let what = Submission { call, request: &request, value_only, fds, cork };
        let Shared { core, hub, .. } = &mut *shared;
        let submitted = core.with(link, |driver, io| driver.submit(mon, what, io, hub));
        let refused = match submitted {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(why),
            None => Some(Error::new(Code::Disconnected, "the monitor is not connected")),
        };
        Ok(Begun { shared, call, id, timeout, refused })
    }

    /// The checked request: the last one again, or checked now, without the lock.
    #[inline(always)]
    fn check(&self, text: Text<'_>) -> Result<(Guard<'_>, Arc<Request>)> {
        let mut shared = self.reactor().lock()?;
        if let Some(request) = shared.memo.get(text) {
            return Ok((shared, request));
        }
        let limit = shared.hub.mon(self)?.options.max_message;
        drop(shared);
        let request = Arc::new(parse(text, limit)?);
        let mut shared = self.reactor().lock()?;
        shared.memo.put(text, &request);
        Ok((shared, request))
    }
}

impl super::Reactor {
    /// Waits for the answer to a call that a thread made, and takes the call out.
    pub(super) fn wait_for(&self, shared: Guard<'_>, call: u32, deadline: Option<Deadline>) -> Result<Outcome> {
        let take = |shared: &mut Shared| {
            let Waiter::Thread(_, answer) = &mut shared.hub.calls.get_mut(call as usize)?.waiter else { return None };
            answer.take()
        };
        let (mut shared, answer) = self.wait(shared, deadline, Awaited::Call(call), take)?;
        let answer = answer.or_else(|| {
            shared.give_up(call, Code::Timeout);
            self.settle(&mut shared);
            take(&mut shared)
        });
        shared.hub.calls.try_remove(call as usize);
        answer.ok_or_else(|| Error::new(Code::Internal, "a call ended without an answer"))
    }
}

fn parse(text: Text<'_>, limit: usize) -> Result<Request> {
    match text {
        Text::Whole(text) => Request::parse(text, limit),
        Text::Command(command, arguments) => Request::execute(command, arguments, limit),
    }
}

/// The command's name, for a message: as far as it can be told.
fn command_of(text: Text<'_>) -> String {
    match text {
        Text::Command(command, _) => command.to_owned(),
        Text::Whole(whole) => {
            Request::parse(whole, whole.len()).map(|request| request.command().to_owned()).unwrap_or_default()
        }
    }
}

/// The error of a request with so many descriptors.
pub fn too_many(count: usize) -> Error {
    Error::new(Code::InvalidArgument, format!("{count} descriptors with one request, expected at most {MAX_FDS}"))
}

/// Duplicates of the caller's descriptors, who keeps his own.
fn duplicate(fds: &[RawFd]) -> Result<Fds> {
    if fds.len() > MAX_FDS {
        return Err(too_many(fds.len()));
    }
    let each = |fd: &RawFd| {
        crate::sys::duplicate(*fd)
            .map_err(|why| Error::from_io(Code::InvalidArgument, format!("descriptor {fd} cannot be duplicated"), &why))
    };
    let duplicates: Vec<OwnedFd> = fds.iter().map(each).collect::<Result<_>>()?;
    Ok(duplicates.into())
}
