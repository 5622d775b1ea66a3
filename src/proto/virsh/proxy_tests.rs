//! A proxy whose virsh is played: processes are started and ended in name only, their words are made by hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::error::{Code, Delivery, Error, Result};
use crate::proto::libvirt::Wanted;
use crate::proto::request::Request;
use crate::proto::tell::{Answer, Tell};

pub(super) const UUID: &str = "81eda052-0941-47ab-be68-a28932f6b17c";
const OTHER: &str = "9244141e-aae0-4ea3-aad6-3ae3e17c9ca6";
const GONE: &str = "error: Failed to connect socket to '/x': Connection refused\n";

#[derive(Default)]
pub(super) struct Told(Vec<String>);

impl Tell for Told {
    fn connected(&mut self, _port: usize) {
        self.0.push("connected".to_owned());
    }
    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>) {
        self.0.push(match answer {
            Ok(parts) => format!("{call}: {}", String::from_utf8(parts.concat()).unwrap()),
            Err(why) => format!("{call}: {:?} {:?}", why.code(), why.delivery()),
        });
    }
    fn event(&mut self, _port: usize, name: &[u8], _json: &[u8]) {
        self.0.push(String::from_utf8(name.to_vec()).unwrap());
    }
    fn events_lost(&mut self, _port: usize) {
        self.0.push("lost".to_owned());
    }
    fn domain(&mut self, _port: usize, _started: bool, _reason: &'static str) {}
    fn closed(&mut self, _port: usize, why: Error) {
        self.0.push(format!("closed: {:?}", why.code()));
    }
}

pub(super) struct Bench {
    pub(super) proxy: Proxy<u32>,
    pub(super) told: Told,
    pub(super) now: Instant,
    /// What was written to the session.
    written: String,
}

impl Bench {
    pub(super) fn new(name: Option<&str>, session: bool) -> Bench {
        Bench::with(Settings { port: 1, session, wakes: false, limit: 1000, key: "k".to_owned() }, name)
    }

    pub(super) fn with(settings: Settings, name: Option<&str>) -> Bench {
        let wanted = name.map(|name| Wanted::Name(name.as_bytes().into()));
        let (proxy, told) = (Proxy::new(settings, wanted), Told::default());
        let mut bench = Bench { proxy, told, now: Instant::now(), written: String::new() };
        bench.proxy.begin(&mut bench.told);
        bench
    }

    /// One that is connected to the domain `demo`.
    pub(super) fn ready(session: bool) -> Bench {
        let mut bench = Bench::new(Some("demo"), session);
        bench.open();
        assert_eq!(bench.told(), ["connected"]);
        bench
    }

    pub(super) fn open(&mut self) {
        self.expect("uri", "qemu:///system\n");
        self.expect("help qemu-monitor-command", "[--pass-fds <string>]\n");
        self.expect("domuuid --domain demo", &format!("{UUID}\n"));
        self.expect(&format!("domname --domain {UUID}"), "demo\n");
        assert_eq!(self.actions(), [format!("start Events qemu-monitor-event --domain {UUID} --loop")]);
        self.witness();
    }

    pub(super) fn witness(&mut self) {
        let line = b"x: RPC_CLIENT_MSG_RX: client=0 len=32 prog=536903815 vers=1 proc=4 type=1 status=0 serial=7\n";
        for part in line.chunks(7) {
            self.proxy.error_output(Slot::Events, part, &mut self.told);
        }
        self.proxy.settled(&mut self.told);
    }

    /// The log tells of an event that has come.
    pub(super) fn hear(&mut self) {
        let line = b"x: RPC_CLIENT_MSG_RX: client=0 len=88 prog=536903815 vers=1 proc=6 type=2 status=0 serial=1\n";
        self.proxy.error_output(Slot::Events, line, &mut self.told);
    }

    pub(super) fn until_deadline(&mut self) {
        let ms = self.proxy.deadline(self.now).unwrap().duration_since(self.now).as_millis();
        self.tick(ms as u64);
    }

    pub(super) fn actions(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        while let Some(action) = self.proxy.action() {
            actions.push(match action {
                Action::End(slot) => format!("end {slot:?}"),
                Action::Start(slot, words, fds) => {
                    let words = String::from_utf8(words.join(&b' ')).unwrap();
                    let fds = fds.map(|fd| format!(" with {fd}")).unwrap_or_default();
                    format!("start {slot:?} {words}{fds}").trim_end().to_owned()
                }
            });
        }
        actions
    }

