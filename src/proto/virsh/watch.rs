//! The process that prints events: when it is known to do so, and what it is known to have lost.
//!
//! libvirt's client logs the daemon's answer to the registration before it has taken note of the number in it, and throws
//! away events that come in between; it was seen to take milliseconds for that, on a busy machine. So the answer alone
//! is not enough: connecting waits until virsh sleeps, with all that done. The log also tells of each event that comes,
//! so that one which is not printed is told as lost.

use std::time::{Duration, Instant};

use super::fault;
use super::lines::{self, Line, Log};
use super::opening::Phase;
use super::proxy::{Action, Proxy, Slot, shorten};
use super::running::End;
use crate::proto::event;
use crate::proto::tell::Tell;

/// So long the line is waited for that says that events are registered for, if nothing shows that it will come.
const WITNESS: Duration = Duration::from_secs(2);
/// Behind that line: so often it is looked whether virsh sleeps, and so long at the most. It may be a program around
/// virsh that is seen, or nothing.
const LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(100);
/// An event that has come is printed within this.
const PRINTING: Duration = Duration::from_secs(1);
/// Pauses before the process is started again grow from the first to the second of these.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The process that prints events.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: State,
    /// The line that it is writing to its log.
    log: Vec<u8>,
    /// How many events its log tells of that it has not printed. What is printed may be read first.
    missing: i64,
    /// The least that were missing since then.
    gap: Option<(Instant, i64)>,
    /// It prints a line without end.
    endless: bool,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// There is none, and none is wanted.
    #[default]
    Down,
    /// Started; until then the line is waited for that says that it is registered. `logs`: there are lines of that kind,
    /// so it will come, and nothing else will do.
    Starting { until: Instant, logs: bool, again: bool, pause: Duration },
    /// It is registered, and has to take note of that: when to look next, and how long.
    Settling { looks: Option<(Instant, Instant)>, again: bool, pause: Duration },
    /// It prints what comes. Not `proven`: it may not do so yet.
    Up { proven: bool },
    /// It ended, and is started again then.
    Pause { until: Instant, pause: Duration },
}

impl Watch {
    pub(super) fn down(&mut self) {
        *self = Watch { scratch: std::mem::take(&mut self.scratch), ..Watch::default() };
    }

    /// When to look after it.
    pub(super) fn deadlines(&mut self, now: Instant) -> [Option<Instant>; 2] {
        let after = |pause: Duration| now.checked_add(pause).unwrap_or(now);
        let state = match &mut self.state {
            State::Starting { until, logs: false, .. } | State::Pause { until, .. } => Some(*until),
            State::Settling { looks, .. } => Some(looks.get_or_insert((after(LOOK), after(LONGEST_LOOK))).0),
            State::Down | State::Starting { .. } | State::Up { .. } => None,
        };
        let up = matches!(self.state, State::Up { .. });
        self.gap = if up && self.missing > 0 { self.gap.or(Some((after(PRINTING), self.missing))) } else { None };
        [state, self.gap.map(|(until, _)| until)]
    }

    fn count(&mut self, change: i64) {
        self.missing = self.missing.saturating_add(change);
        if let Some((_, least)) = &mut self.gap {
            *least = self.missing.min(*least);
        }
    }
}

impl<F> Proxy<F> {
    pub(super) fn start_events(&mut self, now: Instant, again: bool, pause: Duration) {
        let Some((uuid, _)) = &self.domain else { return };
        let words = [&b"qemu-monitor-event"[..], b"--domain", uuid.as_bytes(), b"--loop"];
        let words = words.iter().map(|word| word.to_vec()).collect();
        self.actions.push_back(Action::Start(Slot::Events, words, None));
        let until = now.checked_add(WITNESS).unwrap_or(now);
        self.watch.state = State::Starting { until, logs: false, again, pause };
    }

    /// The daemon's answer is in the log.
    fn answered(&mut self, tell: &mut impl Tell) {
        match self.watch.state {
            State::Starting { again, pause, .. } => {
                self.watch.state = State::Settling { looks: None, again, pause };
            }
            State::Up { proven: false } => self.registered(true, tell),
            _ => {}
        }
    }

    /// Is it of interest whether the process for events sleeps?
    pub fn is_settling(&self) -> bool {
        matches!(self.watch.state, State::Settling { .. })
    }

    /// The process for events waits for what comes.
    pub fn settled(&mut self, tell: &mut impl Tell) {
        if self.is_settling() {
            self.registered(true, tell);
        }
    }

