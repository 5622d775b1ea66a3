//! Payloads that end early, go on too long, or say what cannot be.

use qmp::error::Code;

use super::client::{ANSWER, Client, STATUS, connected};
use super::rpc_peer::xdr::{Domain, Xdr};
use super::rpc_peer::{
    AUTH_POLKIT, ERROR, LIFECYCLE, MONITOR_EVENT, OK, Peer, QEMU, REMOTE, REPLY, STEPS, Step, packet,
};

/// The beginnings of a payload that lack something.
fn truncated(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..payload.len()).map(|len| &payload[..len])
}

/// A good reply to each step, cut short at every byte.
#[test]
fn truncated_replies_end_the_opening() {
    let peer = Peer::new();
    for step in STEPS.into_iter().filter(|step| *step != Step::Open) {
        let mut len = 0;
        loop {
            let client = Client::new(&peer);
            let connecting = client.connect();
            let mut daemon = peer.accept();
            daemon.domains[0] = Domain::new("even", 1);
            daemon.domains.push(Domain::new("vm", 1));
            daemon.domains.swap(0, 1);
            let call = daemon.open_until(step);
            let whole = daemon.good_answer(step, &call);
            if len >= whole.len() {
                break;
            }
            // The name's padding is not missed by everybody.
            if !(step == Step::LookUp && (6..8).contains(&len)) {
                daemon.reply(&call, &whole[..len]);
                let error = connecting.error(Code::Protocol);
                assert!(!error.detail().text.is_empty(), "{step:?} cut at {len}");
                daemon.expect_end();
            }
            len += 1;
        }
        assert!(len >= 4, "{step:?} was never cut");
    }
}

#[test]
fn a_truncated_polkit_reply_ends_the_opening() {
    let peer = Peer::new();
    for len in 0..4 {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(Step::AuthList);
        daemon.reply(&call, &Xdr::new().u32(1).u32(2).0);
        let call = daemon.expect(REMOTE, AUTH_POLKIT);
        daemon.reply(&call, &[0, 0, 0, 1][..len]);
        connecting.error(Code::Protocol);
    }
}

#[test]
fn truncated_answers_end_the_link() {
    let peer = Peer::new();
    let whole = Xdr::new().string(ANSWER).0;
    // A part of the padding alone is not worth a link.
    for cut in truncated(&whole[..4 + ANSWER.len()]).step_by(3) {
        let mut bed = connected(&peer);
        let outcome = bed.client.start(STATUS);
        let call = bed.daemon.call();
        bed.daemon.reply(&call, cut);
        outcome.error(Code::Protocol);
        bed.client.expect_event("LIBQMP_DISCONNECTED");
        bed.daemon.expect_end();
    }
}

/// Up to its message; what stands behind it nobody needs.
#[test]
fn truncated_errors_end_the_link() {
    let peer = Peer::new();
    let whole = Xdr::new().error(38, "even").0;
    for cut in truncated(&whole[..20]) {
        let mut bed = connected(&peer);
        let outcome = bed.client.start(STATUS);
        let call = bed.daemon.call();
        bed.daemon.send(&packet(call.program, call.procedure, REPLY, call.serial, ERROR, cut));
        outcome.error(Code::Protocol);
        bed.daemon.expect_end();
    }
}

/// An error without a text is an error.
#[test]
fn an_error_without_a_message_is_told_by_its_number() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let outcome = bed.client.start(STATUS);
    let call = bed.daemon.call();
    let payload = Xdr::new().i32(38).i32(10).optional(None).i32(2).u32(0);
    let payload = payload.optional(None).optional(None).optional(None).i32(13).i32(0).u32(0).0;
    bed.daemon.send(&packet(call.program, call.procedure, REPLY, call.serial, ERROR, &payload));
    let error = outcome.error(Code::System);
    assert_eq!((error.detail().libvirt, error.detail().errno), (38, 13), "{error}");
    assert!(error.to_string().contains("38"), "{error}");
    bed.client.works(&mut bed.daemon);
}

#[test]
fn truncated_events_end_the_link() {
    let peer = Peer::new();
    let domain = Domain::new("even", 1);
    let event = |callback| Xdr::new().monitor_event(callback, &domain, "STOP", "{\"a\": 1}").0;
    for len in 0..event(1).len() {
        let mut bed = connected(&peer);
        bed.daemon.message(QEMU, MONITOR_EVENT, &event(bed.qemu)[..len]);
        let told = bed.client.expect_event("LIBQMP_DISCONNECTED");
        assert!(told["data"]["reason"].is_string(), "{told}");
        bed.daemon.expect_end();
    }
}

