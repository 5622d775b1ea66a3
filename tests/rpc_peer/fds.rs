//! Descriptors as libvirt passes them: behind the packet, each with one byte of its own.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Room for one descriptor, aligned as the kernel wants it.
#[repr(align(8))]
struct Control([u8; 64]);

fn message(byte: &mut libc::iovec, control: &mut Control, room: usize) -> libc::msghdr {
    // SAFETY: a message header of zeros is valid, and empty.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = room as _;
    message
}

pub fn send(socket: &UnixStream, fd: RawFd) {
    let (mut zero, mut control) = ([0u8], Control([0; 64]));
    let mut byte = libc::iovec { iov_base: zero.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: CMSG_SPACE only computes.
    let room = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as usize;
    let message = message(&mut byte, &mut control, room);
    // SAFETY: the header and the descriptor fit into the room that was said to be there.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    assert_eq!(sent, 1, "a descriptor cannot be sent: {}", io::Error::last_os_error());
}

pub fn receive(socket: &UnixStream) -> OwnedFd {
    let (mut got, mut control) = ([1u8], Control([0; 64]));
    let mut byte = libc::iovec { iov_base: got.as_mut_ptr().cast(), iov_len: 1 };
    let mut message = message(&mut byte, &mut control, 64);
    // SAFETY: the message points to places that live as long as the call.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    assert_eq!((n, got[0]), (1, 0), "no byte of a descriptor: {}", io::Error::last_os_error());
    // SAFETY: the kernel has filled the control buffer in; a descriptor in it is ours alone.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS, "a byte without a descriptor");
        assert_eq!(
            (*header).cmsg_len as usize,
            libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize,
            "one descriptor a byte"
        );
        OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())
    }
}
