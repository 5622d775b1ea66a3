//! A peer that plays libvirtd step by step: it says exactly what a test tells it to, right or wrong. The test is the
//! script; the monitor's reactor runs on a thread of its own meanwhile.

// Each test program uses what it needs.
#![allow(dead_code)]

use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub mod fds;
pub mod xdr;

use xdr::{Domain, Xdr};

pub const REMOTE: u32 = 0x2000_8086;
pub const QEMU: u32 = 0x2000_8087;
pub const KEEPALIVE: u32 = 0x6b65_6570;

pub const CALL: u32 = 0;
pub const REPLY: u32 = 1;
pub const MESSAGE: u32 = 2;
pub const CALL_WITH_FDS: u32 = 4;
pub const REPLY_WITH_FDS: u32 = 5;

pub const OK: u32 = 0;
pub const ERROR: u32 = 1;

pub const PING: u32 = 1;
pub const PONG: u32 = 2;

pub const CONNECT_OPEN: u32 = 1;
pub const CONNECT_CLOSE: u32 = 2;
pub const LOOKUP_BY_ID: u32 = 22;
pub const LOOKUP_BY_NAME: u32 = 23;
pub const LOOKUP_BY_UUID: u32 = 24;
pub const SUPPORTS_FEATURE: u32 = 60;
pub const AUTH_LIST: u32 = 66;
pub const AUTH_POLKIT: u32 = 70;
pub const GET_STATE: u32 = 212;
pub const LIST_ALL_DOMAINS: u32 = 273;
pub const REGISTER_ANY: u32 = 316;
pub const DEREGISTER_ANY: u32 = 317;
pub const LIFECYCLE: u32 = 318;

pub const MONITOR_COMMAND: u32 = 1;
pub const EVENT_REGISTER: u32 = 4;
pub const EVENT_DEREGISTER: u32 = 5;
pub const MONITOR_EVENT: u32 = 6;
pub const COMMAND_WITH_FILES: u32 = 7;

const HEADER: usize = 28;
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the monitors of a test find their daemon.
pub struct Peer {
    listener: UnixListener,
    path: PathBuf,
}