#[test]
fn truncated_lifecycle_events_end_the_link() {
    let peer = Peer::new();
    let event = |callback| Xdr::new().u32(callback).domain(&Domain::new("even", 1)).u32(5).u32(1).0;
    for len in 0..event(0).len() {
        let mut bed = connected(&peer);
        bed.daemon.message(REMOTE, LIFECYCLE, &event(bed.lifecycle)[..len]);
        bed.client.expect_event("LIBQMP_DISCONNECTED");
        bed.daemon.expect_end();
    }
}

/// Newer daemons may say more than is known here.
#[test]
fn over_long_payloads_are_accepted() {
    let peer = Peer::new();
    for extra in [1, 4, 100, 70_000] {
        let more = vec![0x55; extra];
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        for step in STEPS {
            let call = daemon.open_until(step);
            let answer = daemon.good_answer(step, &call);
            daemon.reply(&call, &[answer, more.clone()].concat());
        }
        connecting.wait().unwrap_or_else(|why| panic!("{extra} bytes more: {why}"));
        client.expect_event("LIBQMP_CONNECTED");
        let domain = Domain::new("vm", 1);
        let event = Xdr::new().monitor_event(1, &domain, "STOP", "").0;
        daemon.message(QEMU, MONITOR_EVENT, &[event, more.clone()].concat());
        client.expect_event("STOP");
        let event = Xdr::new().u32(0).domain(&domain).u32(5).u32(0).0;
        daemon.message(REMOTE, LIFECYCLE, &[event, more.clone()].concat());
        client.expect_event("LIBQMP_DOMAIN_STOPPED");
        let outcome = client.start(STATUS);
        let call = daemon.call();
        daemon.reply(&call, &[Xdr::new().string(ANSWER).0, more.clone()].concat());
        assert_eq!(outcome.reply()["return"]["running"], true);
        let outcome = client.start(STATUS);
        let call = daemon.call();
        let failed = [Xdr::new().error(55, "domain is not running").0, more].concat();
        daemon.send(&packet(call.program, call.procedure, REPLY, call.serial, ERROR, &failed));
        outcome.error(Code::NotRunning);
    }
}

/// Counts and lengths are checked before anything is made of them.
#[test]
fn impossible_counts_and_lengths_end_the_link() {
    let peer = Peer::new();
    let text = [0x41; 8];
    for len in [9, 4_194_305, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut bed = connected(&peer);
        let outcome = bed.client.start(STATUS);
        let call = bed.daemon.call();
        bed.daemon.reply(&call, &[&Xdr::new().u32(len).0[..], &text].concat());
        outcome.error(Code::Protocol);
        bed.daemon.expect_end();
    }
    for count in [2, 21, 0x4000_0000, u32::MAX] {
        let client = Client::new(&peer);
        let connecting = client.connect();
        let mut daemon = peer.accept();
        let call = daemon.open_until(Step::AuthList);
        daemon.reply(&call, &Xdr::new().u32(count).u32(0).0);
        connecting.error(Code::Protocol);
        daemon.expect_end();
    }
}

/// What is there or not is told by 1 or 0, and by nothing else.
#[test]
fn an_optional_that_is_neither_there_nor_not_ends_the_link() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let event = Xdr::new().u32(bed.qemu).domain(&Domain::new("vm", 1)).string("STOP").i64(1).u32(2).u32(2).string("{}");
    bed.daemon.message(QEMU, MONITOR_EVENT, &event.0);
    bed.client.expect_event("LIBQMP_DISCONNECTED");
    bed.daemon.expect_end();
}

/// What a daemon passes on as JSON, and is not.
#[test]
fn answers_that_are_no_json_are_told_as_that() {
    let peer = Peer::new();
    let bad: [&[u8]; 8] =
        [b"", b"{", b"[]", b"{}", b"nonsense", b"{\"return\":\xff}", b"{\"return\":{}}{}", b"{\"return\":\"a\0b\"}"];
    for text in bad {
        let mut bed = connected(&peer);
        let outcome = bed.client.start(STATUS);
        let call = bed.daemon.call();
        let payload = Xdr::new().bytes(text).0;
        bed.daemon.send(&packet(call.program, call.procedure, REPLY, call.serial, OK, &payload));
        let error = outcome.error(Code::Protocol);
        assert!(!error.detail().text.is_empty(), "{text:?}");
    }
}
