//! How much is on the wire, whose turn it is, and what becomes of calls that hang.

use qmp::error::{Code, Delivery};
use qmp::monitor::Timeout;
use serde_json::json;

use super::client::{ANSWER, Client, Connected, Outcome, STATUS, connected_with};
use super::rpc_peer::xdr::Domain;
use super::rpc_peer::{Daemon, Packet, Peer};

/// One monitor for each domain d0, d1, … on one link; the first domain is `vm`, which is left alone.
fn many(peer: &Peer, count: usize, options: &[(&str, &str)]) -> (Connected, Vec<Client>) {
    let mut bed = connected_with(peer, options);
    let mut clients = Vec::new();
    for name in (0..count).map(|i| format!("d{i}")) {
        let client = bed.client.beside(&peer.target(&name));
        options.iter().for_each(|(name, value)| client.set(name, value));
        bed.daemon.domains.push(Domain::new(&name, 1));
        let connecting = client.connect();
        bed.daemon.open();
        connecting.wait().unwrap();
        clients.push(client);
    }
    (bed, clients)
}

fn names(calls: &[Packet]) -> Vec<String> {
    calls.iter().map(Packet::domain).collect()
}

/// The daemon stops reading at five calls: there are four, whatever is asked for.
#[test]
fn at_most_four_calls_are_on_the_wire() {
    let peer = Peer::new();
    let (mut bed, clients) = many(&peer, 6, &[("max-links", "1")]);
    let outcomes: Vec<_> = clients.iter().map(|client| client.start(STATUS)).collect();
    let calls = bed.daemon.sent_by_now();
    assert_eq!(names(&calls), ["d0", "d1", "d2", "d3"]);
    bed.daemon.answer(&calls[2], ANSWER);
    outcomes[2].reply();
    let next = bed.daemon.sent_by_now();
    assert_eq!(names(&next), ["d4"]);
    for call in [&calls[0], &calls[1], &calls[3], &next[0]] {
        bed.daemon.answer(call, ANSWER);
    }
    let last = bed.daemon.call();
    assert_eq!(last.domain(), "d5");
    bed.daemon.answer(&last, ANSWER);
    for (number, outcome) in outcomes.iter().enumerate().filter(|(number, _)| *number != 2) {
        assert_eq!(outcome.reply()["return"]["running"], true, "d{number}");
    }
}

/// libvirtd keeps no order among several calls for one domain.
#[test]
fn a_domain_has_one_call_on_the_wire() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[]);
    let same = bed.client.beside(&peer.target("vm"));
    let connecting = same.connect();
    bed.daemon.look_up();
    let request = |number: usize| format!("{{\"execute\":\"c{number}\"}}");
    connecting.wait().unwrap();
    let outcomes: Vec<_> =
        (0..6).map(|number| if number % 2 == 0 { &bed.client } else { &same }.start(&request(number))).collect();
    for (number, outcome) in outcomes.iter().enumerate() {
        let calls = bed.daemon.sent_by_now();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0].command(), request(number));
        bed.daemon.answer(&calls[0], &format!("{{\"return\":{number},\"id\":\"libvirt-1\"}}"));
        assert_eq!(outcome.reply(), json!({"return": number}));
    }
}

/// Who has waited longest is next, not who has asked most.
#[test]
fn domains_take_turns() {
    let peer = Peer::new();
    let (mut bed, clients) = many(&peer, 5, &[("max-links", "1")]);
    let outcomes: Vec<Vec<Outcome<_>>> =
        clients.iter().map(|client| (0..3).map(|_| client.start(STATUS)).collect()).collect();
    let mut calls = bed.daemon.sent_by_now();
    assert_eq!(names(&calls), ["d0", "d1", "d2", "d3"]);
    bed.daemon.answer(&calls.remove(0), ANSWER);
    calls.push(bed.daemon.call());
    assert_eq!(calls.last().unwrap().domain(), "d4", "two more of d0 wait behind it");
    // Nobody is served twice while another one waits for his turn.
    let mut served = vec!["d0".to_owned()];
    while !calls.is_empty() {
        let call = calls.remove(0);
        bed.daemon.answer(&call, ANSWER);
        served.push(call.domain());
        calls.extend(bed.daemon.sent_by_now());
    }
    for round in served.chunks(5) {
        let mut round = round.to_vec();
        round.sort();
        assert_eq!(round, ["d0", "d1", "d2", "d3", "d4"], "{served:?}");
    }
    outcomes.iter().flatten().for_each(|outcome| drop(outcome.reply()));
}

