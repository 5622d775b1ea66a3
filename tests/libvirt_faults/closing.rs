//! The end of a link: in order, and never for the peer's sake.

use std::time::{Duration, Instant};

use qmp::error::Code;

use super::client::{STATUS, connected};
use super::rpc_peer::{CONNECT_CLOSE, Peer, REMOTE};

#[test]
fn the_last_monitor_closes_in_order() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    bed.client.monitor.disconnect().unwrap();
    bed.client.expect_event("LIBQMP_DISCONNECTED");
    bed.daemon.close();
}

/// A daemon whose client says farewell and is gone before the answer may crash (libvirtd 9.0 does). Where nobody will turn
/// any more the connection just ends.
#[test]
fn a_link_that_goes_with_its_reactor_just_ends() {
    let peer = Peer::new();
    let monitor = qmp::monitor::Monitor::new(None, &peer.target("vm")).unwrap();
    let connecting = std::thread::spawn(move || {
        monitor.connect(super::client::SOON).unwrap();
        monitor.free();
    });
    let mut daemon = peer.accept();
    daemon.open();
    connecting.join().unwrap();
    daemon.expect_end();
}

/// A peer that does not answer is left after a while, and its owner never waits for that.
#[test]
fn closing_has_a_deadline() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let begun = Instant::now();
    bed.client.monitor.disconnect().unwrap();
    bed.client.expect_event("LIBQMP_DISCONNECTED");
    assert!(begun.elapsed() < Duration::from_secs(1), "disconnecting took {:?}", begun.elapsed());
    loop {
        let call = bed.daemon.call();
        if (call.program, call.procedure) == (REMOTE, CONNECT_CLOSE) {
            break;
        }
    }
    bed.daemon.expect_end();
    let took = begun.elapsed();
    assert!((Duration::from_millis(500)..Duration::from_secs(10)).contains(&took), "it took {took:?}");
}

/// A call that hangs holds nothing up.
#[test]
fn closing_does_not_wait_for_calls() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let outcome = bed.client.start(STATUS);
    bed.daemon.call();
    bed.client.monitor.disconnect().unwrap();
    outcome.error(Code::Disconnected);
    bed.daemon.close();
}

/// What is still under way when the link closes is dropped.
#[test]
fn a_closing_link_drops_what_still_comes() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let outcome = bed.client.start(STATUS);
    let call = bed.daemon.call();
    bed.client.monitor.disconnect().unwrap();
    outcome.error(Code::Disconnected);
    bed.client.expect_event("LIBQMP_DISCONNECTED");
    bed.daemon.answer(&call, super::client::ANSWER);
    bed.daemon.event(bed.qemu, &super::rpc_peer::xdr::Domain::new("vm", 1), "STOP", "");
    bed.daemon.close();
    assert_eq!(bed.client.events.next(super::client::SOON).unwrap_err().code(), Code::Disconnected);
}