    /// What is to be written to the session.
    pub(super) fn drain(&mut self) -> String {
        let (mut written, out) = (String::new(), self.proxy.outbox());
        while let Some((bytes, _)) = out.next() {
            written.push_str(std::str::from_utf8(bytes).unwrap());
            let n = bytes.len();
            out.wrote(n);
        }
        written
    }

    /// The next command, to whichever virsh; a session that is started for it says hello.
    pub(super) fn command(&mut self) -> String {
        let written = self.drain();
        self.written.push_str(&written);
        let Some(end) = self.written.find('\n') else {
            let single = self.actions();
            let words = single.iter().find_map(|action| action.strip_prefix("start Single "));
            return words.map(|words| words.to_owned()).unwrap_or_else(|| panic!("no command, but {single:?}"));
        };
        let line: String = self.written.drain(..=end).collect();
        if let Some(hello) =
            line.strip_prefix("echo 'B'").filter(|line| line.contains(";echo 'E'") && line.matches(';').count() == 1)
        {
            let key = hello.split(';').next().unwrap().to_owned();
            assert_eq!(self.actions().last().map(String::as_str), Some("start Session"));
            self.print(&format!("virsh # {line}B{key}E{key}virsh # "));
            return self.command();
        }
        // The line that shows a refusal.
        if self.written.starts_with("echo 'F'") {
            self.written.clear();
        }
        line
    }

    /// The session prints.
    pub(super) fn print(&mut self, text: &str) {
        let used = self.proxy.output(Slot::Session, text.as_bytes(), &mut self.told);
        assert!(used > 0);
        self.proxy.proceed(self.now, &mut self.told);
    }

    /// The next command has these words; it prints this.
    pub(super) fn expect(&mut self, words: &str, text: &str) {
        let command = self.command();
        match command.strip_prefix("echo 'B'") {
            Some(rest) => {
                let (key, rest) = rest.split_once(';').unwrap();
                assert_eq!(rest.strip_suffix(&format!(";echo 'E'{key}\n")), Some(words));
                self.print(&format!("echoed\nB{key}{text}E{key}virsh # "));
            }
            None => {
                assert_eq!(command, words.replace('\'', ""));
                self.end_single(text, End::Status(0));
            }
        }
    }

    pub(super) fn end_single(&mut self, text: &str, end: End) {
        self.proxy.output(Slot::Single, text.as_bytes(), &mut self.told);
        self.proxy.exited(Slot::Single, end, self.now, &mut self.told);
    }

