//! The lead, and how threads wait: whoever finds it free does the I/O, everybody else sleeps until the answer comes, the
//! lead is passed on, or the deadline is there.

use std::time::{Duration, Instant};

use super::call::{Asked, Waiter};
use super::shared::{Guard, Shared, Sleep, system};
use super::{Reactor, SHARED_EVENTS};
use crate::error::{Code, Delivery, Error, Result};
use crate::reactor::Driver;

/// After so many rounds in a row that could not read everything, and as many as it takes to come round all links,
/// deadlines count even so: a flood on one link must not keep them all from passing.
const PATIENCE: usize = 16;

/// What a blocked thread waits for besides the lead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awaited {
    /// The answer to a call.
    Call(u32),
    /// Something in a stream.
    Stream(usize),
    /// A callback to run.
    Turn,
}

impl Reactor {
    /// Waits until `ready` has something or the deadline is there, doing the reactor's I/O while nobody else does.
    pub(super) fn wait<'a, T>(
        &'a self,
        mut shared: Guard<'a>,
        deadline: Option<Deadline>,
        what: Awaited,
        mut ready: impl FnMut(&mut Shared) -> Option<T>,
    ) -> Result<(Guard<'a>, Option<T>)> {
        let mut seat = None;
        // How long there is is known from when the deadline was set; after a wait it is asked for again.
        let mut known = deadline.map(|deadline| deadline.left);
        let mut last_rounds = 0;
        let deadline = deadline.map(|deadline| deadline.at);
        {
            // What this thread's callback put aside has to go out before it waits for what comes of it.
            let Shared { core, hub, .. } = &mut *shared;
            core.flush(hub);
        }
        let found = loop {
            if let Some(found) = ready(&mut shared) {
                break Some(found);
            }
            let left_of = |at: Instant| at.saturating_duration_since(Instant::now());
            let until = deadline.map(|at| (at, known.take().unwrap_or_else(|| left_of(at))));
            let late = until.is_some_and(|(_, left)| left.is_zero());
            if shared.lead.is_some() {
                let until = until.map_or(Until::Forever, |(at, left)| Until::At(at, left));
                shared = self.round(shared, if late { Until::Now } else { until }, false)?;
                last_rounds += usize::from(late);
                if late && (!shared.core.may_have_more() || last_rounds > shared.patience()) {
                    // What arrived in time is in by now.
                    break ready(&mut shared);
                }
            } else if late {
                break None;
            } else {
                // The leader may have to know what this call has changed.
                self.settle(&mut shared);
                shared = self.sit(shared, &mut seat, deadline, what)?;
            }
        };
        if let Some(seat) = seat {
            shared.hub.seats.give_back(seat);
        }
        self.leave(&mut shared);
        Ok((shared, found))
    }

    /// Sleeps without the lead.
    pub(super) fn sit<'a>(
        &self,
        mut shared: Guard<'a>,
        seat: &mut Option<usize>,
        deadline: Option<Instant>,
        what: Awaited,
    ) -> Result<Guard<'a>> {
        let seat = *seat.get_or_insert_with(|| shared.hub.seats.take());
        mark(&mut shared, what, Some(seat), seat);
        shared.hub.seats.queue_for_lead(seat);
        let condvar = shared.hub.seats.condvar(seat);
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let woken = shared.sleep(&condvar, left);
        let mut shared = woken.map_err(|_| Error::new(Code::Internal, "a panic happened inside the library"))?;
        // It may lead next: then whoever has something for it has to end the leader's sleep.
        mark(&mut shared, what, None, seat);
        Ok(shared)
    }

    /// The lead, if it is free and somebody waits for it, goes to him; and everything shows what is to do.
    pub(super) fn leave(&self, shared: &mut Shared) {
        if shared.lead.is_some() {
            shared.hub.seats.pass_lead();
        }
        self.settle(shared);
    }

    /// One round of I/O as the leader, who must find the lead free: waits, takes what has arrived, then expires what is
    /// overdue.
    pub(super) fn round<'a>(&'a self, mut shared: Guard<'a>, until: Until, turns: bool) -> Result<Guard<'a>> {
        let Some(mut lead) = shared.lead.take() else { return Ok(shared) };
        {
            let Shared { core, hub, .. } = &mut *shared;
            core.flush(hub);
        }
        let first = shared.first_deadline();
        let timeout = if shared.core.has_unfinished() { Some(Duration::ZERO) } else { until.sleep_time(first) };
        if timeout != Some(Duration::ZERO) {
            shared.mask();
            shared.asleep = Some(Sleep { until: until.earliest(first), turns });
        }
        let (busy_poll, expecting) = (shared.hub.busy_poll, shared.core.take_expecting());
        drop(shared);
        let waited = lead.wait_busily(busy_poll, expecting, timeout);
        let mut shared = self.lock()?;
        shared.asleep = None;
        {
            let Shared { core, hub, .. } = &mut *shared;
            core.round(&mut lead, hub);
        }
        shared.lead = Some(lead);
        waited.map_err(|why| system("waiting for I/O failed", &why))?;
        self.expire(&mut shared);
        self.settle(&mut shared);
        Ok(shared)
    }

    /// Ends what is overdue, unless something that arrived in time may still be unread.
    fn expire(&self, shared: &mut Shared) {
        let Some(first) = shared.first_deadline() else { return };
        if shared.core.may_have_more() && shared.unfinished_rounds < shared.patience() {
            shared.unfinished_rounds += 1;
            return;
        }
        shared.unfinished_rounds = 0;
        let now = Instant::now();
        if first > now {
            return;
        }
        let Shared { core, hub, .. } = &mut *shared;
        core.expire(now, hub);
        for call in shared.hub.take_overdue(now) {
            shared.give_up(call, Code::Timeout);
        }
    }
}

