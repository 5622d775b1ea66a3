//! Pings, both ways.

use qmp::error::Code;
use qmp::monitor::Timeout;

use super::client::{ANSWER, Client, STATUS, connected, connected_with};
use super::rpc_peer::{KEEPALIVE, PING, PONG, Peer, STEPS};

#[test]
fn an_unanswered_peer_is_dead() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[("keepalive-interval", "50"), ("keepalive-count", "3")]);
    let mut pings = 0;
    while let Some(packet) = bed.daemon.packet() {
        assert_eq!((packet.program, packet.procedure, packet.payload.len()), (KEEPALIVE, PING, 0), "{packet:?}");
        pings += 1;
    }
    assert_eq!(pings, 3);
    let told = bed.client.expect_event("LIBQMP_DISCONNECTED");
    assert!(told["data"]["reason"].as_str().unwrap().contains("answer"), "{told}");
}

/// Whatever comes is a sign of life, not only what answers a ping.
#[test]
fn anything_from_the_peer_is_a_sign_of_life() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[("keepalive-interval", "50"), ("keepalive-count", "3")]);
    for number in 0..20 {
        let packet = bed.daemon.packet().unwrap_or_else(|| panic!("the link ended at ping {number}"));
        assert_eq!((packet.program, packet.procedure), (KEEPALIVE, PING));
        if number % 2 == 0 {
            bed.daemon.pong();
        } else {
            bed.daemon.message(super::rpc_peer::QEMU, 99, &[]);
        }
    }
    bed.client.works(&mut bed.daemon);
}

/// The application may have forgotten the interval's purpose; the link must not.
#[test]
fn without_an_interval_nothing_is_sent() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[("keepalive-interval", "0"), ("keepalive-count", "1")]);
    // Long enough for several of the other tests' intervals.
    assert_eq!(bed.client.events.next(Timeout::Millis(300)).unwrap_err().code(), Code::Timeout);
    bed.daemon.assert_quiet();
    bed.client.works(&mut bed.daemon);
}

/// At any moment, also during the opening.
#[test]
fn pings_are_answered() {
    let peer = Peer::new();
    for step in STEPS {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(step);
        for _ in 0..3 {
            daemon.message(KEEPALIVE, PING, &[]);
        }
        for _ in 0..3 {
            let pong = daemon.packet().unwrap();
            assert_eq!((pong.program, pong.procedure, pong.serial, pong.kind), (KEEPALIVE, PONG, 0, 2), "{pong:?}");
            assert!(pong.payload.is_empty() && pong.status == 0);
        }
        daemon.play(step, &call);
        if step != super::rpc_peer::Step::Register {
            daemon.open();
        }
        connecting.wait().unwrap();
    }
}

/// A pong that nobody asked for is nothing, and a ping with more in it is a ping.
#[test]
fn odd_pings_and_pongs_do_no_harm() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    bed.daemon.pong();
    bed.daemon.message(KEEPALIVE, PING, &[0; 12]);
    assert_eq!(bed.daemon.packet().unwrap().procedure, PONG);
    bed.daemon.message(KEEPALIVE, 7, &[]);
    let outcome = bed.client.start(STATUS);
    let call = bed.daemon.call();
    bed.daemon.answer(&call, ANSWER);
    outcome.reply();
}