    pub(super) fn fail(&mut self, errors: &str) {
        let command = self.command();
        match command.strip_prefix("echo 'B'") {
            Some(rest) => {
                let (key, _) = rest.split_once(';').unwrap();
                self.proxy.error_output(Slot::Session, errors.as_bytes(), &mut self.told);
                self.print(&format!("B{key}E{key}"));
            }
            None => {
                self.proxy.error_output(Slot::Single, errors.as_bytes(), &mut self.told);
                self.end_single("\n", End::Status(1));
            }
        }
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told.0)
    }

    pub(super) fn submit(&mut self, call: u32, fds: Option<u32>) {
        let request = Arc::new(Request::parse(br#"{"execute":"stop","id":7}"#, 1000).unwrap());
        self.proxy.submit(call, &request, false, fds, &mut self.told).unwrap();
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.proxy.tick(self.now, &mut self.told);
    }
}

fn stop() -> String {
    format!("qemu-monitor-command {UUID} '{{\"execute\":\"stop\"}}'")
}

const REPLY: &str = "{\"return\":{},\"id\":\"libvirt-5\"}\n";

#[test]
fn commands_go_through_one_virsh_or_one_each() {
    for session in [true, false] {
        let mut bench = Bench::ready(session);
        bench.submit(5, None);
        bench.submit(6, None);
        bench.expect(&stop(), REPLY);
        assert_eq!(bench.told(), ["5: {\"return\":{},\"id\":7}"]);
        bench.fail("error: Requested operation is not valid: domain is not running\n");
        assert_eq!(bench.told(), ["6: NotRunning NotSent"]);
        bench.submit(7, None);
        bench.expect(&stop(), "{\"id\":\"libvirt-6\",\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}\n");
        assert_eq!(bench.told(), ["7: Command Answered"]);
        // A descriptor needs a process of its own.
        bench.submit(8, Some(9));
        let single = bench.actions();
        assert!(
            single
                .iter()
                .any(|action| action.starts_with("start Single qemu-monitor-command") && action.ends_with("with 9"))
        );
        bench.end_single(REPLY, End::Status(0));
        assert_eq!(bench.told(), ["8: {\"return\":{},\"id\":7}"]);
        bench.proxy.close(&Error::new(Code::Disconnected, "bye"), &mut bench.told);
        assert_eq!(bench.told(), ["closed: Disconnected"]);
        assert_eq!(bench.actions(), ["end Session", "end Single", "end Events"]);
    }
}

#[test]
fn a_virsh_without_readline_gets_one_process_a_command() {
    let mut bench = Bench::new(None, true);
    let hello = bench.drain();
    assert_eq!(bench.actions(), ["start Session"]);
    let key = hello.split(['\'', ';']).nth(2).unwrap().to_owned();
    bench.print(&format!("B{key}E{key}"));
    assert_eq!(bench.actions(), ["end Session", "start Single uri"]);
    bench.end_single("qemu:///system\n", End::Status(0));
    bench.expect("help qemu-monitor-command", "nothing about descriptors\n");
    assert_eq!(bench.told(), ["connected"]);
    assert!(!bench.proxy.passes_fds());
}

#[test]
fn descriptors_go_over_unix_sockets_alone() {
    for (uri, passes) in [("qemu:///system\n", true), ("qemu+tcp://h/system\n", false)] {
        let mut bench = Bench::new(None, true);
        bench.expect("uri", uri);
        assert!(!bench.proxy.passes_fds());
        bench.expect("help qemu-monitor-command", "[--pass-fds <string>]\n");
        assert_eq!((bench.told(), bench.proxy.passes_fds()), (vec!["connected".to_owned()], passes));
    }
}

/// A daemon that virsh starts has virsh's environment, and a session's is not fit for that.
#[test]
fn no_session_starts_the_daemon() {
    let settings = Settings { port: 1, session: true, wakes: true, limit: 1000, key: "k".to_owned() };
    let mut bench = Bench::with(settings, None);
    assert_eq!(bench.actions(), ["start Single uri"]);
    bench.end_single("qemu:///session\n", End::Status(0));
    bench.expect("help qemu-monitor-command", "");
    assert_eq!(bench.told(), ["connected"]);
}

#[test]
fn the_domain_is_the_one_that_was_meant() {
    // A name that is an id of another domain.
    let mut bench = Bench::new(Some("7"), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect("domuuid --domain 7", &format!("{OTHER}\n\n"));
    bench.expect(&format!("domname --domain {OTHER}"), "other\n");
    bench.expect("list --all --uuid", &format!("{OTHER}\n{UUID}\n"));
    bench.expect(&format!("domname --domain {OTHER}"), "other\n");
    bench.expect(&format!("domname --domain {UUID}"), "7\n");
    assert_eq!(bench.actions(), [format!("start Events qemu-monitor-event --domain {UUID} --loop")]);
    // A name that nobody has, and one that virsh does not know.
    let mut bench = Bench::new(Some("7"), false);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect("domuuid --domain 7", &format!("{OTHER}\n"));
    bench.expect(&format!("domname --domain {OTHER}"), "other\n");
    bench.expect("list --all --uuid", "\n");
    assert_eq!(bench.told(), ["closed: NotFound"]);
    let mut bench = Bench::new(Some("a b"), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.fail("error: failed to get domain 'a b'\n");
    assert_eq!(bench.told(), ["closed: NotFound"]);
    // A name that no line can hold is an argument; a UUID is found by itself; an id must be that of the domain.
    let mut bench = Bench::new(Some("a\nb"), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect("domuuid --domain a\nb", &format!("{UUID}\n"));
    bench.expect(&format!("domname --domain {UUID}"), "a\nb\n");
    let mut bench = Bench::new(Some(UUID), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect(&format!("domname --domain {UUID}"), "whatever\n");
    bench.witness();
    assert_eq!(bench.told(), ["connected"]);
    // A UUID that no domain has is a name like any other.
    let mut bench = Bench::new(Some(UUID), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.fail(&format!("error: failed to get domain '{UUID}'\n"));
    bench.expect(&format!("domuuid --domain {UUID}"), &format!("{OTHER}\n"));
    bench.expect(&format!("domname --domain {OTHER}"), &format!("{UUID}\n"));
    bench.witness();
    assert_eq!(bench.told(), ["connected"]);
}

#[test]
fn what_may_pass_is_tried_again() {
    let mut bench = Bench::new(Some("demo"), true);
    bench.actions();
    // The session ends instead of answering: it could not connect.
    bench.proxy.error_output(Slot::Session, GONE.as_bytes(), &mut bench.told);
    bench.proxy.exited(Slot::Session, End::Status(1), bench.now, &mut bench.told);
    assert!(bench.told().is_empty());
    assert!(bench.actions().contains(&"end Session".to_owned()));
    let why = bench.proxy.not_connected_yet();
    assert!(why.code() == Code::Connect && why.to_string().contains("Connection refused"), "{why}");
    let first = bench.proxy.deadline(bench.now).unwrap();
    bench.tick(first.duration_since(bench.now).as_millis() as u64);
    bench.open();
    assert_eq!(bench.told(), ["connected"]);
    // A program that is not there is not tried again.
    let mut bench = Bench::new(Some("demo"), true);
    bench.proxy.not_started(Slot::Session, Error::new(Code::Connect, "virsh is not there"), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["closed: Connect"]);
}

#[test]
fn a_session_that_dies_is_replaced() {
    let mut bench = Bench::ready(true);
    bench.actions();
    // Between two commands nobody is told.
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    bench.submit(5, None);
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told(), ["5: {\"return\":{},\"id\":7}"]);
    // In the middle of one: it may have been carried out. The next one gets a new session.
    bench.submit(6, None);
    bench.submit(7, None);
    bench.command();
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["6: Disconnected Unknown"]);
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told(), ["7: {\"return\":{},\"id\":7}"]);
    // Before its line was read as a whole: it was not.
    bench.submit(8, None);
    let half = bench.proxy.outbox().next().unwrap().0.len() - 1;
    bench.proxy.outbox().wrote(half);
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["8: Disconnected NotSent"]);
    // It was gone before anything was written: that is no loss, and the next one gets the line.
    bench.submit(10, None);
    bench.expect(&stop(), REPLY);
    bench.submit(10, None);
    bench.actions();
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told(), ["10: {\"return\":{},\"id\":7}"; 2]);
    // A daemon that is away: the new session says so.
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    bench.submit(9, None);
    bench.proxy.error_output(Slot::Session, GONE.as_bytes(), &mut bench.told);
    bench.proxy.exited(Slot::Session, End::Status(1), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["9: Disconnected NotSent"]);
    assert!(bench.proxy.is_ready());
}

#[test]
fn giving_up_ends_the_virsh_that_works_on_it() {
    let mut bench = Bench::ready(true);
    bench.submit(5, None);
    bench.submit(6, None);
    bench.command();
    bench.actions();
    assert_eq!(bench.proxy.forget(6, &mut bench.told), Delivery::NotSent);
    assert_eq!(bench.proxy.forget(5, &mut bench.told), Delivery::Unknown);
    assert_eq!(bench.actions(), ["end Session"]);
    bench.submit(7, None);
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told(), ["7: {\"return\":{},\"id\":7}"]);
}