impl Shared {
    /// How many rounds in a row deadlines are patient.
    fn patience(&self) -> usize {
        PATIENCE + self.core.len() / SHARED_EVENTS
    }

    /// Ends a call that nobody answered: its deadline has come, or it was cancelled.
    pub(super) fn give_up(&mut self, call: u32, code: Code) {
        if let Some(error) = self.forget(call, code) {
            self.hub.settle(call, Err(error));
        }
    }

    /// The driver forgets the call; its answer is still to be given, unless it has one.
    pub(super) fn forget(&mut self, call: u32, code: Code) -> Option<Error> {
        let entry = self.hub.calls.get(call as usize)?;
        if matches!(entry.waiter, Waiter::Thread(_, Some(_))) {
            // Answered: its thread has not come to see it yet.
            return None;
        }
        let timeout = entry.timeout.map_or_else(|| "the deadline".to_owned(), |ms| format!("{ms} ms"));
        let connect = matches!(entry.asked, Asked::Link);
        let port = entry.mon;
        let link = self.hub.mons.get(port).and_then(|mon| mon.link)?;
        let Shared { core, hub, .. } = self;
        if connect {
            // Its share of the link ends with its deadline, and that answers the call.
            core.with(link, |driver, io| {
                let why = driver.not_connected_yet(port);
                let text = format!("not connected within {timeout}: {}", why.detail().text);
                let why = Error::new(why.code(), text).with_errno(why.detail().errno);
                driver.close(port, why, io, hub);
            });
            return None;
        }
        let given_up = core.with(link, |driver, io| {
            let ahead = driver.forgotten(port);
            let delivery = driver.forget(port, call, io, hub);
            // Others may have got its place.
            driver.flush(io, hub);
            (ahead, delivery)
        });
        let (ahead, delivery) = given_up?;
        Some(Error::new(code, given_up_text(code, &timeout, ahead, delivery)).with_delivery(delivery))
    }
}

fn given_up_text(code: Code, timeout: &str, ahead: usize, delivery: Delivery) -> String {
    let mut text = if code == Code::Timeout { format!("no answer within {timeout}") } else { "cancelled".to_owned() };
    text += match delivery {
        Delivery::NotSent => "; it was not sent",
        _ => "; it was sent, so it may still be carried out, and its late answer will be dropped",
    };
    if ahead > 0 {
        text += &format!(" ({ahead} given up before it are still unanswered)");
    }
    text
}

/// When a wait ends, and how long that was when it was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    left: Duration,
}

