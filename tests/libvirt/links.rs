//! How many connections monitors make.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use qmp::error::Code;
use qmp::monitor::{Monitor, Reactor};
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::{SOON, next_event, turn_until};
use super::{execute, open, open_on};

/// Watching costs one connection, whatever is watched.
#[test]
fn a_hundred_monitors_share_one_connection() {
    const MONITORS: usize = 100;
    let Some(daemon) = Libvirtd::own() else { return };
    let running = Domain::running(&daemon, "running");
    let names: Vec<_> = (0..MONITORS / 2).map(|i| format!("shut-off-{i}")).collect();
    daemon.define_many(&names);
    let reactor = Reactor::new().unwrap();
    let targets = names.iter().map(|name| format!("{}#{name}", daemon.unix()));
    let targets = targets.chain((0..MONITORS / 2).map(|_| running.unix()));
    let monitors: Vec<_> = targets.map(|target| Monitor::new(Some(&reactor), &target).unwrap()).collect();
    let streams: Vec<_> = monitors.iter().map(|monitor| monitor.events(Some("STOP")).unwrap()).collect();
    let connected = Arc::new(AtomicUsize::new(0));
    for monitor in &monitors {
        let connected = Arc::clone(&connected);
        let done = Box::new(move |_: &Arc<Monitor>, outcome: qmp::error::Result<()>| {
            outcome.unwrap();
            connected.fetch_add(1, Ordering::Relaxed);
        });
        monitor.connect_start(SOON, done).unwrap();
    }
    turn_until(&reactor, "a hundred monitors", || connected.load(Ordering::Relaxed) == MONITORS);
    assert_eq!(daemon.clients(), 1);
    // Each monitor has what is its own: fifty of them see the domain stop.
    execute(&monitors[MONITORS - 1], "stop");
    for stream in &streams[MONITORS / 2..] {
        assert_eq!(next_event(stream)["event"], json!("STOP"));
    }
    assert_eq!(monitors[0].execute("query-status", None, SOON).unwrap_err().code(), Code::NotRunning);
    assert_eq!(daemon.clients(), 1);
    monitors.into_iter().for_each(Monitor::free);
    // The last one closes.
    let end = || {
        reactor.turn(qmp::monitor::Timeout::Millis(10)).unwrap();
        daemon.clients() == 0
    };
    until("the end of the connection", end);
    reactor.release();
}

/// What differs in reactor, URI or an option that shapes the link has a connection of its own.
#[test]
fn links_that_differ_are_not_shared() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "links");
    let first = open(&domain.unix());
    let same = open_on(Some(first.reactor()), &domain.unix());
    assert_eq!(daemon.clients(), 1);
    let elsewhere = open(&domain.unix());
    assert_eq!(daemon.clients(), 2, "another reactor");
    let options = Monitor::new(Some(first.reactor()), &domain.unix()).unwrap();
    options.set("keepalive-interval", "0").unwrap();
    options.connect(SOON).unwrap();
    assert_eq!(daemon.clients(), 3, "another option");
    let over_tcp = open_on(Some(first.reactor()), &domain.tcp());
    assert_eq!(daemon.clients(), 3, "TCP is no client of this socket");
    for monitor in [first, same, elsewhere, options, over_tcp] {
        assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
        monitor.free();
    }
}
