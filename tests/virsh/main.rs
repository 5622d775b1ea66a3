//! The virsh driver on a real virsh and a real, private libvirtd with real QEMU domains.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libvirtd::{Domain, Libvirtd};
use qmp::error::{Code, Delivery};
use qmp::monitor::stream::Events;
use qmp::monitor::{Monitor, Reactor, Timeout};
use scenario::{Descriptors, Link, Machine, SOON, parsed};
use serde_json::{Value, json};

mod alone;
mod children;
mod cycles;
mod daemon;
mod environment;
mod events;
#[path = "../libvirtd/mod.rs"]
mod libvirtd;
mod listing;
mod names;
mod programs;
#[path = "../scenario/mod.rs"]
mod scenario;
mod texts;
mod trouble;

const STATUS: &[u8] = br#"{"execute":"query-status"}"#;
/// Less than any deadline: what fails at once fails within this.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The domain, through virsh.
fn target(domain: &Domain) -> String {
    format!("virsh:{}", domain.unix())
}

fn new(target: &str, options: &[(&str, &str)]) -> Arc<Monitor> {
    new_on(None, target, options)
}

fn new_on(reactor: Option<&Arc<Reactor>>, target: &str, options: &[(&str, &str)]) -> Arc<Monitor> {
    let monitor = Monitor::new(reactor, target).unwrap();
    options.iter().for_each(|(name, value)| monitor.set(name, value).unwrap());
    monitor
}

/// A connected monitor with a reactor of its own.
fn open(target: &str, options: &[(&str, &str)]) -> Arc<Monitor> {
    let monitor = new(target, options);
    monitor.connect(SOON).unwrap();
    monitor
}

/// A connected monitor, and all its events from the first on.
fn watching(target: &str, options: &[(&str, &str)]) -> (Arc<Monitor>, Arc<Events>) {
    let monitor = new(target, options);
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    assert_eq!(next_name(&events), "LIBQMP_CONNECTED");
    (monitor, events)
}

fn execute(monitor: &Monitor, command: &str) -> Value {
    parsed(monitor.execute(command, None, SOON).unwrap().as_bytes())
}

/// Who it is that answers, in QEMU's own words.
fn uuid_of(monitor: &Monitor) -> String {
    execute(monitor, "query-uuid")["UUID"].as_str().unwrap().to_owned()
}

/// The next event's name, the library's own included, the guest's doings left out.
fn next_name(events: &Events) -> String {
    loop {
        let event = parsed(events.next(SOON).unwrap().as_bytes());
        if event["data"]["guest"] != json!(true) {
            return event["event"].as_str().unwrap().to_owned();
        }
    }
}

/// The next event that a command has caused, as text.
fn next_text(events: &Events) -> String {
    loop {
        let text = String::from_utf8(events.next(SOON).unwrap().as_bytes().to_vec()).unwrap();
        if scenario::is_ours(&parsed(text.as_bytes())) {
            return text;
        }
    }
}

/// What has come by now, one of these included.
fn names_until(events: &Events, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != last) {
        names.push(next_name(events));
    }
    names
}

/// Runs commands until one succeeds; what fails before that has to fail like this.
fn execute_when_it_works(monitor: &Monitor, command: &str, until_then: &[Code]) -> Value {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match monitor.execute(command, None, Timeout::Millis(5000)) {
            Ok(value) => return parsed(value.as_bytes()),
            Err(why) => assert!(until_then.contains(&why.code()) && Instant::now() < end, "{why}"),
        }
    }
}

fn table(domain: &Domain, session: &str) {
    let target = target(domain);
    let monitor = |reactor: Option<&Arc<Reactor>>| new_on(reactor, &target, &[("virsh-session", session)]);
    scenario::table(&Machine { monitor: &monitor, link: Link { oob: false, fds: Descriptors::One } });
    assert_eq!(domain.state(), "paused");
}

#[test]
fn the_table_with_a_session() {
    let Some(daemon) = Libvirtd::shared() else { return };
    table(&Domain::paused(&daemon, "table-session"), "on");
}

#[test]
fn the_table_with_one_process_a_command() {
    let Some(daemon) = Libvirtd::shared() else { return };
    table(&Domain::paused(&daemon, "table-single"), "off");
}

/// The hypervisor itself: it connects, and runs nothing.
#[test]
fn a_target_without_a_domain_runs_no_commands() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for session in ["on", "off"] {
        let monitor = open(&format!("virsh:{}", daemon.unix()), &[("virsh-session", session)]);
        let refused = monitor.run(STATUS, &[], SOON).unwrap_err();
        assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
        assert!(refused.to_string().contains("#NAME"), "{refused}");
        monitor.free();
    }
}

/// A domain that is shut off is connected to: it runs nothing, and its events come when it is started.
#[test]
fn a_monitor_outlives_its_domain() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for session in ["on", "off"] {
        let domain = Domain::define(&daemon, &format!("comes-and-goes-{session}"));
        let (monitor, events) = watching(&target(&domain), &[("virsh-session", session)]);
        for _ in 0..2 {
            let refused = monitor.run(STATUS, &[], SOON).unwrap_err();
            assert_eq!((refused.code(), refused.delivery()), (Code::NotRunning, Delivery::NotSent), "{refused}");
            assert!(refused.detail().desc.as_deref().is_some_and(|text| text.contains("not running")), "{refused}");
            domain.start();
            assert_eq!(uuid_of(&monitor), domain.uuid());
            execute(&monitor, "stop");
            assert_eq!(names_until(&events, "STOP").last().unwrap(), "STOP");
            domain.destroy();
        }
        monitor.free();
    }
}
