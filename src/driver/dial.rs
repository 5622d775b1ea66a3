//! How a socket link comes about: dial and retry, or listen and accept, or take a descriptor over.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::names;
use crate::error::{Code, Error, Result};
use crate::sys::socket as sys;
use crate::target::Endpoint;

/// Pauses between attempts grow from the first to the second of these.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Of several addresses of a host one may lead nowhere, and say nothing: after so long the next is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// An address that can be dialled without asking anybody.
#[derive(Clone, Debug)]
pub enum Address {
    /// A UNIX socket.
    Unix(UnixAddr),
    /// A TCP socket.
    Tcp(SocketAddr),
}

impl Address {
    /// The UNIX socket at this path.
    pub fn unix(path: &Path) -> Result<Address> {
        UnixAddr::from_pathname(path).map(Address::Unix).map_err(|why| unusable(&why))
    }

    /// Is it one of libvirt's sockets that allow no changes?
    pub fn is_read_only(&self) -> bool {
        let Address::Unix(address) = self else { return false };
        address.as_pathname().is_some_and(|path| allows_no_changes(&path.to_string_lossy()))
    }
}

/// Is the socket at this path one of libvirt's that allow no changes? They are known by their names.
pub fn allows_no_changes(path: &str) -> bool {
    path.ends_with("-sock-ro")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(address) => match (address.as_pathname(), address.as_abstract_name()) {
                (Some(path), _) => path.display().fmt(f),
                (_, name) => write!(f, "@{}", String::from_utf8_lossy(name.unwrap_or_default())),
            },
        }
    }
}

/// Where to go.
#[derive(Clone, Debug)]
pub enum Goal {
    /// These, in turn.
    Addresses(Vec<Address>),
    /// The addresses of this host, at this port.
    Name(Box<str>, u16),
}

impl Goal {
    /// A host, by name or by address, and a port.
    pub fn tcp(host: &str, port: u16) -> Goal {
        let addresses =
            |all: &[IpAddr]| Goal::Addresses(all.iter().map(|ip| Address::Tcp(SocketAddr::new(*ip, port))).collect());
        match host.parse::<IpAddr>() {
            Ok(ip) => addresses(&[ip]),
            // This name means nothing else (RFC 6761, section 6.3).
            Err(_) if host.eq_ignore_ascii_case("localhost") => {
                addresses(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
            }
            Err(_) => Goal::Name(host.into(), port),
        }
    }
}

/// Where a socket comes from.
#[derive(Debug)]
pub enum Place {
    /// Dialling.
    Dial(Goal),
    /// Listening at the first of these that can be bound.
    Listen(Vec<Address>),
    /// It is connected already.
    Connected(OwnedFd),
}

/// The place of an endpoint. To listen at a host's name the system's resolver is asked at once, which may take its time:
/// call it with no lock held. A descriptor is not a place: see [`adopt`].
pub fn resolve(endpoint: &Endpoint, listen: bool) -> Result<Place> {
    let goal = match endpoint {
        Endpoint::Unix(path) => Goal::Addresses(vec![Address::unix(Path::new(&**path))?]),
        Endpoint::Abstract(name) => {
            let address = UnixAddr::from_abstract_name(name.as_bytes()).map_err(|why| unusable(&why))?;
            Goal::Addresses(vec![Address::Unix(address)])
        }
        Endpoint::Tcp(host, port) => Goal::tcp(host, *port),
        Endpoint::Fd(_) => return Err(Error::new(Code::Unsupported, "the descriptor is used up: it connects once")),
    };
    Ok(match goal {
        goal if !listen => Place::Dial(goal),
        Goal::Addresses(addresses) => Place::Listen(addresses),
        Goal::Name(host, port) => Place::Listen(names::now(&host, port)?),
    })
}

fn unusable(why: &io::Error) -> Error {
    Error::from_io(Code::Connect, "the address cannot be used", why)
}

/// Duplicates a descriptor of the caller, who keeps his own. It must be a stream socket, and becomes non-blocking, which
/// all its owners share.
pub fn adopt(fd: i32) -> Result<OwnedFd> {
    let bad = |why: io::Error| Error::from_io(Code::InvalidArgument, format!("descriptor {fd} cannot be used"), &why);
    let socket = crate::sys::duplicate(fd).map_err(bad)?;
    if !sys::is_stream(socket.as_fd()) {
        return Err(Error::new(Code::InvalidArgument, format!("descriptor {fd} is not a stream socket")));
    }
    sys::set_nonblocking(socket.as_fd()).map_err(bad)?;
    Ok(socket)
}

/// What an attempt to connect led to.
#[derive(Debug)]
pub enum Attempt {
    /// Connected.
    Open(OwnedFd),
    /// Writable as soon as it is decided.
    Pending(OwnedFd),
    /// Not now: worth another try after this pause.
    Later(Duration),
    /// Not at all.
    Failed(Error),
}

/// The dialling side.
#[derive(Debug)]
pub struct Dialer {
    addresses: Vec<Address>,
    next: usize,
    pause: Duration,
    /// The last failure, and which address it was.
    last: Option<(usize, io::Error)>,
}

impl Dialer {
    /// Dials these addresses in turn.
    pub fn new(addresses: Vec<Address>) -> Self {
        Dialer { addresses, next: 0, pause: FIRST_PAUSE, last: None }
    }

