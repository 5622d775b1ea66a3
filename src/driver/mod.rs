//! The drivers: each owns its sources, feeds its protocol machine, and tells a [`Sink`] what came out.
//!
//! Drivers know nothing of monitors, callbacks or locks: a *port* is the number of a monitor that a driver serves, a
//! *call* the number of something that waits for an answer. They never import each other.

mod child;
pub mod dial;
pub mod fds;
mod inbox;
pub mod libvirt;
pub mod names;
pub mod socket;
mod told;
pub mod virsh;
pub mod wire;

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Code, Delivery, Error, Result};
use crate::proto::request::Request;
use crate::proto::tell::Answer;
use crate::reactor::{Driver, Io, Ready};
use crate::sys::buffer::Buffer;
use fds::Fds;
use libvirt::Libvirt;
use socket::Socket;
use virsh::Virsh;

/// What drivers tell, in the order in which the link brought it.
pub trait Sink {
    /// The link of this port is ready for commands.
    fn connected(&mut self, port: usize);
    /// A request is answered, or cannot be any more.
    fn answered(&mut self, call: u32, outcome: Result<Reply<'_>>);
    /// An event. `name` and `json` are valid UTF-8 without NUL.
    fn event(&mut self, port: usize, name: &[u8], json: &[u8]);
    /// Events were lost on the way; nobody knows how many if there is no count.
    fn events_lost(&mut self, port: usize, count: Option<u64>);
    /// The domain of this port was started, or has stopped, for this reason (libvirt's word).
    fn domain(&mut self, port: usize, started: bool, reason: &str);
    /// The link is gone, or never came about. The calls that waited have been answered.
    fn closed(&mut self, port: usize, why: Error);
}

/// What a caller gets.
pub enum Reply<'a> {
    /// A text in pieces, which lie in a read buffer.
    Pieces(Answer<'a>),
    /// A text of its own.
    Whole(Buffer),
}

impl Reply<'_> {
    /// As a text of its own.
    pub fn into_buffer(self) -> Buffer {
        match self {
            Reply::Pieces(pieces) => Buffer::concat(&pieces),
            Reply::Whole(buffer) => buffer,
        }
    }
}

/// A request on its way to a driver.
pub struct Submission<'a> {
    /// Who waits for the answer.
    pub call: u32,
    /// What is asked.
    pub request: &'a Arc<Request>,
    /// Does the caller want the whole reply, or the value of `return` alone?
    pub value_only: bool,
    /// Descriptors that go with it.
    pub fds: Option<Fds>,
    /// More is likely to follow before anybody waits: write it with the rest.
    pub cork: bool,
}

/// A link of any driver. One of a socket serves one port; one of libvirt serves any number.
pub enum Link {
    /// QEMU's monitor socket. Boxed: the reactor keeps thousands of these in one table.
    Socket(Box<Socket>),
    /// A libvirt daemon.
    Libvirt(Box<Libvirt>),
    /// The program virsh.
    Virsh(Box<Virsh>),
}

impl Link {
    /// Begins to connect.
    pub fn begin<S: Sink>(&mut self, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.begin(io, sink),
            Link::Libvirt(libvirt) => libvirt.begin(io, sink),
            Link::Virsh(virsh) => virsh.begin(io, sink),
        }
    }

    /// Sends or queues a request. On failure nothing was sent and no answer will come.
    pub fn submit<S: Sink>(&mut self, port: usize, what: Submission<'_>, io: &mut Io, sink: &mut S) -> Result<()> {
        match self {
            Link::Socket(socket) => socket.submit(what, io, sink),
            Link::Libvirt(libvirt) => libvirt.submit(port, what, io, sink),
            Link::Virsh(virsh) => virsh.submit(what, io, sink),
        }
    }

    /// Asks for the domains of the hypervisor. On failure no answer will come.
    pub fn list<S: Sink>(&mut self, port: usize, call: u32, io: &mut Io, sink: &mut S) -> Result<()> {
        match self {
            Link::Socket(_) => Err(Error::new(
                Code::Unsupported,
                "a monitor socket knows its own machine alone, not the domains of a host",
            )),
            Link::Libvirt(libvirt) => libvirt.list(port, call, io, sink),
            Link::Virsh(virsh) => virsh.list(call, io, sink),
        }
    }

    /// Nobody waits for this call any more. Tells how far it got.
    pub fn forget<S: Sink>(&mut self, port: usize, call: u32, io: &mut Io, sink: &mut S) -> Delivery {
        match self {
            Link::Socket(socket) => socket.forget(call),
            Link::Libvirt(libvirt) => libvirt.forget(port, call),
            Link::Virsh(virsh) => virsh.forget(call, io, sink),
        }
    }

    /// How many requests that were given up the other side still has to answer before the port's next one.
    pub fn forgotten(&self, port: usize) -> usize {
        match self {
            Link::Socket(socket) => socket.forgotten(),
            Link::Libvirt(libvirt) => libvirt.forgotten(port),
            // A virsh that works on what nobody waits for is ended.
            Link::Virsh(_) => 0,
        }
    }

    /// Ends the port's share of the link: `why` answers what is open.
    pub fn close<S: Sink>(&mut self, port: usize, why: Error, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.close(why, io, sink),
            Link::Libvirt(libvirt) => libvirt.close(port, why, io, sink),
            Link::Virsh(virsh) => virsh.close(&why, io, sink),
        }
    }

    /// Why the port is not connected yet, as the error of a connect whose deadline has come.
    pub fn not_connected_yet(&self, port: usize) -> Error {
        match self {
            Link::Socket(socket) => socket.not_connected_yet(),
            Link::Libvirt(libvirt) => libvirt.not_connected_yet(port),
            Link::Virsh(virsh) => virsh.not_connected_yet(),
        }
    }

    /// The greeting as it came. `None`: this link shows none, but QEMU can be asked for what stands in it.
    pub fn greeting(&self) -> Option<&[u8]> {
        match self {
            Link::Socket(socket) => Some(socket.greeting()),
            Link::Libvirt(_) | Link::Virsh(_) => None,
        }
    }

    /// Can the port do what the name says?
    pub fn supports(&self, port: usize, feature: &str) -> bool {
        match self {
            Link::Socket(socket) => socket.supports(feature),
            Link::Libvirt(libvirt) => libvirt.supports(port, feature),
            Link::Virsh(virsh) => virsh.supports(feature),
        }
    }
}

impl<S: Sink> Driver<S> for Link {
    fn ready(&mut self, ready: Ready, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.ready(ready, io, sink),
            Link::Libvirt(libvirt) => libvirt.ready(ready, io, sink),
            Link::Virsh(virsh) => virsh.ready(ready, io, sink),
        }
    }

    fn resume(&mut self, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.resume(io, sink),
            Link::Libvirt(libvirt) => libvirt.resume(io, sink),
            Link::Virsh(virsh) => virsh.resume(io, sink),
        }
    }

    fn expired(&mut self, now: Instant, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.expired(now, io, sink),
            Link::Libvirt(libvirt) => libvirt.expired(now, io, sink),
            Link::Virsh(virsh) => virsh.expired(now, io, sink),
        }
    }

    fn flush(&mut self, io: &mut Io, sink: &mut S) {
        match self {
            Link::Socket(socket) => socket.flush(io, sink),
            Link::Libvirt(libvirt) => libvirt.flush(io, sink),
            Link::Virsh(virsh) => virsh.settle(io, sink),
        }
    }
}