/// Serves a sister's opening until a command comes.
fn command_on(peer: &Peer, domains: &[Domain]) -> (Daemon, Packet) {
    let mut sister = peer.accept();
    sister.domains = domains.to_vec();
    let call = sister.next_command();
    (sister, call)
}

/// Four calls that hang fill a link: the fifth domain has a sister of it, up to `max-links`.
#[test]
fn hanging_calls_open_sisters_up_to_the_limit() {
    let peer = Peer::new();
    let (mut bed, clients) = many(&peer, 9, &[("max-links", "2")]);
    let hanging: Vec<_> = clients[..4].iter().map(|c| c.start_within(STATUS, Timeout::Millis(100))).collect();
    let calls = bed.daemon.sent_by_now();
    assert_eq!(calls.len(), 4);
    for outcome in hanging {
        assert_eq!(outcome.error(Code::Timeout).delivery(), Delivery::Unknown);
    }
    let fifth = clients[4].start(STATUS);
    let (mut sister, call) = command_on(&peer, &bed.daemon.domains);
    assert_eq!((call.domain().as_str(), call.command().as_str()), ("d4", STATUS));
    sister.answer(&call, ANSWER);
    fifth.reply();
    // The sister fills as well; there is no third one, so the last domain waits.
    let hanging: Vec<_> = clients[4..8].iter().map(|c| c.start_within(STATUS, Timeout::Millis(100))).collect();
    let on_sister = sister.sent_by_now();
    assert_eq!(names(&on_sister), ["d4", "d5", "d6", "d7"]);
    hanging.iter().for_each(|outcome| drop(outcome.error(Code::Timeout)));
    let waiting = clients[8].start(STATUS);
    bed.daemon.assert_quiet();
    sister.assert_quiet();
    assert!(peer.try_accept().is_none() && waiting.is_open());
    // A late reply makes room, and goes to nobody.
    bed.daemon.answer(&calls[1], ANSWER);
    let call = bed.daemon.call();
    assert_eq!(call.domain(), "d8");
    bed.daemon.answer(&call, ANSWER);
    waiting.reply();
}

/// A call that timed out keeps its place in front of what the same domain is asked next.
#[test]
fn a_forgotten_call_keeps_its_place() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[]);
    let forgotten = bed.client.start_within(STATUS, Timeout::Millis(50));
    let call = bed.daemon.call();
    assert_eq!(forgotten.error(Code::Timeout).delivery(), Delivery::Unknown);
    let next = bed.client.start(r#"{"execute":"next"}"#);
    bed.daemon.assert_quiet();
    bed.daemon.answer(&call, r#"{"return":"late","id":"libvirt-1"}"#);
    let call = bed.daemon.call();
    assert_eq!(call.command(), r#"{"execute":"next"}"#);
    bed.daemon.answer(&call, r#"{"return":"next","id":"libvirt-2"}"#);
    assert_eq!(next.reply(), json!({"return": "next"}));
}

/// What never got to the wire never does.
#[test]
fn a_cancelled_request_is_not_sent() {
    let peer = Peer::new();
    let mut bed = connected_with(&peer, &[]);
    let first = bed.client.start(STATUS);
    let call = bed.daemon.call();
    let queued = bed.client.start_within(r#"{"execute":"never"}"#, Timeout::Millis(50));
    assert_eq!(queued.error(Code::Timeout).delivery(), Delivery::NotSent);
    bed.daemon.answer(&call, ANSWER);
    first.reply();
    bed.daemon.assert_quiet();
    bed.client.works(&mut bed.daemon);
}
