//! The opening: what is asked, in which order, and what becomes of answers that are no good.

use qmp::error::{Code, Delivery};
use qmp::monitor::{State, Timeout};

use super::client::{Client, connected};
use super::rpc_peer::xdr::{Domain, Reader, Xdr};
use super::rpc_peer::{
    AUTH_LIST, AUTH_POLKIT, CONNECT_OPEN, EVENT_REGISTER, LOOKUP_BY_ID, LOOKUP_BY_NAME, LOOKUP_BY_UUID, Peer, QEMU,
    REGISTER_ANY, REMOTE, STEPS, SUPPORTS_FEATURE, Step,
};

#[test]
fn it_asks_what_it_needs_and_nothing_else() {
    let peer = Peer::new();
    let client = Client::of(&format!("{}&foo=a%26b#vm", peer.hypervisor()));
    let connecting = client.connect();
    let mut daemon = peer.accept();
    for step in STEPS {
        let call = daemon.call();
        assert_eq!(Step::of(&call), Some(step), "{call:?}");
        let mut payload = Reader(&call.payload);
        match step {
            Step::AuthList => {}
            Step::Open => {
                // What concerns the transport stays here: the daemon would connect to it.
                assert_eq!((payload.u32(), payload.string().as_str()), (1, "qemu:///session?foo=a%26b"));
                assert_eq!(payload.u32(), 0, "flags");
            }
            // Descriptors. Feature 10 is never asked for: the daemon would ping, and end a link whose owner is busy.
            Step::Feature => assert_eq!(payload.u32(), 8),
            Step::Lifecycle => assert_eq!((payload.u32(), payload.u32()), (0, 0), "lifecycle, all domains"),
            Step::LookUp => assert_eq!(payload.string(), "vm"),
            Step::Register => {
                assert_eq!((payload.u32(), payload.domain()), (1, daemon.domains[0].clone()));
                assert_eq!((payload.u32(), payload.u32()), (0, 0), "every event, no flags");
            }
        }
        assert!(payload.0.is_empty(), "more than was to be said: {call:?}");
        assert_eq!(client.monitor.state(), State::Connecting);
        daemon.play(step, &call);
    }
    connecting.wait().unwrap();
    daemon.assert_quiet();
}

/// Each look-up is the one that the fragment asks for.
#[test]
fn fragments_choose_the_look_up() {
    let peer = Peer::new();
    let uuid = Domain::new("vm", 1).uuid_text();
    let cases = [
        ("vm", LOOKUP_BY_NAME),
        ("7", LOOKUP_BY_NAME),
        ("id%3A7", LOOKUP_BY_NAME),
        ("id:x", LOOKUP_BY_NAME),
        ("id:7", LOOKUP_BY_ID),
        (uuid.as_str(), LOOKUP_BY_UUID),
    ];
    for (fragment, procedure) in cases {
        let client = Client::of(&peer.target(fragment));
        let connecting = client.connect();
        let mut daemon = peer.accept();
        daemon.domains.extend(["7", "id:7", "id:x"].map(|name| Domain::new(name, 7)));
        let call = daemon.open_until(Step::LookUp);
        assert_eq!(call.procedure, procedure, "#{fragment}");
        daemon.play(Step::LookUp, &call);
        daemon.open();
        connecting.wait().unwrap_or_else(|why| panic!("#{fragment}: {why}"));
    }
}

/// A name that looks like a UUID is a name when no domain has that UUID.
#[test]
fn a_uuid_that_nobody_has_may_be_a_name() {
    let peer = Peer::new();
    let name = Domain::new("somebody", 1).uuid_text();
    let client = Client::of(&peer.target(&name));
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::LookUp);
    assert_eq!(call.procedure, LOOKUP_BY_UUID);
    daemon.fail(&call, 42, "Domain not found: no domain with matching uuid");
    let call = daemon.expect(REMOTE, LOOKUP_BY_NAME);
    assert_eq!(Reader(&call.payload).string(), name);
    daemon.reply(&call, &Xdr::new().domain(&Domain::new(&name, 3)).0);
    daemon.open();
    connecting.wait().unwrap();
}

/// The error says how far it came.
#[test]
fn silence_ends_in_a_timeout_that_names_the_step() {
    let peer = Peer::new();
    let mut texts = Vec::new();
    for step in STEPS {
        let client = Client::new(&peer);
        let connecting = client.connect_within(Timeout::Millis(300));
        let mut daemon = peer.accept();
        daemon.open_until(step);
        let error = connecting.error(Code::Timeout);
        assert_eq!(client.monitor.state(), State::Disconnected, "{error}");
        texts.push((error.detail().text.clone(), step));
    }
    texts.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in texts.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "{:?} and {:?} are told alike", pair[0].1, pair[1].1);
    }
}

