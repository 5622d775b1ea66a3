//! Commands on their way through a virsh, and what becomes of what it prints.

use std::time::Instant;

use super::fault;
use super::opening::Phase;
use super::proxy::{Action, Job, Proxy, Session, Slot};
use super::session::{Found, Marks};
use super::words::Words;
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::outbox::Span;
use crate::proto::tell::Tell;
use crate::proto::{answer, domains};

/// What a session prints beside the answer itself.
const SLACK: usize = 4096;

/// A command that a virsh works on.
#[derive(Debug)]
pub(super) struct Running<F> {
    pub(super) job: Job<F>,
    pub(super) by: By,
    /// Where its line lies among what the session is to read.
    pub(super) span: Option<Span>,
}

/// Which virsh works on it.
#[derive(Debug)]
pub(super) enum By {
    Session(Marks),
    Single,
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

/// What a command printed.
#[derive(Debug)]
pub(super) enum Printed {
    /// This, on its standard output.
    Text(Vec<u8>),
    /// Nothing: virsh does not understand the line.
    Refused,
}

impl<F> Running<F> {
    pub(super) fn slot(&self) -> Slot {
        match self.by {
            By::Session(_) => Slot::Session,
            By::Single => Slot::Single,
        }
    }
}

impl<F> Proxy<F> {
    /// Puts the next command on its way, if none is.
    pub(super) fn run_next(&mut self, tell: &mut impl Tell) {
        while !self.is_over() && self.running.is_none() && !matches!(self.session, Session::Starting(..)) {
            let Some(job) = self.jobs.front() else { return };
            let Some(words) = self.words(job) else {
                self.jobs.pop_front();
                continue;
            };
            let for_single = match job {
                Job::Command { fds, .. } => fds.is_some(),
                Job::Step => self.settings.wakes && self.phase == Phase::Hello,
                Job::List { .. } => false,
            };
            let line = if self.settings.session && !for_single { words.line() } else { None };
            if let (Some(line), Session::Up) = (&line, &self.session) {
                let line = line.clone();
                return self.write_line(&line);
            }
            if line.is_some() {
                return self.start_session();
            }
            let Some(mut job) = self.jobs.pop_front() else { return };
            match words.arguments() {
                Ok(arguments) => {
                    let fds = if let Job::Command { fds, .. } = &mut job { fds.take() } else { None };
                    self.actions.push_back(Action::Start(Slot::Single, arguments, fds));
                    self.running = Some(Running { job, by: By::Single, span: None });
                }
                Err(why) => self.failed_job(job, why, None, tell),
            }
        }
    }

    fn words(&self, job: &Job<F>) -> Option<Words> {
        match job {
            Job::Step => self.step(),
            Job::Command { json, .. } => {
                let (uuid, _) = self.domain.as_ref()?;
                Some(Words::monitor_command(uuid, json))
            }
            Job::List { listing, .. } => listing.words(),
        }
    }

    fn next_key(&mut self) -> String {
        self.lines = self.lines.wrapping_add(1);
        format!("{}{:x}", self.settings.key, self.lines)
    }

    fn start_session(&mut self) {
        self.actions.push_back(Action::Start(Slot::Session, Vec::new(), None));
        self.proven = false;
        let marks = Marks::new(self.next_key());
        self.out.push(None, |out| out.extend_from_slice(&marks.line(b"", true)));
        self.session = Session::Starting(marks, None);
    }

    fn write_line(&mut self, line: &[u8]) {
        let Some(job) = self.jobs.pop_front() else { return };
        let marks = Marks::new(self.next_key());
        let proven = self.proven && matches!(job, Job::Command { .. });
        let span = self.out.push(None, |out| out.extend_from_slice(&marks.line(line, proven)));
        if let Some(errors) = self.errors.get_mut(Slot::Session as usize) {
            // What it said since the last command, of connections that came and went, belongs to no command.
            errors.clear();
        }
        self.running = Some(Running { job, by: By::Session(marks), span: Some(span) });
    }

