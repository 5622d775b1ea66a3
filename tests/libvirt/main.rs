//! The libvirt driver on a real, private libvirtd with real QEMU domains, over its UNIX and its TCP socket.

use std::sync::Arc;

use libvirtd::{Domain, Libvirtd};
use qmp::error::{Code, Delivery};
use qmp::monitor::{Monitor, Reactor};
use scenario::{Descriptors, Link, Machine, SOON, next_event, parsed};
use serde_json::{Value, json};

#[path = "../libvirtd/mod.rs"]
mod libvirtd;
mod life;
mod links;
mod listing;
mod names;
mod proxy;
#[path = "../scenario/mod.rs"]
mod scenario;
mod sockets;
mod texts;
mod trouble;

const STATUS: &[u8] = br#"{"execute":"query-status"}"#;

/// A connected monitor with a reactor of its own.
fn open(target: &str) -> Arc<Monitor> {
    open_on(None, target)
}

fn open_on(reactor: Option<&Arc<Reactor>>, target: &str) -> Arc<Monitor> {
    let monitor = Monitor::new(reactor, target).unwrap();
    monitor.connect(SOON).unwrap();
    monitor
}

fn execute(monitor: &Monitor, command: &str) -> Value {
    parsed(monitor.execute(command, None, SOON).unwrap().as_bytes())
}

/// Who it is that answers, in QEMU's own words.
fn uuid_of(monitor: &Monitor) -> String {
    execute(monitor, "query-uuid")["UUID"].as_str().unwrap().to_owned()
}

fn table(domain: &Domain, target: &str, fds: Descriptors) {
    let monitor = |reactor: Option<&Arc<Reactor>>| Monitor::new(reactor, target).unwrap();
    scenario::table(&Machine { monitor: &monitor, link: Link { oob: false, fds } });
    assert_eq!(domain.state(), "paused");
}

#[test]
fn the_table_over_the_unix_socket() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "table-unix");
    table(&domain, &domain.unix(), Descriptors::One);
}

#[test]
fn the_table_over_tcp() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "table-tcp");
    table(&domain, &domain.tcp(), Descriptors::None);
}

/// The very bytes, and QEMU's own timestamps, of what the socket driver gets from the domain's second monitor.
#[test]
fn events_have_the_bytes_of_the_socket_driver() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "bytes");
    let targets = [domain.unix(), domain.tcp(), domain.second()];
    let monitors = targets.map(|target| Monitor::new(None, &target).unwrap());
    let streams: Vec<_> = monitors.iter().map(|monitor| monitor.events(None).unwrap()).collect();
    monitors.iter().for_each(|monitor| monitor.connect(SOON).unwrap());
    for command in ["stop", "cont", "system_reset", "stop", "cont"] {
        execute(&monitors[0], command);
    }
    for name in ["STOP", "RESUME", "RESET", "STOP", "RESUME"] {
        let texts: Vec<_> = streams.iter().map(|stream| next_text(stream)).collect();
        assert_eq!(parsed(texts[2].as_bytes())["event"], json!(name));
        assert_eq!(texts[0], texts[2], "over the UNIX socket");
        assert_eq!(texts[1], texts[2], "over TCP");
    }
    monitors.into_iter().for_each(Monitor::free);
}

/// The next event that a command has caused, as text.
fn next_text(events: &qmp::monitor::stream::Events) -> String {
    loop {
        let text = String::from_utf8(events.next(SOON).unwrap().as_bytes().to_vec()).unwrap();
        if scenario::is_ours(&parsed(text.as_bytes())) {
            return text;
        }
    }
}

/// More than any queue on the way holds at once.
#[test]
fn no_event_is_lost() {
    const PAIRS: usize = 500;
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "many-events");
    let (monitor, second) = (Monitor::new(None, &domain.unix()).unwrap(), open(&domain.second()));
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    for _ in 0..PAIRS {
        execute(&second, "stop");
        execute(&second, "cont");
    }
    for _ in 0..PAIRS {
        assert_eq!(next_event(&events)["event"], json!("STOP"));
        assert_eq!(next_event(&events)["event"], json!("RESUME"));
    }
    monitor.free();
    second.free();
}

/// The hypervisor itself: it connects, and runs nothing.
#[test]
fn a_target_without_a_domain_runs_no_commands() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for target in [daemon.unix(), daemon.tcp()] {
        let monitor = open(&target);
        let refused = monitor.run(STATUS, &[], SOON).unwrap_err();
        assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
        monitor.free();
    }
}