impl Peer {
    pub fn new() -> Peer {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("libqmp-rpc-{}-{number}", std::process::id()));
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        // Waiting for a client has an end.
        listener.set_nonblocking(true).unwrap();
        Peer { listener, path }
    }

    pub fn hypervisor(&self) -> String {
        format!("qemu+unix:///session?socket={}", self.path.display())
    }

    pub fn target(&self, fragment: &str) -> String {
        format!("{}#{fragment}", self.hypervisor())
    }

    /// The next client.
    pub fn accept(&self) -> Daemon {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(daemon) = self.try_accept() {
                return daemon;
            }
            assert!(Instant::now() < end, "no client connects");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn try_accept(&self) -> Option<Daemon> {
        match self.listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let domains = vec![Domain::new("vm", 1)];
                Some(Daemon { socket, domains, piecemeal: false, next_callback: 0 })
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => None,
            Err(why) => panic!("accept: {why}"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A packet of the client's.
#[derive(Debug)]
pub struct Packet {
    pub program: u32,
    pub procedure: u32,
    pub kind: u32,
    pub serial: u32,
    pub status: u32,
    pub payload: Vec<u8>,
    pub fds: Vec<OwnedFd>,
}

impl Packet {
    /// The QMP command in it: after the domain comes the text, then the flags, which are none.
    pub fn command(&self) -> String {
        assert_eq!(self.program, QEMU, "no command of QEMU's: {self:?}");
        assert!([MONITOR_COMMAND, COMMAND_WITH_FILES].contains(&self.procedure), "no command: {self:?}");
        let mut xdr = xdr::Reader(&self.payload);
        xdr.domain();
        let command = xdr.string();
        assert_eq!((xdr.u32(), xdr.0.len()), (0, 0), "flags, and nothing behind them");
        command
    }

    /// The name of the domain that it is about.
    pub fn domain(&self) -> String {
        xdr::Reader(&self.payload).domain().name
    }
}

/// What a client asks while it opens its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    AuthList,
    Open,
    Feature,
    Lifecycle,
    LookUp,
    Register,
}

pub const STEPS: [Step; 6] = [Step::AuthList, Step::Open, Step::Feature, Step::Lifecycle, Step::LookUp, Step::Register];

impl Step {
    pub fn of(call: &Packet) -> Option<Step> {
        match (call.program, call.procedure) {
            (REMOTE, AUTH_LIST) => Some(Step::AuthList),
            (REMOTE, CONNECT_OPEN) => Some(Step::Open),
            (REMOTE, SUPPORTS_FEATURE) => Some(Step::Feature),
            (REMOTE, REGISTER_ANY) => Some(Step::Lifecycle),
            (REMOTE, LOOKUP_BY_ID | LOOKUP_BY_NAME | LOOKUP_BY_UUID) => Some(Step::LookUp),
            (QEMU, EVENT_REGISTER) => Some(Step::Register),
            _ => None,
        }
    }
}

/// The daemon's end of one connection.
pub struct Daemon {
    socket: UnixStream,
    /// The domains that there are; the first one is `vm`.
    pub domains: Vec<Domain>,
    /// Sends every byte by itself.
    pub piecemeal: bool,
    next_callback: u32,
}

impl Daemon {
    /// The next packet, whatever it is; `None`: the client has closed.
    pub fn packet(&mut self) -> Option<Packet> {
        let mut head = [0; HEADER];
        match self.socket.read(&mut head[..4]) {
            Ok(0) => return None,
            Ok(n) => self.socket.read_exact(&mut head[n..]).unwrap(),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return None,
            Err(why) => panic!("the client sends nothing: {why}"),
        }
        let word = |at: usize| u32::from_be_bytes(head[4 * at..4 * at + 4].try_into().unwrap());
        let mut payload = vec![0; (word(0) as usize).checked_sub(HEADER).expect("a packet shorter than its header")];
        self.socket.read_exact(&mut payload).unwrap();
        assert_eq!(word(2), 1, "the version");
        let mut fds = Vec::new();
        if word(4) == CALL_WITH_FDS {
            let count = u32::from_be_bytes(payload[..4].try_into().unwrap());
            payload.drain(..4);
            fds.extend((0..count).map(|_| fds::receive(&self.socket)));
        }
        Some(Packet {
            program: word(1),
            procedure: word(3),
            kind: word(4),
            serial: word(5),
            status: word(6),
            payload,
            fds,
        })
    }

    /// The next call. Pings are answered meanwhile.
    pub fn call(&mut self) -> Packet {
        loop {
            let packet = self.packet().expect("the client closes instead of calling");
            if packet.program == KEEPALIVE && packet.procedure == PING {
                self.pong();
                continue;
            }
            assert!([CALL, CALL_WITH_FDS].contains(&packet.kind) && packet.status == OK, "no call: {packet:?}");
            return packet;
        }
    }

    /// The next call, which has to be this one.
    pub fn expect(&mut self, program: u32, procedure: u32) -> Packet {
        let call = self.call();
        assert_eq!((call.program, call.procedure), (program, procedure), "another call: {call:?}");
        call
    }

    /// The client has closed, without another word but pings.
    pub fn expect_end(&mut self) {
        while let Some(packet) = self.packet() {
            assert_eq!(packet.program, KEEPALIVE, "something else than the end: {packet:?}");
        }
    }

    /// All that the client has sent by now. It answers a ping, in its turn.
    pub fn sent_by_now(&mut self) -> Vec<Packet> {
        self.message(KEEPALIVE, PING, &[]);
        let mut found = Vec::new();
        loop {
            let packet = self.packet().expect("the client closes instead of answering a ping");
            match (packet.program, packet.procedure) {
                (KEEPALIVE, PONG) => return found,
                (KEEPALIVE, _) => self.pong(),
                _ => found.push(packet),
            }
        }
    }

    pub fn assert_quiet(&mut self) {
        let found = self.sent_by_now();
        assert!(found.is_empty(), "unexpected: {found:?}");
    }

    pub fn pong(&mut self) {
        self.message(KEEPALIVE, PONG, &[]);
    }

    /// These bytes, as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        let size = if self.piecemeal { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(size) {
            // The client may have had enough already; what it thinks of it the test will see.
            if self.socket.write_all(piece).is_err() {
                return;
            }
        }
    }

    /// A byte of zero that carries a descriptor.
    pub fn send_fd(&mut self, fd: &OwnedFd) {
        fds::send(&self.socket, fd.as_raw_fd());
    }

    /// Ends the connection.
    pub fn hang_up(&mut self) {
        self.socket.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub fn reply(&mut self, call: &Packet, payload: &[u8]) {
        self.send(&packet(call.program, call.procedure, REPLY, call.serial, OK, payload));
    }

    /// The reply to a monitor command.
    pub fn answer(&mut self, call: &Packet, json: &str) {
        self.reply(call, &Xdr::new().string(json).0);
    }

    pub fn fail(&mut self, call: &Packet, code: i32, message: &str) {
        let payload = Xdr::new().error(code, message).0;
        self.send(&packet(call.program, call.procedure, REPLY, call.serial, ERROR, &payload));
    }

    /// Something that nobody asked for: an event, a ping. The real daemon counts events as serial 1.
    pub fn message(&mut self, program: u32, procedure: u32, payload: &[u8]) {
        let serial = u32::from(program != KEEPALIVE);
        self.send(&packet(program, procedure, MESSAGE, serial, OK, payload));
    }

    /// An event of QEMU's. `data` is left out where it is empty.
    pub fn event(&mut self, callback: u32, domain: &Domain, name: &str, data: &str) {
        self.message(QEMU, MONITOR_EVENT, &Xdr::new().monitor_event(callback, domain, name, data).0);
    }

    pub fn lifecycle(&mut self, callback: u32, domain: &Domain, event: u32, detail: u32) {
        let payload = Xdr::new().u32(callback).domain(domain).u32(event).u32(detail).0;
        self.message(REMOTE, LIFECYCLE, &payload);
    }

    /// A reply with descriptors.
    pub fn reply_with_fds(&mut self, call: &Packet, serial: u32, payload: &[u8], fds: &[OwnedFd]) {
        let payload = [&Xdr::new().u32(fds.len() as u32).0, payload].concat();
        self.send(&packet(call.program, call.procedure, REPLY_WITH_FDS, serial, OK, &payload));
        fds.iter().for_each(|fd| self.send_fd(fd));
    }

    /// What the real daemon would answer to a step of the opening.
    pub fn good_answer(&mut self, step: Step, call: &Packet) -> Vec<u8> {
        match step {
            // One way to get in: none is needed.
            Step::AuthList => Xdr::new().u32(1).u32(0).0,
            Step::Open => Vec::new(),
            Step::Feature => Xdr::new().u32(1).0,
            Step::Lifecycle | Step::Register => {
                self.next_callback += 1;
                // The real daemon counts from 0.
                Xdr::new().u32(self.next_callback - 1).0
            }
            Step::LookUp => {
                let mut xdr = xdr::Reader(&call.payload);
                let found = match call.procedure {
                    LOOKUP_BY_UUID => {
                        let uuid = xdr.uuid();
                        self.domains.iter().find(|domain| domain.uuid == uuid)
                    }
                    LOOKUP_BY_NAME => {
                        let name = xdr.string();
                        self.domains.iter().find(|domain| domain.name == name)
                    }
                    _ => {
                        let id = xdr.u32();
                        self.domains.iter().find(|domain| domain.id == id as i32)
                    }
                };
                found.map(|domain| Xdr::new().domain(domain).0).unwrap_or_default()
            }
        }
    }

    /// Answers a step of the opening; an unknown domain as the real daemon does.
    pub fn play(&mut self, step: Step, call: &Packet) {
        let answer = self.good_answer(step, call);
        if step == Step::LookUp && answer.is_empty() {
            self.fail(call, 42, "Domain not found: no domain with matching name");
        } else {
            self.reply(call, &answer);
        }
    }

    /// Plays the opening up to this step, which it leaves unanswered.
    pub fn open_until(&mut self, wanted: Step) -> Packet {
        loop {
            let call = self.call();
            let step = Step::of(&call).unwrap_or_else(|| panic!("no step of the opening: {call:?}"));
            if step == wanted {
                return call;
            }
            self.play(step, &call);
        }
    }

    /// Plays the opening for one domain. Gives the callback ids of lifecycle events and of QEMU's.
    pub fn open(&mut self) -> (u32, u32) {
        let call = self.open_until(Step::Register);
        self.play(Step::Register, &call);
        (self.next_callback - 2, self.next_callback - 1)
    }

    /// Plays the look-up for one more monitor.
    pub fn look_up(&mut self) {
        let call = self.open_until(Step::LookUp);
        self.play(Step::LookUp, &call);
    }

    /// Plays whatever belongs to openings until something else is called.
    pub fn next_command(&mut self) -> Packet {
        loop {
            let call = self.call();
            match Step::of(&call) {
                Some(step) => self.play(step, &call),
                None => return call,
            }
        }
    }

    /// The end in order: what was registered may be given up, then comes CONNECT_CLOSE, and after its answer the end.
    pub fn close(&mut self) {
        loop {
            let call = self.call();
            self.reply(&call, &[]);
            match (call.program, call.procedure) {
                (REMOTE, CONNECT_CLOSE) => break,
                (REMOTE, DEREGISTER_ANY) | (QEMU, EVENT_DEREGISTER) => {}
                _ => panic!("not part of closing: {call:?}"),
            }
        }
        self.expect_end();
    }
}

/// A packet with its length.
pub fn packet(program: u32, procedure: u32, kind: u32, serial: u32, status: u32, payload: &[u8]) -> Vec<u8> {
    let head = Xdr::new().u32((HEADER + payload.len()) as u32).u32(program).u32(1).u32(procedure);
    [&head.u32(kind).u32(serial).u32(status).0, payload].concat()
}
