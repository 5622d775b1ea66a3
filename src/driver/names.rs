//! The addresses of a host name, without waiting for them.
//!
//! The system's resolver has no call that does not block, and this library makes no threads. But it comes as a program:
//! `getent ahosts NAME` asks whatever nsswitch.conf(5) says, and its end is one more thing that a reactor can wait for.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::dial::Address;
use crate::error::{Code, Error, Result};
use crate::sys::process::{Process, Streams};
use crate::sys::socket as sys;

/// More than any host has addresses for.
const MAX_TEXT: usize = 64 * 1024;

/// A question to the resolver.
#[derive(Debug)]
pub struct Lookup {
    host: Box<str>,
    port: u16,
    output: OwnedFd,
    text: Vec<u8>,
    /// Ended and reaped with this.
    _process: Process,
}

impl Lookup {
    /// Asks. `Err`: the program is not there, so these are the addresses that a call that blocks has found.
    pub fn start(host: &str, port: u16) -> std::result::Result<Lookup, Result<Vec<Address>>> {
        let asked = UnixStream::pair().and_then(|(output, its_output)| {
            let errors = its_output.try_clone()?;
            let streams = Streams { input: None, output: its_output.into(), errors: errors.into() };
            let process = Process::start(Command::new("getent").args(["ahosts", host]), streams, &[])?;
            Ok((OwnedFd::from(output), process))
        });
        match asked {
            Ok((output, process)) => {
                Ok(Lookup { host: host.into(), port, output, text: Vec::new(), _process: process })
            }
            Err(_) => Err(now(host, port)),
        }
    }

    /// The name that was asked for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Reads what the resolver has said; `None` until it has said everything.
    pub fn answer(&mut self) -> Option<Result<Vec<Address>>> {
        loop {
            self.text.reserve(4096);
            match sys::receive(self.output.as_fd(), &mut self.text) {
                Ok(0) => break,
                Ok(_) if self.text.len() < MAX_TEXT => {}
                Ok(_) => break,
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => return None,
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let addresses = read(&String::from_utf8_lossy(&self.text), self.port);
        Some(if addresses.is_empty() { Err(unknown(&self.host)) } else { Ok(addresses) })
    }
}

impl AsRawFd for Lookup {
    /// Readable when there is something to read for [`Lookup::answer`].
    fn as_raw_fd(&self) -> RawFd {
        self.output.as_raw_fd()
    }
}

/// The addresses of a host, from a call that may block.
pub fn now(host: &str, port: u16) -> Result<Vec<Address>> {
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|why| Error::from_io(Code::Connect, format!("the host {host} is not found"), &why))?;
    let addresses: Vec<_> = found.map(Address::Tcp).collect();
    if addresses.is_empty() { Err(unknown(host)) } else { Ok(addresses) }
}

fn unknown(host: &str) -> Error {
    Error::new(Code::Connect, format!("the host {host} is not found: the system's resolver knows no address"))
}

/// Reads lines of `ADDRESS TYPE NAME`; each address comes once for each type of socket.
fn read(text: &str, port: u16) -> Vec<Address> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(address), Some("STREAM")) = (words.next(), words.next()) else { continue };
        found.extend(parse(address).map(|ip| SocketAddr::new(ip, port)).filter(|new| !found.contains(new)));
    }
    found.into_iter().map(Address::Tcp).collect()
}

/// An address; what follows a percent sign names an interface, which libvirt's daemons are not bound to.
fn parse(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_read_once() {
        let text =
            "127.0.0.1 STREAM localhost\n127.0.0.1 DGRAM\n::1   STREAM x\n::1 RAW\n::1 STREAM\nnonsense STREAM\n\n";
        let found: Vec<String> = read(text, 7).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1:7", "[::1]:7"]);
        assert!(read("", 7).is_empty());
    }
}
