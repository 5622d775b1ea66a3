//! The scenarios of a monitor on a real QEMU, through the Rust API. The C tests go through the same on the C API; here
//! stand those that need QEMU to be started in a special way, and the table that every driver has to pass.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use qmp::error::{Code, Delivery};
use qmp::monitor::{Monitor, Reactor, State, Timeout};
use serde_json::{Value, json};

const SOON: Timeout = Timeout::Millis(20_000);

/// A QEMU of this test's own, ended with it.
struct Qemu {
    process: Child,
    folder: PathBuf,
}

impl Qemu {
    /// Starts one with these monitors; `@` stands for the test's own folder. `None`: QEMU is not installed.
    fn start(monitors: &[&str]) -> Option<Qemu> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("libqmp-qemu-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none", "-S"]);
        for monitor in monitors {
            command.args(monitor.split(' ').map(|word| word.replace('@', folder.to_str().unwrap())));
        }
        match command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(process) => Some(Qemu { process, folder }),
            Err(why) => {
                assert!(env::var_os("CI").is_none(), "qemu-system-x86_64 cannot be started: {why}");
                println!("SKIPPED: qemu-system-x86_64 cannot be started: {why}");
                let _ = fs::remove_dir_all(&folder);
                None
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// What every link to a machine has to do, whatever it goes over.
fn scenario(monitor: &Arc<Monitor>) {
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    assert_eq!(monitor.state(), State::Connected);
    assert!(monitor.supports("events") && !monitor.supports("flying"));
    assert!(parsed(monitor.greeting().unwrap().as_bytes())["QMP"]["version"]["qemu"]["major"].is_number());

    // Ids of every kind come back byte for byte, or not at all.
    for id in ["0", "-1", "1e3", "123456789012345678901234567890", "null", "\"\\u00e9\"", "[1, {\"a\": \"}\"}]", "{}"] {
        let request = format!("{{ \"id\" : {id} , \"execute\": \"query-status\" }}");
        let reply = monitor.run(request.as_bytes(), &[], SOON).unwrap();
        let text = String::from_utf8(reply.as_bytes().to_vec()).unwrap();
        assert!(text.contains(&format!("\"id\": {id}")), "{text}");
        assert_eq!(parsed(reply.as_bytes())["return"]["running"], json!(false));
    }
    let reply = monitor.run(br#"{"execute":"query-status"}"#, &[], SOON).unwrap();
    assert!(parsed(reply.as_bytes()).get("id").is_none());

    // Errors keep class, text and envelope.
    let error = monitor.run(br#"{"execute":"no-such-thing","id":[7]}"#, &[], SOON).unwrap_err();
    let detail = error.detail();
    assert_eq!((detail.code, detail.delivery), (Code::Command, Delivery::Answered));
    assert_eq!(detail.class.as_deref(), Some("CommandNotFound"));
    assert_eq!(parsed(detail.reply.as_ref().unwrap())["id"], json!([7]));
    assert!(error.to_string().contains("no-such-thing"), "{error}");
    let error = monitor.execute("query-status", Some(br#"{"x":1}"#), SOON).unwrap_err();
    assert_eq!(error.detail().class.as_deref(), Some("GenericError"));

    // A long reply, a text that is not ASCII, and a value that is a string.
    let schema = monitor.execute("query-qmp-schema", None, SOON).unwrap();
    assert!(schema.as_bytes().len() > 100_000 && parsed(schema.as_bytes()).is_array());
    let info = monitor.execute("human-monitor-command", Some(br#"{"command-line":"info status"}"#), SOON).unwrap();
    assert!(parsed(info.as_bytes()).as_str().unwrap().contains("VM status"));

    // Events, in order, each a whole QMP event.
    monitor.execute("cont", None, SOON).unwrap();
    monitor.execute("stop", None, SOON).unwrap();
    let mut names = Vec::new();
    while names.len() < 3 {
        let event = parsed(events.next(SOON).unwrap().as_bytes());
        assert!(event["timestamp"]["seconds"].is_number() && event.get("data").is_none());
        names.push(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["LIBQMP_CONNECTED", "RESUME", "STOP"]);
    assert_eq!(events.next(Timeout::Millis(0)).unwrap_err().code(), Code::Timeout);

    // A second link, after the first was ended.
    monitor.disconnect().unwrap();
    let gone = monitor.run(br#"{"execute":"query-status"}"#, &[], SOON).unwrap_err();
    assert_eq!((gone.code(), gone.delivery()), (Code::Disconnected, Delivery::NotSent));
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_DISCONNECTED"));
    assert_eq!(events.next(SOON).unwrap_err().code(), Code::Disconnected);
    events.free();
}

#[test]
fn over_a_unix_socket() {
    let Some(qemu) = Qemu::start(&["-qmp unix:@/s,server=on,wait=off"]) else { return };
    let monitor = Monitor::new(None, &format!("unix:{}", qemu.path("s"))).unwrap();
    scenario(&monitor);
    monitor.connect(SOON).unwrap();
    assert!(monitor.supports("fds") && monitor.supports("oob"));
    monitor.free();
}

#[test]
fn over_an_abstract_socket() {
    let name = format!("libqmp-test-{}", std::process::id());
    let monitor = format!("-qmp unix:{name},abstract=on,server=on,wait=off");
    let Some(_qemu) = Qemu::start(&[&monitor]) else { return };
    let monitor = Monitor::new(None, &format!("unix:@{name}")).unwrap();
    scenario(&monitor);
    monitor.free();
}

#[test]
fn on_a_pretty_monitor() {
    let chardev = "-chardev socket,id=c,path=@/s,server=on,wait=off -mon chardev=c,mode=control,pretty=on";
    let Some(qemu) = Qemu::start(&[chardev]) else { return };
    let monitor = Monitor::new(None, &format!("unix:{}", qemu.path("s"))).unwrap();
    scenario(&monitor);
    monitor.free();
}

#[test]
fn without_out_of_band_execution() {
    let Some(qemu) = Qemu::start(&["-qmp unix:@/s,server=on,wait=off"]) else { return };
    let monitor = Monitor::new(None, &format!("unix:{}", qemu.path("s"))).unwrap();
    monitor.set("oob", "off").unwrap();
    scenario(&monitor);
    monitor.connect(SOON).unwrap();
    assert!(!monitor.supports("oob"));
    let refused = monitor.run(br#"{"exec-oob":"migrate-pause"}"#, &[], SOON).unwrap_err();
    assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent));
    monitor.free();
}

/// A port that was free a moment ago.
fn free_port(address: &str) -> Option<u16> {
    Some(TcpListener::bind((address, 0)).ok()?.local_addr().unwrap().port())
}

#[test]
fn over_tcp_by_address_and_by_name() {
    for (address, names) in [("127.0.0.1", &["127.0.0.1", "localhost"][..]), ("::1", &["[::1]"][..])] {
        let Some(port) = free_port(address) else {
            println!("SKIPPED: {address} is not to be had on this machine");
            continue;
        };
        let chardev = format!("-chardev socket,id=c,host={address},port={port},server=on,wait=off");
        let Some(_qemu) = Qemu::start(&[&chardev, "-mon chardev=c,mode=control"]) else { return };
        for name in names {
            let monitor = Monitor::new(None, &format!("tcp:{name}:{port}")).unwrap();
            scenario(&monitor);
            monitor.connect(SOON).unwrap();
            assert!(!monitor.supports("fds"));
            let refused = monitor.run(br#"{"execute":"getfd","arguments":{"fdname":"a"}}"#, &[0], SOON).unwrap_err();
            assert_eq!(refused.code(), Code::Unsupported);
            monitor.free();
        }
    }
}

#[test]
fn qemu_dials_in() {
    for kind in ["unix", "tcp"] {
        let port = free_port("127.0.0.1").unwrap();
        // The folder of a QEMU that is not started yet is not known: this one's socket lies beside it.
        let path = env::temp_dir().join(format!("libqmp-listen-{}", std::process::id()));
        let (target, option) = match kind {
            "unix" => (format!("unix:{}", path.display()), format!("-qmp unix:{}", path.display())),
            _ => (format!("tcp:127.0.0.1:{port}"), format!("-qmp tcp:127.0.0.1:{port}")),
        };
        let monitor = Monitor::new(None, &target).unwrap();
        monitor.set("listen", "on").unwrap();
        let (done, connected) = std::sync::mpsc::channel();
        monitor.connect_start(SOON, Box::new(move |_, outcome| done.send(outcome).unwrap())).unwrap();
        let Some(_qemu) = Qemu::start(&[&option]) else { return };
        while monitor.state() == State::Connecting {
            monitor.reactor().turn(Timeout::Millis(1000)).unwrap();
        }
        connected.try_recv().unwrap().unwrap();
        assert!(!path.exists(), "the listening socket is left behind");
        monitor.execute("query-status", None, SOON).unwrap();
        monitor.free();
    }
}

#[test]
fn fifty_monitors_on_five_machines_and_one_thread() {
    const EACH: usize = 10;
    const MACHINES: usize = 5;
    let names: Vec<String> = (0..EACH).map(|i| format!("-qmp unix:@/s{i},server=on,wait=off")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reactor = Reactor::new().unwrap();
    let machines: Vec<_> = (0..MACHINES).filter_map(|_| Qemu::start(&names)).collect();
    // Real machines are dear: a C test has a thousand monitors on a scripted peer.
    let monitors: Vec<_> = machines
        .iter()
        .flat_map(|qemu| {
            (0..EACH).map(|i| Monitor::new(Some(&reactor), &format!("unix:{}", qemu.path(&format!("s{i}")))))
        })
        .map(Result::unwrap)
        .collect();
    let answered = Arc::new(AtomicU32::new(0));
    for (i, monitor) in monitors.iter().enumerate() {
        let answered = Arc::clone(&answered);
        let then = Box::new(move |monitor: &Arc<Monitor>, outcome: qmp::error::Result<()>| {
            outcome.unwrap();
            let request = format!("{{\"execute\":\"query-status\",\"id\":{i}}}");
            let check = Box::new(move |_: &Arc<Monitor>, reply: qmp::error::Result<qmp::sys::buffer::Buffer>| {
                assert_eq!(parsed(reply.unwrap().as_bytes())["id"], json!(i));
                answered.fetch_add(1, Ordering::Relaxed);
            });
            monitor.start(request.as_bytes(), &[], SOON, check).unwrap();
        });
        monitor.connect_start(SOON, then).unwrap();
    }
    while (answered.load(Ordering::Relaxed) as usize) < monitors.len() {
        assert!(reactor.turn(SOON).unwrap() > 0, "no answer in time");
    }
    monitors.into_iter().for_each(Monitor::free);
    reactor.release();
}
