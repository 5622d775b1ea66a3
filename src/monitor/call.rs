//! The calls that wait for an answer, and how they come by it.

use std::sync::Arc;
use std::time::Instant;

use super::DoneHandler;
use super::hub::{Hub, target_of};
use super::job::{Job, Kept};
use super::receiver::Receiver;
use crate::driver::Reply;
use crate::error::{Error, Result};
use crate::proto::request::Request;
use crate::sys::buffer::Buffer;

/// A table of calls with room for more than this gives room back when it has run empty.
const MANY_CALLS: usize = 1024;

/// Something that waits for an answer.
pub struct Call {
    /// The monitor.
    pub mon: usize,
    /// The id that the application knows, or 0.
    pub id: u64,
    /// What was asked.
    pub asked: Asked,
    /// The timeout that led to it, for the message.
    pub timeout: Option<u32>,
    /// When it is given up, unless a thread waits for it, and does that.
    pub deadline: Option<Instant>,
    /// Who waits.
    pub waiter: Waiter,
}

/// What a call asked for.
pub enum Asked {
    /// A link.
    Link,
    /// What a request asks for.
    Request(Arc<Request>),
    /// The domains of the hypervisor.
    Domains,
}

impl Asked {
    /// Its name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Asked::Link => "connect",
            Asked::Request(request) => request.command(),
            Asked::Domains => "domains",
        }
    }
}

/// Who waits for an answer.
pub enum Waiter {
    /// A thread: it finds its answer here, and sits in this seat unless it leads.
    Thread(Option<usize>, Option<Outcome>),
    /// A callback.
    Reply(Receiver),
    /// The callback of a connect.
    Done(DoneHandler),
}

/// How a call ended; a connect has no text.
pub type Outcome = Result<Option<Buffer>>;

impl Hub {
    /// Takes a call in.
    pub fn insert_call(&mut self, call: Call) -> u32 {
        if self.calls.is_empty() {
            self.alarm.clear();
        }
        if let Some(at) = call.deadline {
            self.alarm.add(at);
        }
        self.calls.insert(call) as u32
    }

    /// When to look for calls that are overdue.
    pub fn first_deadline(&self) -> Option<Instant> {
        self.alarm.at().filter(|_| !self.calls.is_empty())
    }

    /// The calls whose deadlines are not after `now`; they have none any more.
    pub fn take_overdue(&mut self, now: Instant) -> Vec<u32> {
        let deadlines = self.calls.iter().filter_map(|(key, call)| Some((call.deadline?, (call.id, key))));
        let due = self.alarm.ring(now, deadlines);
        let each = |(_, (_, key)): (Instant, (u64, usize))| {
            self.calls[key].deadline = None;
            key as u32
        };
        due.into_iter().map(each).collect()
    }

    /// Takes a call out and tells whoever waits how it ended; without a reply it was a connect.
    pub fn settle(&mut self, call: u32, outcome: Result<Option<Reply<'_>>>) {
        let Some(entry) = self.calls.get_mut(call as usize) else { return };
        if let Waiter::Thread(seat, answer) = &mut entry.waiter {
            // The thread takes the entry out when it has seen the answer.
            *answer = Some(outcome.map(|reply| reply.map(Reply::into_buffer)));
            match seat {
                Some(seat) => self.seats.notify(*seat),
                None => self.disturb = true,
            }
            return;
        }
        let Call { mon, asked, waiter, .. } = self.calls.remove(call as usize);
        if self.calls.is_empty() && self.calls.capacity() > MANY_CALLS {
            self.give_room_back();
        }
        let about = |error: Error| error.about(&target_of(&self.mons, mon), asked.name());
        self.queue.push_back(match waiter {
            Waiter::Reply(receiver) => {
                let kept = match outcome {
                    Ok(reply) => Ok(Kept::of(reply.unwrap_or(Reply::Pieces([b""; 4])), &mut self.texts)),
                    Err(why) => Err(about(why)),
                };
                Job::Reply { mon, receiver, outcome: kept }
            }
            Waiter::Done(handler) => Job::Done { mon, handler, outcome: outcome.map(drop).map_err(about) },
            Waiter::Thread(..) => return,
        });
    }

    /// Thousands of calls have ended, and their table is large. It is shrunk rather than dropped: the C library would take
    /// the next one from its heap, and keep what that leaves there.
    #[cold]
    fn give_room_back(&mut self) {
        self.calls.clear();
        let waiter = Waiter::Thread(None, None);
        let key = self.calls.insert(Call { mon: 0, id: 0, asked: Asked::Link, timeout: None, deadline: None, waiter });
        self.calls.shrink_to_fit();
        self.calls.remove(key);
    }
}