    /// The process for events is registered; or, if that is not `proven`, it may be.
    fn registered(&mut self, proven: bool, tell: &mut impl Tell) {
        let told = match self.watch.state {
            // What came since it was last told that events were lost, or that they may have been.
            State::Starting { again, .. } | State::Settling { again, .. } => again,
            State::Up { proven: false } if proven => true,
            State::Up { .. } | State::Down | State::Pause { .. } => return,
        };
        self.watch.state = State::Up { proven };
        if self.phase == Phase::Registering {
            self.ready(proven, tell);
        } else if told {
            tell.events_lost(self.settings.port);
        }
    }

    /// The process for events has ended.
    pub(super) fn events_ended(&mut self, end: End, errors: &str, now: Instant, tell: &mut impl Tell) {
        let before = self.watch.state;
        self.end(Slot::Events);
        if self.phase == Phase::Registering {
            return self.failed(fault::of_process(end, errors), now, tell);
        }
        let pause = match before {
            State::Down => return,
            State::Starting { pause, .. } | State::Settling { pause, .. } => pause.saturating_mul(2).min(LONGEST_PAUSE),
            State::Up { .. } | State::Pause { .. } => FIRST_PAUSE,
        };
        if matches!(before, State::Up { .. }) {
            tell.events_lost(self.settings.port);
        }
        self.watch.state = State::Pause { until: now.checked_add(pause).unwrap_or(now), pause };
    }

    pub(super) fn tick_events(&mut self, now: Instant, tell: &mut impl Tell) {
        match &mut self.watch.state {
            State::Starting { until, logs: false, .. } if *until <= now => self.registered(false, tell),
            State::Settling { looks: Some((_, last)), .. } if *last <= now => self.registered(true, tell),
            State::Settling { looks: Some((next, _)), .. } => *next = now.checked_add(LOOK).unwrap_or(now),
            State::Pause { until, pause } if *until <= now => {
                let pause = *pause;
                self.start_events(now, true, pause);
            }
            _ => {}
        }
        let gap = self.watch.gap.take_if(|(until, _)| *until <= now);
        if let Some((_, least)) = gap.filter(|(_, least)| *least > 0) {
            self.watch.count(least.saturating_neg());
            tell.events_lost(self.settings.port);
        }
    }

    pub(super) fn events_output(&mut self, buf: &[u8], tell: &mut impl Tell) -> usize {
        let (mut done, name) = (0usize, self.domain.as_ref().map(|(_, name)| name.clone()).unwrap_or_default());
        loop {
            let rest = buf.get(done..).unwrap_or_default();
            match lines::read(rest, &name) {
                Line::More if rest.len() > self.settings.limit => {
                    self.watch.endless = true;
                    return buf.len();
                }
                Line::More => return done,
                Line::Other(len) => done = done.saturating_add(len),
                Line::Event(found, len) => {
                    done = done.saturating_add(len);
                    // What it prints proves that it is registered.
                    self.registered(true, tell);
                    self.watch.count(-1);
                    match event::write(&found, &mut self.watch.scratch) {
                        Ok(()) => tell.event(self.settings.port, found.name, &self.watch.scratch),
                        Err(_) => tell.events_lost(self.settings.port),
                    }
                }
            }
        }
    }

    /// All that had come is read: was there a line without end among it?
    pub(super) fn endless_events(&mut self, now: Instant, tell: &mut impl Tell) {
        if !std::mem::take(&mut self.watch.endless) {
            return;
        }
        if self.phase == Phase::Registering {
            self.close(&self.too_much(), tell);
        } else {
            self.events_ended(End::Unknown, "", now, tell);
        }
    }

    /// The process writes a log, for the one line in it that says that it is registered, and those of events.
    pub(super) fn events_log(&mut self, text: &[u8], tell: &mut impl Tell) {
        self.watch.log.extend_from_slice(text);
        let Some(end) = memchr::memrchr(b'\n', &self.watch.log) else { return shorten(&mut self.watch.log) };
        let rest = self.watch.log.split_off(end.saturating_add(1));
        let whole = std::mem::replace(&mut self.watch.log, rest);
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            match lines::log(line) {
                Some(Log::Registered) => self.answered(tell),
                Some(Log::Event) => self.watch.count(1),
                Some(Log::Answer) => {
                    if let State::Starting { logs, .. } = &mut self.watch.state {
                        *logs = true;
                    }
                }
                Some(Log::Other) => {}
                None => self.keep_error(Slot::Events, line),
            }
        }
    }
}
