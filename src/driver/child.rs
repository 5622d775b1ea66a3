//! A child process that stands in for a peer, with its sources in the reactor.
//!
//! What it reads and prints goes over one socket pair, what it complains of over another: a socket never raises SIGPIPE,
//! and the child sees the end of its input when its owner is gone. Dropping the process ends and reaps it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::dial::Place;
use super::wire::Wire;
use crate::error::{Code, Error, Result};
use crate::reactor::Io;
use crate::sys::process::{Process, Streams};

/// The sources of a child: its standard input and output, its standard error, its end.
pub(super) const OUTPUT: usize = 0;
pub(super) const ERRORS: usize = 1;
pub(super) const END: usize = 2;
/// So many numbers whoever may have a child keeps for its sources: a block of its own.
pub(super) const SOURCES_EACH: usize = 4;

/// A running child.
pub(super) struct Child {
    pub(super) process: Process,
    /// What it prints; one that has an input reads from there, too.
    pub(super) output: Wire,
    pub(super) errors: Wire,
}

/// The block and the source within it of a source's number.
pub(super) fn source_of(number: usize) -> (usize, usize) {
    (number / SOURCES_EACH, number % SOURCES_EACH)
}

impl Child {
    /// Starts the program, whose sources get the numbers of this block. `reads`: it has an input. It inherits `fds` under
    /// their own numbers. `name` is what it is, for messages.
    pub(super) fn start(
        command: &mut Command,
        name: &str,
        reads: bool,
        fds: &[OwnedFd],
        block: usize,
        io: &mut Io,
    ) -> Result<Child> {
        let failed = |what: &str, why: &std::io::Error| Error::from_io(Code::System, what, why);
        let pair = || UnixStream::pair().map_err(|why| failed("a socket pair cannot be made", &why));
        let ((output, its_output), (errors, its_errors)) = (pair()?, pair()?);
        let input = match reads {
            true => Some(its_output.try_clone().map_err(|why| failed("a socket cannot be duplicated", &why))?),
            false => None,
        };
        let streams = Streams { input: input.map(OwnedFd::from), output: its_output.into(), errors: its_errors.into() };
        let process = Process::start(command, streams, fds).map_err(|why| not_started(command, name, &why))?;
        let source = |part: usize| block * SOURCES_EACH + part;
        let wire = |socket: UnixStream, part: usize, io: &mut Io| {
            let mut wire = Wire::new(source(part), Place::Connected(socket.into()));
            wire.begin(io).map(|()| wire)
        };
        let (output, errors) = (wire(output, OUTPUT, io)?, wire(errors, ERRORS, io)?);
        if let Some(end) = process.end_fd() {
            io.register(end.as_raw_fd(), source(END), mio::Interest::READABLE)
                .map_err(|why| failed("a process cannot be watched", &why))?;
        }
        Ok(Child { process, output, errors })
    }
}

fn not_started(command: &Command, name: &str, why: &std::io::Error) -> Error {
    let path = command.get_program().to_string_lossy();
    if why.raw_os_error() == Some(libc::E2BIG) {
        return Error::new(Code::Limit, "the command is too long for the arguments of a process");
    }
    let what = match why.kind() {
        std::io::ErrorKind::NotFound if path.contains('/') => format!("{name} is not there: {path}"),
        std::io::ErrorKind::NotFound => format!("{name} is not there: no program {path} on PATH"),
        std::io::ErrorKind::PermissionDenied => format!("{name} may not be run: {path}"),
        _ => format!("{name} cannot be started: {path}"),
    };
    Error::from_io(Code::Connect, what, why)
}
