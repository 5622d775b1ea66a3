//! The way to a daemon, found once and gone by every connection of a link.

use std::os::fd::OwnedFd;

use super::place;
use super::program::Program;
#[cfg(feature = "tls")]
use super::tls::Terms;
use crate::driver::dial::{Address, Goal};
use crate::error::Result;
#[cfg(not(feature = "tls"))]
use crate::error::{Code, Error};
use crate::target::uri::Uri;
use crate::target::uri::transport::Transport;

/// How the bytes of a connection get to the daemon.
pub enum Route {
    /// Over a socket.
    Socket(Goal),
    /// Over a socket that is connected already, and cannot be connected again.
    Adopted(Option<OwnedFd>),
    /// Over TLS.
    #[cfg(feature = "tls")]
    Tls(Goal, Terms),
    /// Through a program.
    Program(Program),
}

impl Route {
    /// Finds the way. Reads files: call it with no lock held. `programs`: those that the URI names may be run.
    pub fn find(uri: &Uri, programs: bool) -> Result<Route> {
        match &uri.transport {
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => Ok(Route::Tls(Goal::tcp(&tls.host, tls.port), Terms::read(tls)?)),
            #[cfg(not(feature = "tls"))]
            Transport::Tls(_) => Err(Error::new(Code::Unsupported, "this libqmp was built without TLS")),
            Transport::Ssh(ssh) => Program::ssh(ssh, &uri.name, programs).map(Route::Program),
            Transport::Ext(path) => Program::ext(path, programs).map(Route::Program),
            Transport::UnixAt(path) => Ok(Route::Socket(Goal::Addresses(vec![Address::unix(path.as_ref().as_ref())?]))),
            Transport::Unix(daemon) => Ok(Route::Socket(Goal::Addresses(place::usual(*daemon)?))),
            Transport::Tcp(host, port) => Ok(Route::Socket(Goal::tcp(host, *port))),
        }
    }

    /// Can it be gone more than once?
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Route::Adopted(_))
    }

    /// Does it lead to a socket that allows no changes?
    pub fn is_read_only(&self) -> bool {
        match self {
            Route::Socket(Goal::Addresses(addresses)) => addresses.iter().any(Address::is_read_only),
            Route::Program(program) => program.is_read_only,
            _ => false,
        }
    }
}
