//! TLS to a daemon: rustls between the socket and the packets, and libvirt's one byte of confirmation.
//!
//! A daemon looks at the client's certificate and address after the handshake, and sends one byte, 1, when it accepts them
//! (libvirt: src/rpc/virnetserverclient.c). Before that nothing is said.

mod files;
mod terms;

use rustls::ClientConnection;

pub(super) use terms::Terms;

use super::channel::Out;
use crate::driver::fds::Fds;
use crate::driver::wire::{Stop, Wire};
use crate::error::{Code, Error, Result};
use crate::proto::outbox::Outbox;
use crate::reactor::Io;

/// What the daemon says when it lets the client in.
const CONFIRMED: u8 = 1;
/// So much is sealed ahead of what the socket takes.
const AHEAD: usize = 256 * 1024;

/// One TLS connection.
pub(super) struct Tls {
    terms: Terms,
    session: ClientConnection,
    /// What is to be written to the socket.
    sealed: Outbox<Fds>,
    /// What was read and is not a whole packet yet.
    opened: Vec<u8>,
    confirmed: bool,
}

impl Tls {
    /// A connection that has not said anything yet.
    pub(super) fn new(terms: &Terms) -> Result<Tls> {
        let session = terms.session()?;
        let (sealed, opened) = (Outbox::new(), Vec::new());
        Ok(Tls { terms: terms.clone(), session, sealed, opened, confirmed: false })
    }

    /// Has the daemon let us in?
    pub(super) fn is_open(&self) -> bool {
        self.confirmed
    }

    /// What is waited for before that.
    pub(super) fn waits_for(&self) -> Option<&'static str> {
        if self.confirmed {
            None
        } else if self.session.is_handshaking() {
            Some("the TLS handshake")
        } else {
            Some("the daemon to confirm our certificate and address (one byte behind the TLS handshake)")
        }
    }

    /// The error of a connection that ended too early; `None`: it did not.
    pub(super) fn ended_early(&self) -> Option<Error> {
        let when = self.waits_for()?;
        let text = format!("the daemon closed the connection while {when} was waited for: {}", self.terms.identity());
        Some(Error::new(Code::Auth, text))
    }

    /// Reads what there is; see [`Wire::read`].
    pub(super) fn read(
        &mut self,
        wire: &mut Wire,
        to_the_end: bool,
        io: &mut Io,
        mut digest: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> std::result::Result<(), Stop> {
        let read = wire.read(to_the_end, io, |buf| {
            let opened = self.open(buf);
            buf.clear();
            opened?;
            self.confirm()?;
            if self.confirmed && !self.opened.is_empty() {
                digest(&mut self.opened)?;
            }
            Ok(())
        });
        // An alert says more to the other side than a closed connection.
        let sent = self.send(wire, io);
        read?;
        sent.map_err(Stop::Failed)
    }

    /// Takes the seal off.
    fn open(&mut self, mut sealed: &[u8]) -> Result<()> {
        while !sealed.is_empty() {
            let broken = |why: std::io::Error| Error::from_io(Code::Protocol, "TLS", &why);
            self.session.read_tls(&mut sealed).map_err(broken)?;
            let state = self.session.process_new_packets().map_err(|why| self.terms.error(&why))?;
            let (before, len) = (self.opened.len(), state.plaintext_bytes_to_read());
            self.opened.resize(before + len, 0);
            std::io::Read::read_exact(&mut self.session.reader(), &mut self.opened[before..]).map_err(broken)?;
        }
        Ok(())
    }

    fn confirm(&mut self) -> Result<()> {
        if self.confirmed || self.opened.is_empty() {
            return Ok(());
        }
        match self.opened.remove(0) {
            CONFIRMED => {
                self.confirmed = true;
                Ok(())
            }
            other => {
                let text = format!(
                    "the daemon does not accept our certificate or address (it says {other}, expected {CONFIRMED}): {}",
                    self.terms.identity()
                );
                Err(Error::new(Code::Auth, text))
            }
        }
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self, wire: &mut Wire, out: &mut Out, writable: bool, io: &mut Io) -> Result<()> {
        if wire.is_blocked() && !writable {
            return Ok(());
        }
        loop {
            let mut more = false;
            while self.confirmed && self.sealed.len() < AHEAD {
                let Some((bytes, _)) = out.next() else { break };
                let broken = |why: std::io::Error| Error::from_io(Code::Protocol, "TLS", &why);
                let n = std::io::Write::write(&mut self.session.writer(), bytes).map_err(broken)?;
                out.wrote(n);
                self.seal()?;
                more = true;
            }
            self.send(wire, io)?;
            if !more || wire.is_blocked() {
                return Ok(());
            }
        }
    }

    /// Writes what the session has to say.
    fn send(&mut self, wire: &mut Wire, io: &mut Io) -> Result<()> {
        self.seal()?;
        if self.sealed.is_empty() { Ok(()) } else { wire.flush(&mut self.sealed, io) }
    }

    fn seal(&mut self) -> Result<()> {
        let mut sealed = Ok(());
        if self.session.wants_write() {
            self.sealed.push(None, |out| {
                while sealed.is_ok() && self.session.wants_write() {
                    sealed = self.session.write_tls(out).map(drop);
                }
            });
        }
        sealed.map_err(|why| Error::from_io(Code::Protocol, "TLS", &why))
    }
}
