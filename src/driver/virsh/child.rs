//! One virsh process: how it is started, and its sources in the reactor.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::watch;
use crate::driver::dial::Place;
use crate::driver::wire::Wire;
use crate::error::{Code, Error, Result};
use crate::proto::virsh::Slot;
use crate::reactor::Io;
use crate::sys::process::{Process, Streams};

/// The sources of a process: its standard input and output, its standard error, its end.
const OUTPUT: usize = 0;
const ERRORS: usize = 1;
pub(super) const END: usize = 2;
/// So many numbers a process has for its sources.
const SOURCES_EACH: usize = 4;

/// Which virsh, and where to.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) uri: String,
}

/// A virsh process.
pub(super) struct Child {
    pub(super) process: Process,
    /// What it prints; a session reads its commands from there, too.
    pub(super) output: Wire,
    pub(super) errors: Wire,
}

impl Child {
    /// The slot and the source of a source's number.
    pub(super) fn source_of(number: usize) -> (usize, usize) {
        (number / SOURCES_EACH, number % SOURCES_EACH)
    }

    /// Starts virsh. `fds` go with the command.
    pub(super) fn start(
        program: &Program,
        slot: Slot,
        mut arguments: Vec<Vec<u8>>,
        fds: &[OwnedFd],
        io: &mut Io,
    ) -> Result<Child> {
        let failed = |what: &str, why: &std::io::Error| Error::from_io(Code::System, what, why);
        let pair = || UnixStream::pair().map_err(|why| failed("a socket pair cannot be made", &why));
        let ((output, its_output), (errors, its_errors)) = (pair()?, pair()?);
        if !fds.is_empty() {
            let numbers: Vec<String> = fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
            let option = [b"--pass-fds".to_vec(), numbers.join(",").into_bytes()];
            arguments.splice(1..1, option);
        }
        let mut command = program.command(slot, &arguments);
        let input = match slot {
            Slot::Session => Some(its_output.try_clone().map_err(|why| failed("a socket cannot be duplicated", &why))?),
            Slot::Single | Slot::Events => None,
        };
        let streams = Streams { input: input.map(OwnedFd::from), output: its_output.into(), errors: its_errors.into() };
        let process = Process::start(&mut command, streams, fds).map_err(|why| program.not_started(&why))?;
        let wire = |socket: UnixStream, source: usize, io: &mut Io| {
            let mut wire = Wire::new(slot as usize * SOURCES_EACH + source, Place::Connected(socket.into()));
            wire.begin(io).map(|()| wire)
        };
        let (output, errors) = (wire(output, OUTPUT, io)?, wire(errors, ERRORS, io)?);
        watch(&process, slot as usize * SOURCES_EACH + END, io)
            .map_err(|why| failed("a process cannot be watched", &why))?;
        Ok(Child { process, output, errors })
    }
}

impl Program {
    fn command(&self, slot: Slot, arguments: &[Vec<u8>]) -> Command {
        use std::os::unix::ffi::OsStrExt;
        let mut command = Command::new(&self.path);
        command.arg("-q");
        if !self.uri.is_empty() {
            command.arg("-c").arg(&self.uri);
        }
        command.args(arguments.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        // English texts, and bytes that stay what they are.
        command.env("LC_ALL", "C");
        let noisy = ["VIRSH_DEBUG", "VIRSH_LOG_FILE", "VIRSH_DEFAULT_CONNECT_URI", "LIBVIRT_DEBUG"];
        for name in noisy.into_iter().chain(["LIBVIRT_LOG_FILTERS", "LIBVIRT_LOG_OUTPUTS"]) {
            command.env_remove(name);
        }
        match slot {
            Slot::Session => {
                // No colours, no key bindings, and no history: neither written nor cut down at the end.
                command.env("TERM", "dumb").env("INPUTRC", "/dev/null").env("VIRSH_HISTSIZE", "0");
                // The history's folder; but where the session's daemon listens may hang on it, too.
                if std::env::var_os("XDG_RUNTIME_DIR").is_some() {
                    command.env("XDG_CACHE_HOME", "/dev/null");
                }
            }
            // Its log tells when the daemon has answered the registration.
            Slot::Events => {
                command.env("LIBVIRT_LOG_FILTERS", "2:netclient").env("LIBVIRT_LOG_OUTPUTS", "2:stderr");
            }
            Slot::Single => {}
        }
        command
    }

    fn not_started(&self, why: &std::io::Error) -> Error {
        let path = &self.path;
        if why.raw_os_error() == Some(libc::E2BIG) {
            return Error::new(Code::Limit, "the command is too long for the arguments of a process");
        }
        let what = match why.kind() {
            std::io::ErrorKind::NotFound if path.contains('/') => format!("virsh is not there: {path}"),
            std::io::ErrorKind::NotFound => format!("virsh is not there: no program {path} on PATH"),
            std::io::ErrorKind::PermissionDenied => format!("virsh may not be run: {path}"),
            _ => format!("virsh cannot be started: {path}"),
        };
        Error::from_io(Code::Connect, what, why)
    }
}

/// Something short that a virsh does not print by chance: its end is not a hexadecimal digit, so that a number may
/// follow. What a machine says is between two line ends, where it can be no mark.
pub(super) fn random_key() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:03x}z", random & 0xfff)
}