/// libvirt's number decides what kind of failure it is; its text is told as it came.
#[test]
fn refusals_have_a_code() {
    const CASES: [(i32, Code); 14] = [
        (1, Code::Connect),
        (5, Code::Connect),
        (38, Code::Connect),
        (39, Code::Connect),
        (29, Code::Auth),
        (45, Code::Auth),
        (79, Code::Auth),
        (88, Code::Auth),
        (94, Code::Auth),
        (3, Code::Unsupported),
        (67, Code::Unsupported),
        (74, Code::Unsupported),
        (84, Code::Unsupported),
        (68, Code::Timeout),
    ];
    let peer = Peer::new();
    for (number, code) in CASES {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(Step::Open);
        daemon.fail(&call, number, "so sagt der D\u{e4}mon");
        let error = connecting.error(code);
        let detail = error.detail();
        assert_eq!((detail.libvirt, detail.desc.as_deref()), (number, Some("so sagt der D\u{e4}mon")), "{error}");
        let text = error.to_string();
        assert!(text.contains("D\u{e4}mon") && text.contains(&number.to_string()), "{text}");
    }
}

#[test]
fn refused_registrations_and_look_ups_are_told() {
    let peer = Peer::new();
    for (step, number, code) in [
        (Step::LookUp, 42, Code::NotFound),
        (Step::LookUp, 88, Code::Auth),
        (Step::Register, 29, Code::Auth),
        (Step::Register, 3, Code::Unsupported),
    ] {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(step);
        daemon.fail(&call, number, "no");
        let error = connecting.error(code);
        assert_eq!((error.detail().libvirt, error.delivery()), (number, Delivery::NotSent), "{step:?}: {error}");
    }
}

/// Some drivers of libvirt have no lifecycle events: everything else works.
#[test]
fn lifecycle_events_may_be_missing() {
    let peer = Peer::new();
    let client = Client::new(&peer);
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::Lifecycle);
    daemon.fail(&call, 3, "this function is not supported by the connection driver");
    let call = daemon.open_until(Step::Register);
    daemon.reply(&call, &Xdr::new().u32(7).0);
    connecting.wait().unwrap();
    client.expect_event("LIBQMP_CONNECTED");
    daemon.event(7, &Domain::new("vm", 1), "STOP", "");
    client.expect_event("STOP");
    client.works(&mut daemon);
}

#[test]
fn a_daemon_without_descriptors_gets_none() {
    let peer = Peer::new();
    let client = Client::new(&peer);
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::Feature);
    daemon.reply(&call, &Xdr::new().u32(0).0);
    daemon.open();
    connecting.wait().unwrap();
    assert!(!client.monitor.supports("fds"));
    let request = br#"{"execute":"getfd","arguments":{"fdname":"a"}}"#;
    let refused = client.monitor.run(request, &[0], super::client::SOON).unwrap_err();
    assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
    daemon.assert_quiet();
}

/// Nobody said who logs in: that is told, and nothing is sent after it.
#[test]
fn sasl_without_credentials_is_refused() {
    let peer = Peer::new();
    let client = Client::of(&format!("{}&authfile=/nowhere/auth.conf#vm", peer.hypervisor()));
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::AuthList);
    daemon.reply(&call, &Xdr::new().u32(1).u32(1).0);
    let error = connecting.error(Code::Auth);
    assert!(error.to_string().to_lowercase().contains("sasl"), "{error}");
    daemon.expect_end();
}

#[test]
fn polkit_is_asked_and_may_refuse() {
    let peer = Peer::new();
    for accepted in [true, false] {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(Step::AuthList);
        daemon.reply(&call, &Xdr::new().u32(1).u32(2).0);
        let call = daemon.expect(REMOTE, AUTH_POLKIT);
        assert!(call.payload.is_empty());
        if accepted {
            daemon.reply(&call, &Xdr::new().u32(1).0);
            daemon.open();
            connecting.wait().unwrap();
        } else {
            daemon.fail(&call, 88, "authentication unavailable: no agent");
            let error = connecting.error(Code::Auth);
            assert_eq!(error.detail().libvirt, 88, "{error}");
            daemon.expect_end();
        }
    }
}

/// An empty list is as good as "none is needed".
#[test]
fn no_way_in_at_all_means_that_none_is_needed() {
    let peer = Peer::new();
    let client = Client::new(&peer);
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::AuthList);
    daemon.reply(&call, &Xdr::new().u32(0).0);
    daemon.open();
    connecting.wait().unwrap();
}

/// The hypervisor alone needs no domain, and no events of QEMU's.
#[test]
fn a_target_without_a_domain_asks_for_none() {
    let peer = Peer::new();
    let client = Client::of(&peer.hypervisor());
    let connecting = client.connect();
    let mut daemon = peer.accept();
    loop {
        // Whatever of these it asks.
        let call = daemon.call();
        assert!(
            [AUTH_LIST, CONNECT_OPEN, SUPPORTS_FEATURE, REGISTER_ANY].contains(&call.procedure)
                && (call.program, call.procedure) != (QEMU, EVENT_REGISTER),
            "{call:?}"
        );
        let step = Step::of(&call).unwrap();
        daemon.play(step, &call);
        if step == Step::Lifecycle {
            break;
        }
    }
    connecting.wait().unwrap();
    daemon.assert_quiet();
}

#[test]
fn a_second_connect_opens_a_second_time() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    for _ in 0..2 {
        bed.client.monitor.disconnect().unwrap();
        bed.client.expect_event("LIBQMP_DISCONNECTED");
        bed.daemon.close();
        let connecting = bed.client.connect();
        bed.daemon = peer.accept();
        bed.daemon.open();
        connecting.wait().unwrap();
        bed.client.expect_event("LIBQMP_CONNECTED");
        bed.client.works(&mut bed.daemon);
    }
}
