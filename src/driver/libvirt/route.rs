//! The way to a daemon, found once and gone by every connection of a link.

use std::os::fd::OwnedFd;

use super::place;
#[cfg(feature = "tls")]
use super::tls::Terms;
use crate::driver::dial::Address;
use crate::error::{Code, Error, Result};
use crate::target::uri::Uri;
use crate::target::uri::transport::Transport;

/// How the bytes of a connection get to the daemon.
pub enum Route {
    /// Over a socket.
    Socket(Vec<Address>),
    /// Over a socket that is connected already, and cannot be connected again.
    Adopted(Option<OwnedFd>),
    /// Over TLS.
    #[cfg(feature = "tls")]
    Tls(Vec<Address>, Terms),
}

impl Route {
    /// Finds the way. Reads files, and asks the system's resolver for a host name: call it with no lock held.
    pub fn find(uri: &Uri) -> Result<Route> {
        match &uri.transport {
            #[cfg(feature = "tls")]
            Transport::Tls(tls) => {
                let terms = Terms::read(tls)?;
                Ok(Route::Tls(place::resolve(&tls.host, tls.port)?, terms))
            }
            #[cfg(not(feature = "tls"))]
            Transport::Tls(_) => Err(Error::new(Code::Unsupported, "this libqmp was built without TLS")),
            Transport::Ssh(_) | Transport::Ext(_) => {
                Err(Error::new(Code::Unsupported, "this version does not reach daemons through programs"))
            }
            Transport::UnixAt(_) | Transport::Unix(_) | Transport::Tcp(..) => {
                place::addresses(&uri.transport).map(Route::Socket)
            }
        }
    }

    /// Can it be gone more than once?
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Route::Adopted(_))
    }

    /// Does it lead to a socket that allows no changes?
    pub fn is_read_only(&self) -> bool {
        matches!(self, Route::Socket(addresses) if addresses.iter().any(Address::is_read_only))
    }
}
