//! A program between us and a daemon: ssh, or whatever the user says. Its standard input and output carry the packets, its
//! standard error tells why they do not.

mod command;
mod said;

use std::time::{Duration, Instant};

pub use command::Program;

use super::channel::Out;
use crate::driver::child::{self, Child, OUTPUT};
use crate::driver::wire::{Stop, Wire};
use crate::error::{Code, Error, Result};
use crate::proto::rpc;
use crate::reactor::{Io, Ready};
use crate::sys::process::{Ended, Process};
use said::Said;

/// A program that has closed its output has so long for its last words, and to end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// So much of what it printed is kept for the case that no daemon is behind it.
const FIRST: usize = 64;

/// A running program.
pub(super) struct Running {
    name: String,
    process: Process,
    errors: Wire,
    said: Said,
    /// The first that it printed.
    first: Vec<u8>,
    /// A whole packet came: there is a daemon.
    heard: bool,
    /// How it ended, once it has.
    status: Option<Ended>,
    /// It has closed its output, and is waited for until then.
    ending: Option<Instant>,
}

impl Running {
    /// Starts the program; the sources get the numbers of this block. The socket is what the packets go through.
    pub(super) fn start(program: &Program, block: usize, io: &mut Io) -> Result<(Wire, Running)> {
        let name = program.name().to_owned();
        let Child { process, output, errors } = Child::start(&mut program.command(), &name, true, &[], block, io)?;
        let (said, first) = (Said::default(), Vec::new());
        let running = Running { name, process, errors, said, first, heard: false, status: None, ending: None };
        Ok((output, running))
    }

    /// A source other than the packets' may be ready.
    pub(super) fn advance(&mut self, ready: Ready, io: &mut Io) {
        if ready.source == child::END && self.status.is_none() {
            self.status = self.process.ended();
        }
        if ready.source != OUTPUT {
            self.listen(io);
        }
    }

    /// Takes in what it complains of.
    fn listen(&mut self, io: &mut Io) {
        let said = &mut self.said;
        // That it will say no more is told by its end.
        let _ = self.errors.read(true, io, |buf| {
            said.hear(buf);
            buf.clear();
            Ok(())
        });
    }

    /// Has the last round left something unread?
    pub(super) fn is_unfinished(&self) -> bool {
        self.errors.is_unfinished()
    }

    /// When it is waited for no longer.
    pub(super) fn ending(&self) -> Option<Instant> {
        self.ending
    }

    /// Why nothing has come yet.
    pub(super) fn waits_for(&self) -> Option<Error> {
        let text = format!("{} has not reached a daemon in time", self.name);
        (!self.heard).then(|| self.with_words(Code::Timeout, text))
    }

    /// Reads what there is; see [`Wire::read`].
    pub(super) fn read(
        &mut self,
        wire: &mut Wire,
        to_the_end: bool,
        io: &mut Io,
        mut digest: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        if self.errors.is_unfinished() {
            self.listen(io);
        }
        // After its end nothing is added to what it has printed.
        let over = self.status.is_some();
        let (first, heard) = (&mut self.first, &mut self.heard);
        let read = wire.read(to_the_end || over || wire.is_unix(), io, |buf| {
            if !*heard {
                *first = buf[..buf.len().min(FIRST)].to_vec();
            }
            let before = buf.len();
            digest(buf)?;
            *heard |= buf.len() < before;
            Ok(())
        });
        match read {
            Ok(()) if !over || wire.is_unfinished() || !wire.is_open() => Ok(()),
            Ok(()) | Err(Stop::Ended(_)) => self.end(io),
            Err(Stop::Failed(why)) => Err(self.no_daemon().unwrap_or(why)),
        }
    }

    /// The connection has ended; why may still have to come.
    fn end(&mut self, io: &mut Io) -> Result<()> {
        if self.status.is_none() {
            self.status = self.process.ended();
        }
        if self.status.is_none() {
            let until = Instant::now() + LAST_WORDS;
            self.ending.get_or_insert(until);
            return Ok(());
        }
        self.listen(io);
        Err(self.ended())
    }

    /// It may have been waited for long enough.
    pub(super) fn expired(&mut self, now: Instant, io: &mut Io) -> Result<()> {
        if self.ending.is_none_or(|at| at > now) {
            return Ok(());
        }
        self.listen(io);
        Err(self.ended())
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&self, wire: &mut Wire, out: &mut Out, writable: bool, io: &mut Io) -> Result<()> {
        if self.ending.is_some() || out.is_empty() || (wire.is_blocked() && !writable) {
            return Ok(());
        }
        wire.flush(out, io)
    }

    /// The connection is closed: nobody waits any more.
    pub(super) fn shut(&mut self) {
        self.ending = None;
    }

    /// Why the connection is over, by the program's own words.
    ///
    /// It is not tried again, whatever it was: every attempt is a process and a login, of which a host may allow few; and
    /// ssh tries again by itself where it is told to (ConnectionAttempts).
    fn ended(&self) -> Error {
        if let Some(error) = self.no_daemon() {
            return error;
        }
        let how = match self.status {
            Some(Ended::Status(status)) => format!(" (exit status {status})"),
            Some(Ended::Signal(signal)) => format!(" (killed by signal {signal})"),
            Some(Ended::Unknown) | None => String::new(),
        };
        if self.heard {
            self.with_words(Code::Disconnected, format!("the connection through {} has ended{how}", self.name))
        } else {
            self.with_words(self.said.code(), format!("{} has ended without reaching a daemon{how}", self.name))
        }
    }

    /// The error of a program that prints what no daemon says: a login shell that greets, or another program.
    fn no_daemon(&self) -> Option<Error> {
        let length = self.first.first_chunk().map(|head| u32::from_be_bytes(*head) as usize);
        let is_packet = length.is_some_and(|length| (rpc::HEADER..=rpc::MAX_PACKET).contains(&length));
        if self.heard || self.first.is_empty() || is_packet {
            return None;
        }
        let printed = said::printable(&String::from_utf8_lossy(&self.first));
        let text = format!("{} prints what is not libvirt's protocol: \"{printed}\"", self.name);
        Some(self.with_words(Code::Protocol, text))
    }

    fn with_words(&self, code: Code, text: String) -> Error {
        match self.said.words() {
            Some(words) => Error::new(code, format!("{text}: {words}")).with_desc(words),
            None => Error::new(code, text),
        }
    }
}