    /// Tries the next address.
    pub fn attempt(&mut self) -> Attempt {
        loop {
            let Some(address) = self.addresses.get(self.next) else { return self.rest() };
            self.next += 1;
            match dial(address) {
                Ok(attempt) => return attempt,
                Err(why) => {
                    if let Some(error) = self.failed(why) {
                        return Attempt::Failed(error);
                    }
                }
            }
        }
    }

    /// How long an attempt may take before the next address has its turn; `None`: there is no other.
    pub fn patience(&self) -> Option<Duration> {
        (self.addresses.len() > 1).then_some(PATIENCE)
    }

    /// An attempt failed. An error comes back if trying again would be of no use.
    pub fn failed(&mut self, why: io::Error) -> Option<Error> {
        let hopeless = !is_temporary(&why) && self.addresses.len() == 1;
        let last = self.last.insert((self.next.saturating_sub(1), why));
        hopeless.then(|| failure(&self.addresses, last, ""))
    }

    /// Why it has not worked so far, for when the deadline comes.
    pub fn error(&self) -> Error {
        match &self.last {
            Some(last) => failure(&self.addresses, last, " (tried again until the deadline)"),
            None => Error::new(Code::Timeout, "the connection was not accepted in time"),
        }
    }

    fn rest(&mut self) -> Attempt {
        self.next = 0;
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Attempt::Later(pause)
    }
}

fn failure(addresses: &[Address], (at, why): &(usize, io::Error), how: &str) -> Error {
    let address = addresses.get(*at).map(ToString::to_string).unwrap_or_default();
    Error::from_io(Code::Connect, format!("cannot connect to {address}{how}"), why)
}

/// Not there yet, not listening yet, or its queue is full: all of these pass.
fn is_temporary(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock | ErrorKind::Interrupted
    ) || matches!(why.raw_os_error(), Some(libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ECONNRESET))
}

fn dial(address: &Address) -> io::Result<Attempt> {
    Ok(match address {
        // A UNIX socket connects at once or says why not; a full queue is WouldBlock, and no edge would come.
        Address::Unix(address) => {
            let stream = mio::net::UnixStream::connect_addr(address)?;
            Attempt::Open(OwnedFd::from(UnixStream::from(stream)))
        }
        Address::Tcp(address) => {
            let stream = mio::net::TcpStream::connect(*address)?;
            Attempt::Pending(OwnedFd::from(TcpStream::from(stream)))
        }
    })
}

/// The listening side: QEMU dials in.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    /// The path that binding made, to be removed again.
    path: Option<Made>,
}

/// A socket file that was made, and which one it is.
#[derive(Debug)]
struct Made {
    path: Box<Path>,
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Listens at the first address that can be bound.
    pub fn bind(addresses: &[Address]) -> Result<Listener> {
        let mut last = None;
        for address in addresses {
            match bind(address) {
                Ok(listener) => return Ok(listener),
                Err(why) => last = Some(why),
            }
        }
        let why = last.unwrap_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable));
        Err(Error::from_io(Code::Connect, "cannot listen", &why))
    }

    /// Takes a connection, if one is waiting.
    pub fn accept(&self) -> io::Result<Option<OwnedFd>> {
        match crate::sys::socket::accept(self.socket.as_fd()) {
            Ok(socket) => Ok(Some(socket)),
            Err(why) => match why.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Ok(None),
                _ => Err(why),
            },
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody else may have put his own there meanwhile.
        if let Some(made) = self.path.as_ref().filter(|made| made.file.is_some() && made.file == file_at(&made.path)) {
            let _ = std::fs::remove_file(&made.path);
        }
    }
}

fn bind(address: &Address) -> io::Result<Listener> {
    let (socket, path) = match address {
        Address::Tcp(address) => (OwnedFd::from(TcpListener::bind(address)?), None),
        Address::Unix(address) => {
            let path = address.as_pathname();
            let bound = match UnixListener::bind_addr(address) {
                Err(why) if why.kind() == ErrorKind::AddrInUse && path.is_some_and(|p| is_stale(p, address)) => {
                    path.map(std::fs::remove_file).transpose()?;
                    UnixListener::bind_addr(address)
                }
                other => other,
            };
            let bound = OwnedFd::from(bound?);
            (bound, path.map(|path| Made { path: path.into(), file: file_at(path) }))
        }
    };
    sys::set_nonblocking(socket.as_fd())?;
    Ok(Listener { socket, path })
}

/// Which file is there, by its device and its number.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// A socket file that nobody listens at any more. Anything else at the path is not ours to remove.
fn is_stale(path: &Path, address: &UnixAddr) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    is_socket
        && mio::net::UnixStream::connect_addr(address).is_err_and(|why| why.kind() == ErrorKind::ConnectionRefused)
}
