//! A virsh with a will of its own: processes that print, complain and end as the fuzzer likes. Every call is answered exactly
//! once, no process is used that does not run, and at the end nothing is left.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use qmp::error::{Code, Error, Result};
use qmp::proto::libvirt::Wanted;
use qmp::proto::request::Request;
use qmp::proto::tell::{Answer, Tell};
use qmp::proto::virsh::{Action, End, Proxy, Settings, Slot};

const LIMIT: usize = 1000;
const SLOTS: [Slot; 3] = [Slot::Session, Slot::Single, Slot::Events];

/// What was told, and what is still to come.
#[derive(Default)]
struct Told {
    waiting: BTreeSet<u32>,
    connected: bool,
    closed: bool,
}

impl Tell for Told {
    fn connected(&mut self, _port: usize) {
        assert!(!self.closed && !std::mem::replace(&mut self.connected, true), "connected twice, or after the end");
    }
    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>) {
        assert!(self.waiting.remove(&call), "an answer that nobody waits for");
        if let Ok(parts) = answer {
            assert!(std::str::from_utf8(&parts.concat()).is_ok_and(|text| !text.contains('\0')), "not fit for C");
        }
    }
    fn event(&mut self, _port: usize, name: &[u8], json: &[u8]) {
        assert!(self.connected && !self.closed, "an event for nobody");
        for text in [name, json] {
            assert!(std::str::from_utf8(text).is_ok_and(|text| !text.contains('\0')), "not fit for C");
        }
    }
    fn events_lost(&mut self, _port: usize) {
        assert!(self.connected && !self.closed, "a loss for nobody");
    }
    fn domain(&mut self, _port: usize, _started: bool, _reason: &'static str) {}
    fn closed(&mut self, _port: usize, _why: Error) {
        assert!(!std::mem::replace(&mut self.closed, true), "closed twice");
    }
}

/// A process that runs: what it printed and is not used up, what it was told to do.
#[derive(Default)]
struct Process {
    printed: Vec<u8>,
    asked: Vec<u8>,
}

struct Bed {
    proxy: Proxy<()>,
    told: Told,
    now: Instant,
    processes: [Option<Process>; 3],
    /// Processes cannot be started.
    exhausted: bool,
    next_call: u32,
}

impl Bed {
    fn new(how: u8) -> Bed {
        let (session, wakes) = (how & 1 != 0, how & 2 != 0);
        let wanted = (how & 4 != 0).then(|| Wanted::Name(b"demo".as_slice().into()));
        let settings = Settings { port: 0, session, wakes, limit: LIMIT, key: "k".to_owned() };
        let (proxy, told) = (Proxy::new(settings, wanted), Told::default());
        let mut bed =
            Bed { proxy, told, now: Instant::now(), processes: Default::default(), exhausted: false, next_call: 0 };
        bed.proxy.begin(&mut bed.told);
        bed.settle();
        bed
    }

    /// Does what the proxy wants done.
    fn settle(&mut self) {
        while let Some(action) = self.proxy.action() {
            match action {
                Action::End(slot) => self.processes[slot as usize] = None,
                Action::Start(slot, ..) if self.exhausted => {
                    let why = Error::new(Code::System, "no more processes");
                    self.proxy.not_started(slot, why, self.now, &mut self.told);
                }
                Action::Start(slot, ..) => {
                    let before = self.processes[slot as usize].replace(Process::default());
                    assert!(before.is_none(), "a process is started where one runs");
                }
            }
        }
        if let Some(session) = &mut self.processes[Slot::Session as usize] {
            let out = self.proxy.outbox();
            while let Some((bytes, _)) = out.next() {
                let len = bytes.len();
                session.asked.extend_from_slice(bytes);
                out.wrote(len);
            }
        }
    }

    fn print(&mut self, slot: Slot, bytes: &[u8]) {
        let Some(process) = &mut self.processes[slot as usize] else { return };
        process.printed.extend_from_slice(bytes);
        let done = self.proxy.output(slot, &process.printed, &mut self.told);
        process.printed.drain(..done);
        self.proxy.proceed(self.now, &mut self.told);
    }

