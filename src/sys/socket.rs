//! Stream sockets: reading into spare capacity, writing without SIGPIPE, passing descriptors.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{check, owned};

/// The most descriptors that go with one message: QEMU's socket takes no more at once.
pub const MAX_FDS: usize = 16;

/// Reads into the spare capacity of `buf` and lengthens it by what came. `Ok(0)` is the end of the stream.
pub fn receive(socket: BorrowedFd<'_>, buf: &mut Vec<u8>) -> io::Result<usize> {
    let spare = buf.spare_capacity_mut();
    let (start, room) = (spare.as_mut_ptr(), spare.len());
    // SAFETY: the kernel writes at most `room` bytes into the spare capacity, and says how many they were.
    unsafe {
        let n = libc::recv(socket.as_raw_fd(), start.cast(), room, libc::MSG_DONTWAIT);
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        buf.set_len(buf.len() + n);
        Ok(n)
    }
}

/// Writes what the socket takes now.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and the length describe `bytes`.
    let n = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Like [`send`], with descriptors attached to the first byte. At most [`MAX_FDS`] of them.
pub fn send_with_fds(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
    // Aligned for cmsghdr; room for the header and MAX_FDS descriptors.
    let mut control = [0u64; 12];
    if fds.len() > MAX_FDS {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let data_len = (size_of::<libc::c_int>() * fds.len()) as u32;
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the message header points at `part` and `control`, which outlive the call; `control` has CMSG_SPACE for
    // MAX_FDS descriptors (16 + 64 bytes), and CMSG_FIRSTHDR is inside it because msg_controllen covers a header.
    let n = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(data_len) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(data_len) as _;
        let data = libc::CMSG_DATA(header).cast::<libc::c_int>();
        for (i, fd) in fds.iter().enumerate() {
            data.add(i).write_unaligned(fd.as_raw_fd());
        }
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Ends the connection for every descriptor of it, also those that other processes hold.
pub fn shut_down(socket: BorrowedFd<'_>) {
    // SAFETY: no pointers. The peer may be gone already: that is as good.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// How a connection attempt ended, once the socket is writable.
pub fn connect_result(socket: BorrowedFd<'_>) -> io::Result<()> {
    match option(socket, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Is it a stream socket (and not a file, a pipe, or a socket of datagrams)?
pub fn is_stream(socket: BorrowedFd<'_>) -> bool {
    option(socket, libc::SO_TYPE).is_ok_and(|kind| kind == libc::SOCK_STREAM)
}

/// Is it a UNIX socket, which can carry descriptors?
pub fn is_unix(socket: BorrowedFd<'_>) -> bool {
    option(socket, libc::SO_DOMAIN).is_ok_and(|domain| domain == libc::AF_UNIX)
}

/// Makes reads and writes return at once. Holds for every descriptor of the open file.
pub fn set_nonblocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// Sends small requests over TCP at once. Other sockets have no such option, which is no loss.
pub fn set_nodelay(socket: BorrowedFd<'_>) {
    let on: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `on`.
    unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), len) };
}

fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`.
    check(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// Takes a waiting connection; the new descriptor is close-on-exec and does not block.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the peer's address is not asked for.
    owned(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
        )
    })
}

/// What the peer of a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// There is none yet.
    None,
    /// The socket itself: a TCP socket that dials a port of this machine may be given that very port.
    Itself,
    /// Another socket.
    Other,
}

/// What is the socket connected to?
pub fn peer(socket: BorrowedFd<'_>) -> Peer {
    // SAFETY: an all-zero address is a valid value of the type.
    let (mut own, mut peer): (libc::sockaddr_storage, libc::sockaddr_storage) = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `peer`.
    if unsafe { libc::getpeername(socket.as_raw_fd(), (&raw mut peer).cast(), &raw mut len) } != 0 {
        return Peer::None;
    }
    let mut own_len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `own_len` bytes to `own`.
    let named = unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut own).cast(), &raw mut own_len) } == 0;
    // SAFETY: both are that long, and the kernel has written as much.
    let bytes = |address: &libc::sockaddr_storage| unsafe {
        std::slice::from_raw_parts(std::ptr::from_ref(address).cast::<u8>(), len as usize).to_vec()
    };
    if named && own_len == len && bytes(&own) == bytes(&peer) { Peer::Itself } else { Peer::Other }
}
