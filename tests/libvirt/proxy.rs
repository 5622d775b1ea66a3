//! A man in the middle of a client and a real daemon, for what a daemon does not offer by itself.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

const REMOTE: u32 = 0x2000_8086;
const CONNECT_OPEN: u32 = 1;
const READ_ONLY: u8 = 1;

/// Listens at `path` and passes on to `daemon`, opening read-only what the client opens. An unprivileged daemon has no
/// read-only socket of its own; this makes it treat the client as one of that socket. One connection, then it ends.
pub fn read_only(path: &Path, daemon: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    let daemon = daemon.to_owned();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = UnixStream::connect(daemon).unwrap();
        let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        pass_on(client, server);
    });
}

fn pass_on(mut client: UnixStream, mut server: UnixStream) {
    let mut head = [0; 4];
    while client.read_exact(&mut head).is_ok() {
        let mut packet = vec![0; u32::from_be_bytes(head) as usize];
        packet[..4].copy_from_slice(&head);
        client.read_exact(&mut packet[4..]).unwrap();
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        if (word(4), word(12)) == (REMOTE, CONNECT_OPEN) {
            // The flags are its last word.
            *packet.last_mut().unwrap() |= READ_ONLY;
        }
        server.write_all(&packet).unwrap();
    }
    let _ = server.shutdown(Shutdown::Both);
}
