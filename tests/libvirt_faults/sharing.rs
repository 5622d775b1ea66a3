//! Monitors of one daemon share a link.

use qmp::error::Code;
use qmp::monitor::{State, Timeout};

use super::client::{Client, STATUS, connected};
use super::rpc_peer::xdr::Domain;
use super::rpc_peer::{Peer, STEPS, Step};

/// Three monitors, one domain: one look-up, one registration, and each has every event.
#[test]
fn monitors_of_a_domain_share_its_registration() {
    let peer = Peer::new();
    let first = Client::new(&peer);
    let clients = [first.beside(&peer.target("vm")), first.beside(&peer.target("vm")), first];
    let connecting: Vec<_> = clients.iter().map(Client::connect).collect();
    let mut daemon = peer.accept();
    let mut steps = Vec::new();
    while steps.len() < STEPS.len() {
        let call = daemon.call();
        let step = Step::of(&call).unwrap();
        daemon.play(step, &call);
        steps.push(step);
    }
    assert_eq!(steps, STEPS);
    connecting.iter().for_each(|outcome| outcome.wait().unwrap());
    daemon.assert_quiet();
    assert!(peer.try_accept().is_none(), "a second connection");
    daemon.event(1, &Domain::new("vm", 1), "STOP", "");
    for client in &clients {
        client.expect_event("LIBQMP_CONNECTED");
        client.expect_event("STOP");
    }
    // One that comes later finds everything there, when it is known that the name still means the same.
    let late = clients[0].beside(&peer.target("vm"));
    let connecting = late.connect();
    daemon.look_up();
    connecting.wait().unwrap();
    daemon.assert_quiet();
    late.works(&mut daemon);
    drop(clients);
    late.works(&mut daemon);
    drop(late);
    daemon.close();
}

/// The opening belongs to the link: one monitor gives up, another gets in.
#[test]
fn a_deadline_ends_only_its_own_share() {
    let peer = Peer::new();
    for step in STEPS {
        let hasty = Client::new(&peer);
        let patient = hasty.beside(&peer.target("vm"));
        let (gives_up, waits) = (hasty.connect_within(Timeout::Millis(150)), patient.connect());
        let mut daemon = peer.accept();
        let call = daemon.open_until(step);
        gives_up.error(Code::Timeout);
        assert_eq!((hasty.monitor.state(), patient.monitor.state()), (State::Disconnected, State::Connecting));
        daemon.play(step, &call);
        if step != Step::Register {
            daemon.open();
        }
        waits.wait().unwrap_or_else(|why| panic!("{step:?}: {why}"));
        patient.works(&mut daemon);
        // And who gave up may come back.
        let connecting = hasty.connect();
        daemon.look_up();
        connecting.wait().unwrap();
        hasty.works(&mut daemon);
    }
}

/// Disconnecting one leaves the others where they are.
#[test]
fn disconnecting_ends_only_its_own_share() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let other = bed.client.beside(&peer.target("vm"));
    let connecting = other.connect();
    bed.daemon.look_up();
    connecting.wait().unwrap();
    let (mine, others) = (bed.client.start(STATUS), other.start(STATUS));
    let call = bed.daemon.call();
    bed.client.monitor.disconnect().unwrap();
    mine.error(Code::Disconnected);
    bed.client.expect_event("LIBQMP_DISCONNECTED");
    // The place of the call that was given up is free when its reply has come.
    bed.daemon.assert_quiet();
    bed.daemon.answer(&call, super::client::ANSWER);
    let call = bed.daemon.call();
    bed.daemon.answer(&call, super::client::ANSWER);
    others.reply();
    bed.daemon.event(bed.qemu, &Domain::new("vm", 1), "STOP", "");
    other.expect_event("LIBQMP_CONNECTED");
    other.expect_event("STOP");
    assert_eq!(other.monitor.state(), State::Connected);
}

/// A domain that is not found is no fault of the others' link.
#[test]
fn an_unknown_domain_ends_only_its_own_share() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let stranger = bed.client.beside(&peer.target("stranger"));
    let connecting = stranger.connect();
    bed.daemon.look_up();
    connecting.error(Code::NotFound);
    bed.client.works(&mut bed.daemon);
    assert_eq!(bed.client.monitor.state(), State::Connected);
}

/// Other options, another link; `socket-fd` is never shared.
#[test]
fn options_that_shape_the_link_keep_it_apart() {
    let peer = Peer::new();
    let bed = connected(&peer);
    for (option, value) in [("keepalive-interval", "60000"), ("keepalive-count", "7"), ("max-links", "2")] {
        let other = bed.client.beside(&peer.target("vm"));
        other.set(option, value);
        let connecting = other.connect();
        let mut daemon = peer.accept();
        daemon.open();
        connecting.wait().unwrap_or_else(|why| panic!("{option}: {why}"));
    }
}