#[test]
fn what_is_no_answer_is_an_error_and_ends_the_session() {
    let mut bench = Bench::ready(true);
    bench.submit(5, None);
    bench.expect(&stop(), "garbage\n");
    assert_eq!(bench.told(), ["5: Protocol Answered"]);
    assert_eq!(bench.actions(), ["end Session"]);
    // Without end.
    bench.submit(6, None);
    let command = bench.command();
    let key = command.split(['\'', ';']).nth(2).unwrap().to_owned();
    bench.proxy.output(Slot::Session, format!("B{key}{}", "x".repeat(6000)).as_bytes(), &mut bench.told);
    assert_eq!(bench.told(), ["6: Limit Answered"]);
    assert_eq!(bench.actions(), ["end Session"]);
    // A virsh that does not know the command in this form refuses the line.
    bench.submit(7, None);
    let command = bench.command();
    let key = command.split(['\'', ';']).nth(2).unwrap().to_owned();
    bench.proxy.error_output(Slot::Session, b"error: unknown command: 'x'\n", &mut bench.told);
    bench.print(&format!("virsh # F{key}"));
    assert_eq!(bench.told(), ["7: System Unknown"]);
}

#[test]
fn domains_are_listed() {
    let mut bench = Bench::ready(true);
    bench.proxy.list(5, &mut bench.told).unwrap();
    bench.expect("list --all --uuid", &format!("{UUID}\n"));
    bench.expect("list --state-running --uuid", "\n");
    bench.expect("list --state-paused --uuid", "\n");
    bench.expect("list --state-shutoff --uuid", &format!("{UUID}\n"));
    bench.expect("list --all --uuid --name", &format!("{UUID} demo\n"));
    assert_eq!(
        bench.told(),
        [format!("5: [{{\"name\":\"demo\",\"uuid\":\"{UUID}\",\"id\":-1,\"state\":\"shutoff\"}}]")]
    );
    bench.proxy.list(7, &mut bench.told).unwrap();
    bench.expect("list --all --uuid", &format!("{UUID}\n"));
    bench.expect("list --state-running --uuid", "\n");
    bench.expect("list --state-paused --uuid", "\n");
    bench.expect("list --state-shutoff --uuid", &format!("{UUID}\n"));
    // Longer than the option max-message allows.
    bench.expect("list --all --uuid --name", &format!("{UUID} {}\n", "x".repeat(2000)));
    assert_eq!(bench.told(), ["7: Limit Answered"]);
    bench.proxy.list(6, &mut bench.told).unwrap();
    bench.fail(GONE);
    assert_eq!(bench.told(), ["6: Disconnected NotSent"]);
}