    pub(super) fn session_output(&mut self, buf: &[u8], tell: &mut impl Tell) -> usize {
        if self.answer.is_some() {
            return 0;
        }
        let marks = match (&mut self.session, &mut self.running) {
            (Session::Starting(marks, _), _) => marks,
            (Session::Up, Some(Running { by: By::Session(marks), .. })) => marks,
            // It says something that nobody asked for: its prompt.
            _ => return buf.len(),
        };
        match marks.find(buf, self.settings.limit.saturating_add(SLACK)) {
            Ok(Found::More(useless)) => useless,
            Ok(Found::Answer(range, end)) => {
                self.answer = Some(Printed::Text(buf.get(range).unwrap_or_default().to_vec()));
                end
            }
            Ok(Found::Refused(end)) => {
                self.answer = Some(Printed::Refused);
                end
            }
            Err(_) => {
                self.give_up_running(self.too_much(), tell);
                buf.len()
            }
        }
    }

    /// All that had come is read: an answer of the session that was among it has its errors by now.
    pub fn proceed(&mut self, now: Instant, tell: &mut impl Tell) {
        self.endless_events(now, tell);
        let Some(printed) = self.answer.take() else { return };
        let errors = self.take_errors(Slot::Session);
        if let Session::Starting(marks, _) = &self.session {
            if marks.echoed() {
                self.session = Session::Up;
            } else {
                // Without readline it takes lines of a kilobyte, and cuts longer ones.
                self.settings.session = false;
                self.end(Slot::Session);
            }
        } else if let Some(Running { job, .. }) = self.running.take() {
            match printed {
                Printed::Text(text) => {
                    self.proven |= matches!(job, Job::Command { .. });
                    let outcome =
                        if says_nothing_but_errors(&text, &errors) { Err(fault::of(&errors)) } else { Ok(&text[..]) };
                    self.printed_by(job, outcome, now, tell);
                }
                Printed::Refused => self.printed_by(job, Err(fault::of(&errors)), now, tell),
            }
        }
        self.run_next(tell);
    }

    fn take_errors(&mut self, slot: Slot) -> String {
        let errors = self.errors.get_mut(slot as usize).map(std::mem::take).unwrap_or_default();
        String::from_utf8_lossy(&errors).into_owned()
    }

    /// A command has ended, and printed this, or failed.
    fn printed_by(&mut self, job: Job<F>, outcome: Outcome<'_>, now: Instant, tell: &mut impl Tell) {
        match job {
            Job::Step => self.stepped(outcome, now, tell),
            Job::Command { call, request, value_only, .. } => {
                let outcome = match outcome.map(<[u8]>::trim_ascii) {
                    Ok(b"") => Err(fault::of("")),
                    Ok(text) => answer::read(text, &request, value_only, self.settings.limit),
                    Err(why) => Err(self.lost_link(why)),
                };
                let garbage = outcome.as_ref().is_err_and(|why| why.code() == Code::Protocol);
                tell.answered(call, outcome);
                if garbage && self.running.is_none() {
                    self.end(Slot::Session);
                }
            }
            Job::List { call, mut listing } => {
                let printed = listing.printed(outcome.as_ref().ok().copied());
                match (printed, listing.words(), outcome) {
                    (false, _, Err(why)) => tell.answered(call, Err(self.lost_link(why))),
                    (_, None, _) => tell.answered(call, domains::answer(&listing.json(), self.settings.limit)),
                    (_, Some(_), _) => self.jobs.push_front(Job::List { call, listing }),
                }
            }
        }
    }

    /// Once there was a link, a daemon that cannot be reached is a link that is lost.
    fn lost_link(&self, why: Error) -> Error {
        if why.code() == Code::Connect && self.phase == Phase::Ready { why.with_code(Code::Disconnected) } else { why }
    }

