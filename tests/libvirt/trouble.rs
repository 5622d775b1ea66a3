//! QEMUs that stop, and a daemon that is killed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use qmp::error::{Code, Delivery, Result};
use qmp::monitor::{Monitor, Reactor, State, Timeout};
use qmp::sys::buffer::Buffer;
use qmp::sys::text::Text;
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd};
use super::scenario::{SOON, next_event, parsed};
use super::{STATUS, execute, open, open_on, uuid_of};

/// Much longer than a command takes, much shorter than one that waits for a stopped QEMU.
const PACE: Duration = Duration::from_secs(2);
const LONG: Timeout = Timeout::Millis(60_000);

/// Starts a command; its answer can be waited for, somebody else turns.
fn start(monitor: &Arc<Monitor>, request: &[u8], timeout: Timeout) -> Receiver<Result<Buffer>> {
    let (sender, answer) = channel();
    let done =
        Box::new(move |_: &Arc<Monitor>, outcome: Result<Text<'_>>| sender.send(outcome.map(Buffer::from)).unwrap());
    monitor.start(request, &[], timeout, done).unwrap();
    answer
}

/// More QEMUs are stopped than a connection takes calls: the others keep their pace over all of one reactor.
#[test]
fn stopped_qemus_hold_up_nobody_else() {
    const STOPPED: usize = 6;
    let Some(daemon) = Libvirtd::own() else { return };
    let reactor = Reactor::new().unwrap();
    let domains: Vec<_> = (0..STOPPED + 2).map(|i| Domain::running(&daemon, &format!("vm-{i}"))).collect();
    let monitors: Vec<_> = domains.iter().map(|domain| open_on(Some(&reactor), &domain.unix())).collect();
    reactor.start().unwrap();
    assert_eq!(daemon.clients(), 1);
    domains[..STOPPED].iter().for_each(Domain::freeze);
    let request = |i: usize| format!("{{\"execute\":\"query-status\",\"id\":{i}}}");
    let hanging: Vec<_> = (0..STOPPED).map(|i| start(&monitors[i], request(i).as_bytes(), LONG)).collect();
    for number in 0..100 {
        let monitor = &monitors[STOPPED + number % 2];
        let begun = Instant::now();
        assert_eq!(execute(monitor, "query-status")["running"], json!(true));
        assert!(begun.elapsed() < PACE, "command {number} took {:?}", begun.elapsed());
    }
    let links = daemon.clients();
    assert!((2..=4).contains(&links), "{links} connections");
    assert!(hanging.iter().all(|answer| answer.try_recv().is_err()), "an answer of a stopped QEMU");
    domains[..STOPPED].iter().for_each(Domain::thaw);
    for (i, answer) in hanging.into_iter().enumerate() {
        assert_eq!(parsed(answer.recv().unwrap().unwrap().as_bytes())["id"], json!(i));
    }
    monitors.into_iter().for_each(Monitor::free);
    reactor.release();
}

/// Who gave up gets no answer any more, and the next one gets his own.
#[test]
fn late_replies_are_dropped() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "late");
    let monitor = open(&domain.unix());
    domain.freeze();
    let error = monitor.execute("query-commands", None, Timeout::Millis(200)).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::Unknown), "{error}");
    // It keeps its place: what follows waits for it, and never gets to the wire.
    let error = monitor.execute("query-status", None, Timeout::Millis(200)).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::NotSent), "{error}");
    domain.thaw();
    for _ in 0..3 {
        assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    }
    monitor.free();
}

#[test]
fn a_killed_daemon_ends_every_call_and_can_be_connected_again() {
    let Some(daemon) = Libvirtd::own() else { return };
    let (stuck, idle) = (Domain::running(&daemon, "stuck"), Domain::running(&daemon, "idle"));
    let monitor = Monitor::new(None, &stuck.unix()).unwrap();
    let reactor = Arc::clone(monitor.reactor());
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    let sharing = open_on(Some(&reactor), &idle.unix());
    reactor.start().unwrap();
    stuck.freeze();
    let answer = start(&monitor, STATUS, LONG);
    let queued = start(&monitor, STATUS, LONG);
    daemon.kill();
    let error = answer.recv().unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::Unknown), "{error}");
    let error = queued.recv().unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::NotSent), "{error}");
    while parsed(events.next(SOON).unwrap().as_bytes())["event"] != json!("LIBQMP_DISCONNECTED") {}
    // The other monitor of the link hears of it in its own time.
    let error = sharing.run(STATUS, &[], SOON).unwrap_err();
    assert_eq!(error.code(), Code::Disconnected, "{error}");
    assert_eq!((monitor.state(), sharing.state()), (State::Disconnected, State::Disconnected));
    stuck.thaw();
    daemon.restart();
    monitor.connect(SOON).unwrap();
    assert_eq!(uuid_of(&monitor), stuck.uuid());
    execute(&monitor, "stop");
    assert_eq!(next_event(&events)["event"], json!("STOP"));
    sharing.connect(SOON).unwrap();
    assert_eq!(uuid_of(&sharing), idle.uuid());
    sharing.free();
    monitor.free();
}

/// A daemon that is stopped in its tracks answers no ping.
#[test]
fn a_dead_daemon_is_noticed() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "silent");
    for target in [domain.unix(), domain.tcp()] {
        let monitor = Monitor::new(None, &target).unwrap();
        monitor.set("keepalive-interval", "100").unwrap();
        monitor.set("keepalive-count", "3").unwrap();
        let events = monitor.events(None).unwrap();
        monitor.connect(SOON).unwrap();
        assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
        // A living one is left alone.
        assert_eq!(events.next(Timeout::Millis(1000)).unwrap_err().code(), Code::Timeout);
        daemon.freeze(true);
        let last = parsed(events.next(SOON).unwrap().as_bytes());
        daemon.freeze(false);
        assert_eq!(last["event"], json!("LIBQMP_DISCONNECTED"), "{last}");
        monitor.connect(SOON).unwrap();
        assert_eq!(uuid_of(&monitor), domain.uuid());
        monitor.free();
    }
}