#[test]
fn requests_are_checked_before_anything_is_sent() {
    let mut bench = Bench::ready(false);
    let mut refused = |text: &[u8], fds| {
        let request = Arc::new(Request::parse(text, usize::MAX).unwrap());
        bench.proxy.submit(5, &request, false, fds, &mut bench.told).unwrap_err().code()
    };
    assert_eq!(refused(br#"{"exec-oob":"x"}"#, None), Code::Unsupported);
    let long = format!("{{\"execute\":\"{}\"}}", "\u{e9}".repeat(800_000));
    assert_eq!(refused(long.as_bytes(), None), Code::Limit);
    // What does not fit into arguments is an error of that command alone.
    let long = format!("{{\"execute\":\"{}\"}}", "x".repeat(200_000));
    let request = Arc::new(Request::parse(long.as_bytes(), usize::MAX).unwrap());
    bench.proxy.submit(6, &request, false, None, &mut bench.told).unwrap();
    assert_eq!(bench.told(), ["6: Limit NotSent"]);
    bench.submit(7, None);
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told().len(), 1);
}

/// A session that hangs before its first sign of life holds up nobody for good.
#[test]
fn a_session_that_does_not_come_up_is_replaced() {
    let mut bench = Bench::ready(true);
    bench.proxy.exited(Slot::Session, End::Signal(9), bench.now, &mut bench.told);
    bench.actions();
    bench.submit(5, None);
    assert_eq!(bench.actions(), ["start Session"]);
    // Who gives up on it leaves it alone: it may be slow.
    assert_eq!(bench.proxy.forget(5, &mut bench.told), Delivery::NotSent);
    let until = bench.proxy.deadline(bench.now).unwrap();
    bench.submit(6, None);
    assert!(bench.actions().is_empty());
    bench.tick(until.duration_since(bench.now).as_millis() as u64);
    assert_eq!(bench.actions(), ["end Session", "start Session"]);
    assert!(bench.proxy.deadline(bench.now).unwrap() > until);
    let hello = bench.drain();
    let key = hello.split(['\'', ';']).nth(2).unwrap().to_owned();
    bench.print(&format!("virsh # \nB{key}E{key}"));
    bench.expect(&stop(), REPLY);
    assert_eq!(bench.told(), ["6: {\"return\":{},\"id\":7}"]);
}

#[test]
fn how_a_single_virsh_ended_counts() {
    let reply = "5: {\"return\":{},\"id\":7}";
    let table = [
        (REPLY, "", End::Status(0), reply),
        ("", "error: something new\n", End::Status(1), "5: System Unknown"),
        ("", "", End::Status(1), "5: Disconnected Unknown"),
        ("", "", End::Signal(9), "5: Disconnected Unknown"),
        // The application has reaped it: what it printed tells.
        (REPLY, "error: Reconnected to the hypervisor\n", End::Unknown, reply),
        (
            "\n",
            "error: Requested operation is not valid: domain is not running\n",
            End::Unknown,
            "5: NotRunning NotSent",
        ),
        ("", "", End::Unknown, "5: Disconnected Unknown"),
        // Not all of it.
        ("{\"return\":", "", End::Signal(9), "5: Disconnected Unknown"),
    ];
    for (text, errors, end, expected) in table {
        let mut bench = Bench::ready(false);
        bench.submit(5, None);
        bench.proxy.error_output(Slot::Single, errors.as_bytes(), &mut bench.told);
        bench.end_single(text, end);
        assert_eq!(bench.told(), [expected], "{text}{errors}{end:?}");
    }
}