    /// The process has ended like this. All that it printed was handed in.
    pub fn exited(&mut self, slot: Slot, end: End, now: Instant, tell: &mut impl Tell) {
        let errors = self.take_errors(slot);
        match slot {
            Slot::Session => self.session_ended(end, &errors, now, tell),
            Slot::Single => {
                let text = std::mem::take(&mut self.printed);
                if let Some(Running { job, .. }) = self.running.take_if(|running| matches!(running.by, By::Single)) {
                    let ok = match end {
                        End::Status(status) => status == 0,
                        End::Signal(_) => false,
                        End::Unknown => !text.is_empty() && !says_nothing_but_errors(&text, &errors),
                    };
                    let outcome = if ok { Ok(&text[..]) } else { Err(fault::of_process(end, &errors)) };
                    self.printed_by(job, outcome, now, tell);
                }
            }
            Slot::Events => self.events_ended(end, &errors, now, tell),
        }
        self.run_next(tell);
    }

    fn session_ended(&mut self, end: End, errors: &str, now: Instant, tell: &mut impl Tell) {
        let starting = matches!(self.session, Session::Starting(..));
        // It went before anything of the line was written: the line is for the next one.
        let untouched = |span: Option<Span>| span.is_some_and(|span| !self.out.has_begun(span));
        if let Some(running) = self.running.take_if(|running| untouched(running.span)) {
            self.jobs.push_front(running.job);
            return self.end(Slot::Session);
        }
        let running = self.running.take_if(|running| matches!(running.by, By::Session(_)));
        let delivery = running.as_ref().map_or(Delivery::NotSent, |running| self.delivery(running));
        self.end(Slot::Session);
        let job = if starting { self.jobs.pop_front() } else { running.map(|running| running.job) };
        let Some(job) = job else { return };
        let mut why = fault::of_process(end, errors);
        if why.delivery() != Delivery::NotSent {
            why = why.with_delivery(delivery);
        }
        if !starting {
            // That it had a connection is lost with it.
            why = self.lost_link(why);
        }
        self.failed_job(job, why, Some(now), tell);
    }

    /// virsh could not be started.
    pub fn not_started(&mut self, slot: Slot, why: Error, now: Instant, tell: &mut impl Tell) {
        match slot {
            Slot::Session => {
                self.end(Slot::Session);
                if let Some(job) = self.jobs.pop_front() {
                    self.failed_job(job, why, Some(now), tell);
                }
            }
            Slot::Single => {
                if let Some(Running { job, .. }) = self.running.take() {
                    self.failed_job(job, why, Some(now), tell);
                }
            }
            Slot::Events if self.phase == Phase::Registering => self.failed(why, now, tell),
            Slot::Events => self.events_ended(End::Unknown, "", now, tell),
        }
        self.run_next(tell);
    }

    /// Ends what a virsh works on, and that virsh.
    pub(super) fn give_up_running(&mut self, why: Error, tell: &mut impl Tell) {
        if let Some(running) = self.running.take() {
            self.end(running.slot());
            self.failed_job(running.job, why, None, tell);
        } else {
            self.end(Slot::Session);
            if self.phase != Phase::Ready {
                self.close(&why, tell);
            }
        }
    }

    fn failed_job(&mut self, job: Job<F>, why: Error, now: Option<Instant>, tell: &mut impl Tell) {
        match (job, now) {
            (Job::Step, Some(now)) => self.failed(why, now, tell),
            (Job::Step, None) => self.close(&why, tell),
            (Job::Command { call, .. } | Job::List { call, .. }, _) => tell.answered(call, Err(self.lost_link(why))),
        }
    }
}

/// A virsh whose exit status nobody knows has failed if it complains and prints nothing.
fn says_nothing_but_errors(text: &[u8], errors: &str) -> bool {
    text.trim_ascii().is_empty() && !fault::complaints(errors).is_empty()
}

/// Needed by the opening: a result of text.
pub(super) type Outcome<'a> = Result<&'a [u8]>;
