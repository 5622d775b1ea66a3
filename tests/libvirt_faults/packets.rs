//! Packets whose length cannot be, at every moment.

use qmp::error::{Code, Delivery};

use super::client::{Client, STATUS, connected};
use super::rpc_peer::xdr::Xdr;
use super::rpc_peer::{Peer, STEPS};

/// Less than a header, and one more than libvirt's largest.
const LENGTHS: [u32; 6] = [0, 3, 4, 27, 33_554_437, u32::MAX];

#[test]
fn a_wrong_length_ends_the_opening_at_every_step() {
    let peer = Peer::new();
    for step in STEPS {
        for length in LENGTHS {
            let client = Client::new(&peer);
            let connecting = client.connect();
            let mut daemon = peer.accept();
            daemon.open_until(step);
            daemon.send(&Xdr::new().u32(length).0);
            let error = connecting.error(Code::Protocol);
            assert!(error.to_string().contains(&length.to_string()), "{step:?}, length {length}: {error}");
            daemon.expect_end();
        }
    }
}

#[test]
fn a_wrong_length_ends_a_link() {
    let peer = Peer::new();
    for length in LENGTHS {
        let mut bed = connected(&peer);
        let open = bed.client.start(STATUS);
        let queued = bed.client.start(STATUS);
        let call = bed.daemon.call();
        // Half of a good reply is in the way of nothing: the length counts at once.
        bed.daemon.send(&Xdr::new().u32(length).u32(call.program).0);
        let error = open.error(Code::Protocol);
        assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        assert!(error.to_string().contains(&length.to_string()), "{error}");
        assert_eq!(queued.error(Code::Protocol).delivery(), Delivery::NotSent);
        let told = bed.client.expect_event("LIBQMP_DISCONNECTED");
        assert!(told["data"]["reason"].as_str().unwrap().contains(&length.to_string()), "{told}");
        bed.daemon.expect_end();
    }
}

/// The largest that libvirt sends is not refused for its length: it is waited for.
#[test]
fn the_largest_length_is_waited_for() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let open = bed.client.start(STATUS);
    bed.daemon.call();
    bed.daemon.send(&Xdr::new().u32(33_554_436).0);
    // The monitor stays connected until the peer goes.
    assert_eq!(bed.client.monitor.state(), qmp::monitor::State::Connected);
    bed.daemon.hang_up();
    open.error(Code::Disconnected);
}

/// A link that ends in the middle of anything.
#[test]
fn a_link_that_ends_early_is_disconnected() {
    let peer = Peer::new();
    for step in STEPS {
        for bytes in [0, 3, 20] {
            let client = Client::new(&peer);
            let connecting = client.connect();
            let mut daemon = peer.accept();
            let call = daemon.open_until(step);
            let reply = super::rpc_peer::packet(call.program, call.procedure, 1, call.serial, 0, &[]);
            daemon.send(&reply[..bytes]);
            daemon.hang_up();
            connecting.error(Code::Disconnected);
        }
    }
}
