//! A daemon that is played, on TCP, behind TLS or not: as much of libvirtd as a monitor asks for, and faults.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::pki::{Authority, Identity};

/// What a daemon does, and where it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All that it should.
    Good,
    /// All that it should, a byte at a time.
    Dripping,
    /// It takes the connection and says nothing.
    Silent,
    /// It sends the beginning of its part of the handshake.
    StopsInside,
    /// It closes the connection after the first bytes from the client.
    Closes,
    /// It sends no byte of confirmation.
    Unconfirmed,
    /// It sends this one.
    Confirms(u8),
    /// It is something else.
    Web,
}

/// A daemon on a port of loopback; it ends with this.
pub struct Daemon {
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Plays one. `clients`: whose certificates it wants to see.
    pub fn start(
        identity: &Identity,
        clients: Option<&Authority>,
        versions: &[&'static SupportedProtocolVersion],
        manner: Manner,
    ) -> Daemon {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions);
        let builder = builder.unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = Arc::new(builder.with_single_cert(identity.chain(), identity.private_key()).unwrap());
        Daemon::accepting(TcpListener::bind("127.0.0.1:0").unwrap(), move |socket| {
            // What the client thinks of it is what the test asks.
            let _ = serve(socket, Arc::clone(&config), manner);
        })
    }

    fn accepting(listener: TcpListener, each: impl Fn(TcpStream) + Send + 'static) -> Daemon {
        let (address, over) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                each(socket);
            }
        });
        Daemon { address, over, thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes a byte at a time.
struct Drip(TcpStream, bool);

impl Read for Drip {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Drip {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let some = if self.1 { &buf[..1.min(buf.len())] } else { buf };
        self.0.write(some)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn serve(mut socket: TcpStream, config: Arc<ServerConfig>, manner: Manner) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    // A client that has gone is noticed; one that waits is not waited for for ever.
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut first = [0; 16];
    match manner {
        Manner::Silent => return wait_for_end(&mut socket),
        Manner::Closes => return socket.read(&mut first).map(drop),
        Manner::StopsInside => {
            socket.read_exact(&mut first)?;
            // The head of a record of 1,000 bytes, and no more.
            socket.write_all(&[22, 3, 3, 3, 232, 2])?;
            return wait_for_end(&mut socket);
        }
        Manner::Web => {
            socket.read_exact(&mut first)?;
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
            return wait_for_end(&mut socket);
        }
        _ => {}
    }
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(session, Drip(socket, manner == Manner::Dripping));
    match manner {
        Manner::Unconfirmed => return wait_for_end(&mut stream),
        Manner::Confirms(byte) => stream.write_all(&[byte])?,
        _ => stream.write_all(&[1])?,
    }
    stream.flush()?;
    answer(&mut stream, Duration::ZERO)
}

/// A daemon without TLS at this address of loopback, which takes its time for each answer.
pub fn start_plain(address: &str, pause: Duration) -> Daemon {
    Daemon::accepting(TcpListener::bind(address).unwrap(), move |mut socket| {
        // Each client has a thread of its own, as with a real daemon.
        thread::spawn(move || answer(&mut socket, pause));
    })
}

/// Answers calls until the client is gone.
fn answer(stream: &mut (impl Read + Write), pause: Duration) -> std::io::Result<()> {
    loop {
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let mut packet = vec![0; u32::from_be_bytes(len) as usize - 4];
        stream.read_exact(&mut packet)?;
        thread::sleep(pause);
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        let (program, procedure) = (word(0), word(8));
        let mut reply = packet[..24].to_vec();
        reply[12..16].copy_from_slice(&1u32.to_be_bytes());
        match (program & 1, procedure) {
            // AUTH_LIST: none.
            (0, 66) => reply.extend([0, 0, 0, 1, 0, 0, 0, 0]),
            // A look-up by name: the name, and a UUID that is made of it.
            (0, 23) => {
                let (name, mut uuid) = (&packet[24..], [7; 16]);
                uuid[..4].copy_from_slice(&name[name.len() - 4..]);
                reply.extend([name, &uuid, &[0, 0, 0, 1]].concat());
            }
            // The registrations for events of the host and of a domain.
            (0, 316) | (1, 4) => reply.extend(word(16).to_be_bytes()),
            // DOMAIN_MONITOR_COMMAND.
            (1, 1) => reply.extend(string("{\"return\":{\"status\":\"running\"},\"id\":\"libvirt-1\"}")),
            // CONNECT_LIST_ALL_DOMAINS.
            (0, 273) => reply.extend(domains(5000)),
            _ => {}
        }
        stream.write_all(&[&(reply.len() as u32 + 4).to_be_bytes()[..], &reply].concat())?;
        stream.flush()?;
    }
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u32).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn domains(count: u32) -> Vec<u8> {
    let mut list = count.to_be_bytes().to_vec();
    for number in 0..count {
        list.extend(string(&format!("domain-{number:05}")));
        list.extend([&[0; 12][..], &number.to_be_bytes(), &1u32.to_be_bytes()].concat());
    }
    list.extend(count.to_be_bytes());
    list
}

fn wait_for_end(stream: &mut impl Read) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}
