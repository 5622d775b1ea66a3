//! Domains that are shut off, start and end while a monitor watches them.

use std::sync::Arc;

use qmp::error::{Code, Delivery, Error, Result};
use qmp::monitor::stream::Events;
use qmp::monitor::{Monitor, State};
use qmp::sys::text::Text;
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::{SOON, next_event, parsed};
use super::{STATUS, execute, open};

/// Waits for this event of the library's own, past the machine's, and checks its reason.
fn expect_own(events: &Events, name: &str, reason: &str) {
    loop {
        let event = parsed(events.next(SOON).unwrap().as_bytes());
        if event["event"] == json!(name) {
            assert_eq!(event["data"]["reason"], json!(reason), "{event}");
            assert!(event["timestamp"]["seconds"].is_number(), "{event}");
            return;
        }
        assert!(!event["event"].as_str().unwrap().starts_with("LIBQMP_DOMAIN"), "{event} came before {name}");
    }
}

fn watching(target: &str) -> (Arc<Monitor>, Arc<Events>) {
    let monitor = Monitor::new(None, target).unwrap();
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
    (monitor, events)
}

fn assert_not_running(monitor: &Monitor) {
    let refused = monitor.run(STATUS, &[], SOON).unwrap_err();
    let detail = refused.detail();
    assert_eq!((detail.code, detail.libvirt), (Code::NotRunning, 55), "{refused}");
    assert_eq!(refused.delivery(), Delivery::NotSent, "{refused}");
    assert!(detail.desc.as_deref().is_some_and(|text| text.contains("domain is not running")), "{refused}");
    assert_ne!(detail.delivery, Delivery::Unknown, "{refused}");
}

/// QEMU went away with the command: nobody knows how far it got.
fn assert_cut_off(error: &Error) {
    let detail = error.detail();
    let expected = (Code::Disconnected, 38, libc::ECONNRESET, Delivery::Unknown);
    assert_eq!((detail.code, detail.libvirt, detail.errno, detail.delivery), expected, "{error}");
    assert!(detail.desc.as_deref().is_some_and(|text| text.contains("monitor")), "{error}");
}

#[test]
fn a_monitor_outlives_its_domain() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::define(&daemon, "comes-and-goes");
    let (monitor, events) = watching(&domain.unix());
    assert_not_running(&monitor);
    for _ in 0..2 {
        domain.start();
        expect_own(&events, "LIBQMP_DOMAIN_STARTED", "booted");
        assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
        execute(&monitor, "stop");
        while next_event(&events)["event"] != json!("STOP") {}
        domain.destroy();
        expect_own(&events, "LIBQMP_DOMAIN_STOPPED", "destroyed");
        assert_not_running(&monitor);
        assert_eq!(monitor.state(), State::Connected);
    }
    monitor.free();
}

#[test]
fn the_end_of_a_domain_has_a_reason() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "ends");
    let (monitor, events) = watching(&domain.tcp());
    // A QEMU of libvirt's outlives that for a moment. Of one that ends at once (quit) libvirtd 9.0 loses the event one
    // time in twenty.
    monitor.execute("set-action", Some(br#"{"reboot": "shutdown"}"#), SOON).unwrap();
    let _ = monitor.execute("system_reset", None, SOON);
    assert_eq!(next_event(&events)["event"], json!("SHUTDOWN"));
    expect_own(&events, "LIBQMP_DOMAIN_STOPPED", "shutdown");
    domain.start();
    expect_own(&events, "LIBQMP_DOMAIN_STARTED", "booted");
    domain.kill();
    expect_own(&events, "LIBQMP_DOMAIN_STOPPED", "failed");
    assert_not_running(&monitor);
    monitor.free();
}

/// Only of the domain that is watched, also where the link is shared.
#[test]
fn other_domains_are_other_monitors_business() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let (mine, other) = (Domain::running(&daemon, "mine"), Domain::define(&daemon, "other"));
    let (monitor, events) = watching(&mine.unix());
    let sharing = Monitor::new(Some(monitor.reactor()), &other.unix()).unwrap();
    let others = sharing.events(None).unwrap();
    sharing.connect(SOON).unwrap();
    other.start();
    expect_own(&others, "LIBQMP_DOMAIN_STARTED", "booted");
    execute(&sharing, "stop");
    while next_event(&others)["event"] != json!("STOP") {}
    execute(&monitor, "system_reset");
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("RESET"), "an event of another domain");
    sharing.free();
    monitor.free();
}

#[test]
fn a_domain_that_is_destroyed_answers_what_was_asked() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "destroyed");
    let (monitor, events) = watching(&domain.unix());
    domain.freeze();
    let (answered, answer) = std::sync::mpsc::channel();
    let done = Box::new(move |_: &Arc<Monitor>, outcome: Result<Text<'_>>| answered.send(outcome.map(drop)).unwrap());
    monitor.reactor().start().unwrap();
    monitor.start(STATUS, &[], qmp::monitor::Timeout::Forever, done).unwrap();
    // libvirt first asks QEMU to end, and takes ten seconds to find that it does not.
    domain.destroy();
    assert_cut_off(&answer.recv().unwrap().unwrap_err());
    expect_own(&events, "LIBQMP_DOMAIN_STOPPED", "destroyed");
    assert_not_running(&monitor);
    monitor.free();
}

#[test]
fn a_killed_qemu_ends_what_it_was_asked() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "killed");
    let monitor = open(&domain.unix());
    domain.freeze();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| monitor.run(STATUS, &[], SOON));
        // It is on the wire when libvirt holds the domain for it.
        until("a command that waits for QEMU", || !daemon.virsh(&["domcontrol", domain.uuid()]).starts_with("ok"));
        domain.kill();
        assert_cut_off(&asking.join().unwrap().unwrap_err());
    });
    // Until then libvirt may still try to ask the one that is gone.
    until("libvirt to see its end", || daemon.virsh(&["domstate", domain.uuid()]).starts_with("shut off"));
    assert_not_running(&monitor);
    monitor.free();
}
