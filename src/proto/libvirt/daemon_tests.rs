//! The daemon that host_tests and sasl_tests play: calls are read as they were written, answers are made by hand.

use super::*;
use crate::proto::remote::{self, Procedure};
use crate::proto::rpc::{self, Header, Packets};
use crate::proto::tell::Answer;
use crate::proto::xdr::Writer;

pub(super) const DEMO: [u8; 16] = [0xde; 16];

/// What was told, as words.
#[derive(Default)]
pub(super) struct Told(Vec<String>);

impl Tell for Told {
    fn connected(&mut self, port: usize) {
        self.0.push(format!("{port} connected"));
    }
    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>) {
        self.0.push(match answer {
            Ok(parts) => format!("call {call}: {}", String::from_utf8(parts.concat()).unwrap()),
            Err(why) => format!("call {call}: {:?} {:?}", why.code(), why.delivery()),
        });
    }
    fn event(&mut self, port: usize, name: &[u8], _json: &[u8]) {
        self.0.push(format!("{port} {}", String::from_utf8_lossy(name)));
    }
    fn events_lost(&mut self, port: usize) {
        self.0.push(format!("{port} lost"));
    }
    fn domain(&mut self, port: usize, started: bool, reason: &'static str) {
        self.0.push(format!("{port} {} {reason}", if started { "started" } else { "stopped" }));
    }
    fn closed(&mut self, port: usize, why: Error) {
        self.0.push(format!("{port} closed: {:?} {why}", why.code()));
    }
}

/// A call as it came to the daemon.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) procedure: Procedure,
    pub(super) serial: u32,
    pub(super) with_fds: bool,
    pub(super) arguments: Vec<u8>,
}

pub(super) struct Bench {
    pub(super) host: Host<u32>,
    pub(super) told: Told,
    pub(super) now: Instant,
}

pub(super) const UNIX: Line = Line { is_unix: true, is_private: true };
pub(super) const TCP: Line = Line { is_unix: false, is_private: false };

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::of(Login { forced: None, credentials: Err("none is set".into()) })
    }

    pub(super) fn of(login: Login) -> Bench {
        let interval = Some(Duration::from_secs(5));
        let name = "qemu:///system".to_owned();
        let settings = Settings { name, read_only: false, interval, count: 2, max_links: 3, login };
        Bench { host: Host::new(settings), told: Told::default(), now: Instant::now() }
    }

    /// One whose connection is ready, over a UNIX socket.
    pub(super) fn ready() -> Bench {
        let mut bench = Bench::new();
        bench.open(0);
        bench
    }

    pub(super) fn open(&mut self, conn: usize) {
        self.host.opened(conn, UNIX, self.now);
        self.expect(conn, remote::AUTH_LIST, |w| drop_(w.u32(1).i32(0)));
        self.expect(conn, remote::CONNECT_OPEN, |_| {});
        self.expect(conn, remote::CONNECT_SUPPORTS_FEATURE, |w| drop_(w.i32(1)));
        if conn == 0 {
            self.expect(conn, remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, |w| drop_(w.i32(77)));
        }
    }

    /// The calls that are to be written to a connection; they are written.
    pub(super) fn calls(&mut self, conn: usize) -> Vec<Call> {
        let mut bytes = Vec::new();
        let out = self.host.outbox(conn).unwrap();
        while let Some((next, _)) = out.next() {
            bytes.extend_from_slice(next);
            let n = next.len();
            out.wrote(n);
        }
        let (mut packets, mut calls) = (Packets::default(), Vec::new());
        let mut rest = bytes.as_slice();
        while let Some(packet) = packets.next(rest).unwrap() {
            let Header { program, procedure, kind, serial, .. } = packet.header;
            let with_fds = kind == rpc::CALL_WITH_FDS;
            let arguments = rest[packet.payload].to_vec();
            calls.push(Call { procedure: Procedure { program, number: procedure }, serial, with_fds, arguments });
            // The byte that stands for a descriptor.
            rest = &rest[packets.consumed() + usize::from(with_fds)..];
            packets.shift();
        }
        assert!(rest.is_empty());
        calls
    }

    pub(super) fn call(&mut self, conn: usize) -> Call {
        let calls = self.calls(conn);
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.into_iter().next().unwrap()
    }

    pub(super) fn input(&mut self, conn: usize, bytes: &[u8]) {
        if let Err(why) = self.host.input(conn, bytes, self.now, &mut self.told) {
            self.host.lost(conn, why, &mut self.told);
        }
    }

    pub(super) fn answer(&mut self, conn: usize, call: &Call, result: impl FnOnce(&mut Writer<'_>)) {
        self.input(conn, &reply(call, rpc::OK, result));
    }

    pub(super) fn refuse(&mut self, conn: usize, call: &Call, code: i32) {
        self.input(conn, &reply(call, rpc::ERROR, error(code)));
    }

    /// The one call that is to be written is this; it is answered.
    pub(super) fn expect(&mut self, conn: usize, procedure: Procedure, result: impl FnOnce(&mut Writer<'_>)) {
        let call = self.call(conn);
        assert_eq!(call.procedure, procedure);
        self.answer(conn, &call, result);
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told.0)
    }

    /// A monitor of this domain joins, is looked up, and is ready.
    pub(super) fn join(&mut self, port: usize, name: &str, uuid: [u8; 16]) {
        self.attach(port, name);
        self.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain(name, uuid));
        self.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, |w| drop_(w.i32(port as i32 + 100)));
        assert_eq!(self.told(), [format!("{port} connected")]);
    }

    pub(super) fn attach(&mut self, port: usize, name: &str) {
        let wanted = Some(Wanted::Name(name.as_bytes().into()));
        self.host.attach(port, wanted, 1 << 20, &mut self.told);
    }

    pub(super) fn submit(&mut self, port: usize, call: u32) {
        self.host.submit(port, call, &request(), false, None).unwrap();
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        if let Err((conn, why)) = self.host.tick(self.now) {
            self.host.lost(conn, why, &mut self.told);
        }
    }
}

