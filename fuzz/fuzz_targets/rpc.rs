//! A libvirtd with a will of its own. See ../README.md.

#![no_main]

mod daemon;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::Call;
use libfuzzer_sys::fuzz_target;
use qmp::error::{Code, Error, Result};
use qmp::proto::libvirt::{Credentials, Host, Line, Login, PLACES, Settings, Wanted};
use qmp::proto::remote::{self, Procedure};
use qmp::proto::request::Request;
use qmp::proto::rpc;
use qmp::proto::tell::{Answer, Tell};
use serde_json::value::RawValue;

const PORTS: u8 = 4;
const MAX_LINKS: usize = 3;
const NAMES: [&[u8]; 3] = [b"vm", b"other", b"6462f2e5-0bd0-4a2c-9d4c-0a1b2c3d4e5f"];

/// What was told, and what is still to come.
#[derive(Default)]
struct Told {
    /// Calls that wait for their answer, and whose they are.
    waiting: BTreeMap<u32, usize>,
    /// Ports that are attached, and whether they are connected.
    ports: BTreeMap<usize, bool>,
}

impl Tell for Told {
    fn connected(&mut self, port: usize) {
        let connected = self.ports.get_mut(&port).expect("a port that is not attached is connected");
        assert!(!std::mem::replace(connected, true), "a port is connected twice");
    }

    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>) {
        assert!(self.waiting.remove(&call).is_some(), "an answer that nobody waits for");
        if let Ok(parts) = answer {
            assert!(std::str::from_utf8(&parts.concat()).is_ok_and(|text| !text.contains('\0')), "not fit for C");
        }
    }

    fn event(&mut self, port: usize, name: &[u8], json: &[u8]) {
        assert!(self.ports.contains_key(&port), "an event for nobody");
        assert!(!name.contains(&0) && std::str::from_utf8(name).is_ok(), "not fit for C");
        assert!(serde_json::from_slice::<&RawValue>(json).is_ok(), "an event that is not JSON");
    }

    fn events_lost(&mut self, port: usize) {
        assert!(self.ports.contains_key(&port), "a loss for nobody");
    }

    fn domain(&mut self, port: usize, _started: bool, _reason: &'static str) {
        assert!(self.ports.contains_key(&port), "an event for nobody");
    }

    fn closed(&mut self, port: usize, _why: Error) {
        assert!(self.ports.remove(&port).is_some(), "a port is closed twice");
        assert!(self.waiting.values().all(|other| *other != port), "a call is left without an answer");
    }
}

struct Bed {
    host: Host<()>,
    told: Told,
    now: Instant,
    /// What each connection brought and is not used up.
    inputs: Vec<Vec<u8>>,
    /// What each connection was asked and has not answered.
    open: Vec<Vec<Call>>,
    next_call: u32,
}

impl Bed {
    fn new() -> Bed {
        let settings = Settings {
            name: "qemu:///system".to_owned(),
            read_only: false,
            interval: Some(Duration::from_secs(5)),
            count: 2,
            max_links: MAX_LINKS,
            login: Login { forced: None, credentials: Ok(Credentials::new("fred", "secret").expect("a name")) },
        };
        let (host, told, now) = (Host::new(settings), Told::default(), Instant::now());
        Bed { host, told, now, inputs: Vec::new(), open: Vec::new(), next_call: 0 }
    }

    /// Opens what is to be opened, and takes what is to be written.
    fn settle(&mut self) {
        while self.open.len() < self.host.conns() {
            let conn = self.open.len();
            self.open.push(Vec::new());
            self.inputs.push(Vec::new());
            self.host.opened(conn, Line { is_unix: true, is_private: true }, self.now);
        }
        assert!(self.open.len() <= MAX_LINKS, "{} connections", self.open.len());
        for (conn, open) in self.open.iter_mut().enumerate() {
            let Some(out) = self.host.outbox(conn) else { continue };
            open.extend(daemon::calls(out));
            let working = open.iter().filter(|call| call.procedure != remote::CONNECT_CLOSE).count();
            assert!(working <= PLACES || self.host.is_closed(conn), "{working} calls on the wire");
        }
    }

    fn input(&mut self, conn: usize, bytes: &[u8]) {
        if self.host.is_over() || conn >= self.inputs.len() || self.host.is_closed(conn) {
            return;
        }
        self.inputs[conn].extend_from_slice(bytes);
        match self.host.input(conn, &self.inputs[conn], self.now, &mut self.told) {
            Ok(done) => drop(self.inputs[conn].drain(..done)),
            Err(why) => self.host.lost(conn, why, &mut self.told),
        }
    }

    /// Answers a call; `packet` says how.
    fn answer(&mut self, pick: u8, packet: impl FnOnce(&Call) -> Vec<u8>) {
        let conn = usize::from(pick >> 6) % self.open.len().max(1);
        let Some(open) = self.open.get_mut(conn).filter(|open| !open.is_empty()) else { return };
        let call = open.remove(usize::from(pick & 0x3f) % open.len());
        let bytes = packet(&call);
        self.input(conn, &bytes);
    }