    /// The session answers its next command with this.
    fn answer(&mut self, text: &[u8]) {
        let Some(session) = &mut self.processes[Slot::Session as usize] else { return };
        let Some(end) = session.asked.iter().position(|byte| *byte == b'\n') else { return };
        let line: Vec<u8> = session.asked.drain(..=end).collect();
        let Some(key) = line.strip_prefix(b"echo 'B'").and_then(|rest| rest.split(|byte| *byte == b';').next()) else {
            return;
        };
        self.print(Slot::Session, &[b"echoed\nB", key, text, b"E", key, b"virsh # "].concat());
    }

    fn end(&mut self, slot: Slot, how: u8) {
        if self.processes[slot as usize].take().is_none() {
            return;
        }
        let end = match how % 4 {
            0 => End::Status(0),
            1 => End::Status(1),
            2 => End::Signal(9),
            _ => End::Unknown,
        };
        self.proxy.exited(slot, end, self.now, &mut self.told);
    }

    /// A new call, which `ask` makes.
    fn begin(&mut self, ask: impl FnOnce(&mut Proxy<()>, u32, &mut Told) -> Result<()>) {
        let call = self.next_call;
        self.next_call += 1;
        self.told.waiting.insert(call);
        if ask(&mut self.proxy, call, &mut self.told).is_err() {
            assert!(self.told.waiting.remove(&call), "a call is refused and answered");
        }
    }

    /// One step: a byte says which, those behind it how. `None`: there are no more.
    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let (step, how) = (bytes.byte()?, bytes.byte()?);
        let slot = SLOTS[usize::from(how) % SLOTS.len()];
        match step % 10 {
            0 => self.print(slot, bytes.run()),
            1 if self.processes[slot as usize].is_some() => {
                self.proxy.error_output(slot, bytes.run(), &mut self.told);
            }
            2 => self.end(slot, how >> 2),
            3 | 4 => self.answer(bytes.run()),
            5 => {
                let request = Request::parse(br#"{"execute":"stop","id":[1]}"#, LIMIT).expect("a good request");
                let fds = (how & 2 != 0).then_some(());
                self.begin(|proxy, call, told| proxy.submit(call, &Arc::new(request), how & 1 != 0, fds, told));
            }
            6 => self.begin(|proxy, call, told| proxy.list(call, told)),
            7 => {
                let nth = usize::from(how) % self.told.waiting.len().max(1);
                let call = self.told.waiting.iter().nth(nth).copied();
                if let Some(call) = call {
                    self.told.waiting.remove(&call);
                    self.proxy.forget(call, &mut self.told);
                }
            }
            8 => {
                self.now += Duration::from_millis(100 * u64::from(how));
                self.proxy.tick(self.now, &mut self.told);
            }
            9 if how & 1 != 0 => self.proxy.settled(&mut self.told),
            9 => self.exhausted = how & 2 != 0,
            _ => {}
        }
        self.settle();
        if let Some(deadline) = self.proxy.deadline(self.now) {
            assert!(!self.proxy.is_over() && deadline + Duration::from_secs(60) > self.now, "a deadline for nothing");
        }
        Some(())
    }

    /// After the last of them nothing is left.
    fn finish(mut self) {
        self.proxy.close(&Error::new(Code::Canceled, "enough"), &mut self.told);
        self.settle();
        assert!(self.told.closed && self.proxy.is_over(), "no end");
        assert!(self.told.waiting.is_empty(), "a call is left without an answer");
        assert!(self.processes.iter().all(Option::is_none), "a process is left");
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

    /// A run of bytes; its length stands in front of it, in one byte.
    fn run(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte().unwrap_or(0));
        let (run, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        run
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut bed = Bed::new(bytes.byte().unwrap_or(0));
    while bed.step(&mut bytes).is_some() {}
    bed.finish();
});