pub(super) fn drop_(_: &mut Writer<'_>) {}

pub(super) fn request() -> Arc<Request> {
    Arc::new(Request::parse(br#"{"execute":"stop","id":7}"#, 1000).unwrap())
}

pub(super) fn domain(name: &str, uuid: [u8; 16]) -> impl FnOnce(&mut Writer<'_>) {
    move |writer| remote::Domain { name: name.as_bytes(), uuid, id: 3 }.write(writer)
}

pub(super) fn error(code: i32) -> impl FnOnce(&mut Writer<'_>) {
    move |writer| {
        writer.i32(code).i32(10).some_string(b"no").i32(2).u32(0).u32(0).u32(0).u32(0).i32(-1).i32(-1).u32(0);
    }
}

pub(super) fn reply(call: &Call, status: i32, result: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let Procedure { program, number } = call.procedure;
    let mut bytes = Vec::new();
    let header = Header { program, procedure: number, kind: rpc::REPLY, serial: call.serial, status };
    rpc::packet(&mut bytes, header, result);
    bytes
}

pub(super) fn message(procedure: Procedure, payload: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let Procedure { program, number } = procedure;
    let mut bytes = Vec::new();
    let header = Header { program, procedure: number, kind: rpc::MESSAGE, serial: 1, status: rpc::OK };
    rpc::packet(&mut bytes, header, payload);
    bytes
}

pub(super) fn event(callback: i32, uuid: [u8; 16]) -> Vec<u8> {
    message(remote::DOMAIN_MONITOR_EVENT, |writer| {
        domain("demo", uuid)(writer.i32(callback));
        writer.string(&[b"STOP"]).u32(0).u32(5).u32(6).u32(0);
    })
}

pub(super) fn lifecycle(uuid: [u8; 16], event: i32, detail: i32) -> Vec<u8> {
    message(remote::DOMAIN_EVENT_CALLBACK_LIFECYCLE, |writer| {
        domain("demo", uuid)(writer.i32(77));
        writer.i32(event).i32(detail);
    })
}

/// The result of a monitor command.
pub(super) fn done(writer: &mut Writer<'_>) {
    writer.string(&[br#"{"return":{},"id":"libvirt-5"}"#]);
}