    fn attach(&mut self, port: usize, name: u8) {
        if self.told.ports.contains_key(&port) || !self.host.is_open() {
            return;
        }
        let wanted = match name % 5 {
            3 => Some(Wanted::Id(7)),
            4 => None,
            n => Some(Wanted::Name(NAMES[usize::from(n)].into())),
        };
        self.told.ports.insert(port, false);
        self.host.attach(port, wanted, 1 << 16, &mut self.told);
    }

    fn detach(&mut self, port: usize) {
        if self.told.ports.contains_key(&port) {
            self.host.detach(port, Error::new(Code::Canceled, "enough"), self.now, &mut self.told);
        }
    }

    /// A new call of this port, which `ask` makes.
    fn begin(&mut self, port: usize, ask: impl FnOnce(&mut Host<()>, u32) -> Result<()>) {
        let call = self.next_call;
        self.next_call += 1;
        self.told.waiting.insert(call, port);
        if ask(&mut self.host, call).is_err() {
            self.told.waiting.remove(&call);
        }
    }

    /// Nobody waits for one of the calls any more.
    fn forget(&mut self, pick: u8) {
        let nth = usize::from(pick) % self.told.waiting.len().max(1);
        let Some((call, port)) = self.told.waiting.iter().nth(nth).map(|(call, port)| (*call, *port)) else { return };
        self.told.waiting.remove(&call);
        self.host.forget(port, call);
    }

    fn tick(&mut self, tenths: u8) {
        self.now += Duration::from_millis(100 * u64::from(tenths));
        if let Err((conn, why)) = self.host.tick(self.now) {
            self.host.lost(conn, why, &mut self.told);
        }
    }

    /// One step: a byte says which, those behind it how. `None`: there are no more.
    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let (step, how) = (bytes.byte()?, bytes.byte()?);
        let (conn, port) = (usize::from(how) % self.open.len().max(1), usize::from(how % PORTS));
        match step % 16 {
            0 => self.answer(how, |call| {
                daemon::reply(call, rpc::OK, |writer| {
                    writer.bytes(bytes.run());
                })
            }),
            1 => self.answer(how, |call| {
                daemon::reply(call, rpc::ERROR, |writer| {
                    writer.bytes(bytes.run());
                })
            }),
            2 | 3 => {
                let choice = bytes.byte()?;
                self.answer(how, |call| daemon::good_answer(call, choice));
            }
            4 => {
                let number = bytes.byte()?;
                self.answer(how, |call| daemon::error(call, number));
            }
            5 => {
                let number = i32::from(bytes.byte()?);
                let program = [rpc::REMOTE, rpc::QEMU, rpc::KEEPALIVE][usize::from(how >> 6) % 3];
                let payload = bytes.run();
                self.input(
                    conn,
                    &daemon::message(Procedure { program, number }, |writer| {
                        writer.bytes(payload);
                    }),
                );
            }
            6 => {
                let (callback, choice) = (bytes.byte()? & 7, bytes.byte()?);
                self.input(conn, &daemon::event(callback, choice, bytes.run()));
            }
            7 => {
                let (choice, event, detail) = (bytes.byte()?, bytes.byte()?, bytes.byte()?);
                self.input(conn, &daemon::lifecycle(how & 7, choice, event, detail));
            }
            8 => self.input(conn, bytes.run()),
            9 => {
                let request = Request::parse(br#"{"execute":"a","id":[1]}"#, 1000).expect("a good request");
                let attachment = (how & 0x40 != 0).then_some(());
                let ask = |host: &mut Host<()>, call| {
                    host.submit(port, call, &Arc::new(request), how & 0x80 != 0, attachment)
                };
                self.begin(port, ask);
            }
            10 => self.begin(port, |host, call| host.list(port, call)),
            11 => self.forget(how),
            12 => self.detach(port),
            13 => self.attach(port, how >> 2),
            14 => self.tick(how),
            _ => {
                if conn < self.host.conns() && !self.host.is_closed(conn) {
                    self.host.lost(conn, Error::new(Code::Disconnected, "gone"), &mut self.told);
                }
            }
        }
        self.settle();
        Some(())
    }

    /// After the last of them nothing is left.
    fn end(mut self) {
        for port in 0..PORTS {
            self.detach(port.into());
        }
        assert!(self.told.ports.is_empty(), "a port was not closed");
        assert!(self.told.waiting.is_empty(), "a call is left without an answer");
        // The first tick sends the farewell, the second gives up on its answer.
        for _ in 0..2 {
            self.settle();
            self.tick(u8::MAX);
        }
        assert!(self.host.is_over(), "the farewell has no end");
    }
}

/// What the fuzzer gives, taken off the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A run of bytes; its length stands in front of it, in two bytes.
    fn run(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte().unwrap_or(0)) << 8 | usize::from(self.byte().unwrap_or(0));
        let (run, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        run
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bed = Bed::new();
    bed.attach(0, 0);
    bed.settle();
    let mut bytes = Bytes(data);
    while bed.step(&mut bytes).is_some() {}
    bed.end();
});