impl Deadline {
    /// So many milliseconds from now.
    pub(super) fn after(ms: u32) -> Deadline {
        let left = Duration::from_millis(ms.into());
        Deadline { at: Instant::now() + left, left }
    }
}

/// How long a round may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Only look.
    Now,
    /// Until then, which is so long from now.
    At(Instant, Duration),
    /// Until something happens.
    Forever,
}

impl Until {
    /// Until the deadline, if there is one.
    pub(super) fn at(deadline: Option<Instant>) -> Until {
        deadline.map_or(Until::Forever, |at| Until::At(at, at.saturating_duration_since(Instant::now())))
    }

    /// How long to sleep, if this is the first deadline of all others.
    fn sleep_time(self, first: Option<Instant>) -> Option<Duration> {
        match (self, first) {
            (Until::Now, _) => Some(Duration::ZERO),
            (Until::Forever, None) => None,
            (Until::At(at, left), first) if first.is_none_or(|first| at <= first) => Some(left),
            (_, first) => first.map(|at| at.saturating_duration_since(Instant::now())),
        }
    }

    /// The earlier of this and another deadline.
    fn earliest(self, other: Option<Instant>) -> Option<Instant> {
        match self {
            Until::Now | Until::Forever => other,
            Until::At(at, _) => Some(other.map_or(at, |other| at.min(other))),
        }
    }
}

/// Notes in which seat a thread waits, or that it waits no more, where those look who have something for it.
fn mark(shared: &mut Shared, what: Awaited, seat: Option<usize>, own: usize) {
    match what {
        Awaited::Call(call) => {
            if let Some(entry) = shared.hub.calls.get_mut(call as usize) {
                if let Waiter::Thread(place, _) = &mut entry.waiter {
                    *place = seat;
                }
            }
        }
        Awaited::Stream(key) => {
            if let Some(stream) = shared.hub.streams.get_mut(key) {
                stream.seats.retain(|other| *other != own);
                stream.seats.extend(seat);
            }
        }
        Awaited::Turn => shared.turner = seat,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread::{sleep, spawn};

    use super::*;
    use crate::monitor::{Monitor, Timeout};

    /// Greets, answers the first command and, once `a` and `b` are both there, `a`.
    fn serve(mut peer: UnixStream) {
        peer.write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n").unwrap();
        let mut first = None;
        for line in BufReader::new(peer.try_clone().unwrap()).lines().map_while(std::io::Result::ok) {
            let id = line.rsplit(':').next().unwrap().trim_end_matches('}').to_owned();
            let answer = |id: &str| format!("{{\"return\": {{}}, \"id\": {id}}}\r\n");
            if line.contains("qmp_capabilities") {
                peer.write_all(answer(&id).as_bytes()).unwrap();
            } else if line.contains("\"a\"") {
                first = Some(id);
            } else if let Some(id) = first.take() {
                // So long that the one who asked this has sat down.
                sleep(Duration::from_millis(200));
                peer.write_all(answer(&id).as_bytes()).unwrap();
            }
        }
    }

    #[test]
    fn cancelling_reaches_a_leader_that_once_sat() {
        let (own, peer) = UnixStream::pair().unwrap();
        let server = spawn(move || serve(peer));
        let reactor = Reactor::new().unwrap();
        let monitor = Monitor::new(Some(&reactor), &format!("fd:{}", own.as_raw_fd())).unwrap();
        drop(own);
        monitor.connect(Timeout::Millis(5000)).unwrap();
        let run = |request: &'static [u8]| {
            let monitor = Arc::clone(&monitor);
            spawn(move || monitor.run(request, &[], Timeout::Millis(20_000)).map(drop))
        };
        let leader = run(br#"{"execute":"a"}"#);
        sleep(Duration::from_millis(100));
        let sitting = run(br#"{"execute":"b"}"#);
        leader.join().unwrap().unwrap();
        sleep(Duration::from_millis(100));
        let begin = Instant::now();
        monitor.cancel(0).unwrap();
        assert_eq!(sitting.join().unwrap().unwrap_err().code(), Code::Canceled);
        assert!(begin.elapsed() < Duration::from_secs(10));
        monitor.free();
        reactor.release();
        server.join().unwrap();
    }
}
