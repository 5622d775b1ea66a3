//! The scenarios of a monitor on a real QEMU, through the Rust API. The C tests go through the same on the C API; here
//! stand those that need QEMU to be started in a special way, and the table that every driver has to pass.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use qmp::monitor::{Monitor, Reactor, State, Timeout};
use qmp::sys::text::Text;
use scenario::{Descriptors, Link, Machine, SOON, parsed};
use serde_json::json;

mod scenario;

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

/// QEMU's own socket does everything; TCP carries no descriptors.
const UNIX: Link = Link { oob: true, fds: Descriptors::Many };
const TCP: Link = Link { oob: true, fds: Descriptors::None };

/// Runs the table on this target, its monitors with these options.
fn table(target: &str, link: Link, options: &[(&str, &str)]) {
    let monitor = |reactor: Option<&Arc<Reactor>>| {
        let monitor = Monitor::new(reactor, target).unwrap();
        options.iter().for_each(|(name, value)| monitor.set(name, value).unwrap());
        monitor
    };
    scenario::table(&Machine { monitor: &monitor, link });
}

#[test]
fn over_a_unix_socket() {
    let Some(qemu) = Qemu::start(&["-qmp unix:@/s,server=on,wait=off"]) else { return };
    table(&format!("unix:{}", qemu.path("s")), UNIX, &[]);
}

#[test]
fn over_an_abstract_socket() {
    let name = format!("libqmp-test-{}", std::process::id());
    let monitor = format!("-qmp unix:{name},abstract=on,server=on,wait=off");
    let Some(_qemu) = Qemu::start(&[&monitor]) else { return };
    table(&format!("unix:@{name}"), UNIX, &[]);
}

#[test]
fn on_a_pretty_monitor() {
    let chardev = "-chardev socket,id=c,path=@/s,server=on,wait=off -mon chardev=c,mode=control,pretty=on";
    let Some(qemu) = Qemu::start(&[chardev]) else { return };
    table(&format!("unix:{}", qemu.path("s")), UNIX, &[]);
}

#[test]
fn without_out_of_band_execution() {
    let Some(qemu) = Qemu::start(&["-qmp unix:@/s,server=on,wait=off"]) else { return };
    table(&format!("unix:{}", qemu.path("s")), Link { oob: false, ..UNIX }, &[("oob", "off")]);
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
            table(&format!("tcp:{name}:{port}"), TCP, &[]);
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
            let check = Box::new(move |_: &Arc<Monitor>, reply: qmp::error::Result<Text<'_>>| {
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

#[test]
fn what_stands_behind_a_callback_that_panics_comes_all_the_same() {
    let Some(qemu) = Qemu::start(&["-qmp unix:@/s,server=on,wait=off"]) else { return };
    let monitor = Monitor::new(None, &format!("unix:{}", qemu.path("s"))).unwrap();
    let answered = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&answered);
    let count = Box::new(move |_: &Arc<Monitor>, event: Text<'_>, _: Text<'_>| {
        told.lock().unwrap().extend((event.to_string() == "RESUME").then(|| event.to_string()));
    });
    monitor.subscribe(Some("RESUME"), count).unwrap();
    monitor.connect(SOON).unwrap();
    for i in 0..6 {
        let answered = Arc::clone(&answered);
        let done = Box::new(move |_: &Arc<Monitor>, reply: qmp::error::Result<Text<'_>>| {
            let reply = parsed(reply.unwrap().as_bytes());
            assert!(i != 1, "planted");
            answered.lock().unwrap().push(reply["id"].to_string());
        });
        // The last ones bring an event between two answers.
        let command = if i == 3 { "cont" } else { "query-status" };
        monitor.start(format!("{{\"execute\":\"{command}\",\"id\":{i}}}").as_bytes(), &[], SOON, done).unwrap();
    }
    let (mut panics, expected) = (0, ["0", "2", "3", "4", "5", "RESUME"]);
    while answered.lock().unwrap().len() < expected.len() {
        let turn = || monitor.reactor().turn(SOON).unwrap();
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(turn)) {
            Ok(count) => assert!(count > 0, "something was lost: {:?}", answered.lock().unwrap()),
            Err(_) => panics += 1,
        }
    }
    let mut told = answered.lock().unwrap().clone();
    told.sort();
    assert_eq!((panics, told), (1, expected.map(str::to_owned).to_vec()));
    monitor.free();
}
