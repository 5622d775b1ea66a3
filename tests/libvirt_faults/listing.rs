//! The domains of a hypervisor.

use std::thread;

use qmp::error::{Code, Delivery};
use qmp::monitor::Timeout;
use serde_json::{Value, json};

use super::client::{Client, SOON};
use super::rpc_peer::xdr::{Domain, Reader, Xdr};
use super::rpc_peer::{Daemon, GET_STATE, LIST_ALL_DOMAINS, Packet, Peer, REMOTE, Step};

const RUNNING: u32 = 16;
const PAUSED: u32 = 32;
const SHUT_OFF: u32 = 64;

/// Connected to the hypervisor alone.
fn hypervisor(peer: &Peer) -> (Client, Daemon) {
    let client = Client::of(&peer.hypervisor());
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::Lifecycle);
    daemon.play(Step::Lifecycle, &call);
    connecting.wait().unwrap();
    (client, daemon)
}

/// The flags of a listing's call.
fn flags(call: &Packet) -> u32 {
    let mut payload = Reader(&call.payload);
    assert_eq!(payload.u32(), 1, "the results are needed, not their number alone");
    let flags = payload.u32();
    assert!(payload.0.is_empty());
    flags
}

fn list<'a>(domains: impl Iterator<Item = &'a Domain>) -> Vec<u8> {
    let (mut body, mut count) = (Xdr::new(), 0);
    for domain in domains {
        body = body.domain(domain);
        count += 1;
    }
    [Xdr::new().u32(count).0, body.0, count.to_be_bytes().to_vec()].concat()
}

/// Runs the listing beside what the peer does.
fn listed(client: &Client, timeout: Timeout, play: impl FnOnce()) -> qmp::error::Result<Value> {
    thread::scope(|scope| {
        let listing = scope.spawn(|| client.monitor.domains(timeout));
        play();
        listing.join().unwrap().map(|json| serde_json::from_slice(json.as_bytes()).unwrap())
    })
}

/// The daemon filters by state: four lists tell nearly everything, whatever their length.
#[test]
fn ten_thousand_domains_take_a_handful_of_calls() {
    const DOMAINS: usize = 10_000;
    let peer = Peer::new();
    let (client, mut daemon) = hypervisor(&peer);
    let active = |number: usize| if number % 3 == 2 { -1 } else { number as i32 + 1 };
    let domain = |number: usize| {
        let mut domain = Domain::new(&format!("vm-{number:05}"), active(number));
        domain.uuid[..8].copy_from_slice(&(number as u64).to_be_bytes());
        domain
    };
    let domains: Vec<_> = (0..DOMAINS).map(domain).collect();
    // Three are in none of the states that can be filtered for.
    let odd = |number: usize| [100, 3000, 9999].contains(&number);
    let of = |kind: usize| domains.iter().enumerate().filter(move |(n, _)| !odd(*n) && n % 3 == kind).map(|(_, d)| d);
    let mut asked = Vec::new();
    let found = listed(&client, SOON, || {
        while asked.len() < 4 + 3 {
            let call = daemon.call();
            assert_eq!(call.program, REMOTE);
            if call.procedure == GET_STATE {
                let asked_for = Reader(&call.payload).domain().uuid;
                let number = domains.iter().position(|domain| domain.uuid == asked_for).unwrap();
                assert!(odd(number), "asked for the state of number {number}");
                daemon.reply(&call, &Xdr::new().u32(if number == 100 { 6 } else { 4 }).u32(0).0);
                asked.push(number as u32);
                continue;
            }
            assert_eq!(call.procedure, LIST_ALL_DOMAINS);
            let answer = match flags(&call) {
                0 => list(domains.iter()),
                RUNNING => list(of(0)),
                PAUSED => list(of(1)),
                SHUT_OFF => list(of(2)),
                other => panic!("listed by {other}"),
            };
            asked.push(flags(&call));
            daemon.reply(&call, &answer);
        }
    })
    .unwrap();
    daemon.assert_quiet();
    asked.sort_unstable();
    assert_eq!(asked, [0, RUNNING, PAUSED, SHUT_OFF, 100, 3000, 9999]);
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), DOMAINS);
    for (number, domain) in domains.iter().enumerate() {
        let state = match (number, number % 3) {
            (100, _) => "crashed",
            (3000 | 9999, _) => "shutdown",
            (_, 0) => "running",
            (_, 1) => "paused",
            _ => "shutoff",
        };
        let expected = json!({"name": domain.name, "uuid": domain.uuid_text(), "id": domain.id, "state": state});
        assert_eq!(found[number], expected);
    }
}

#[test]
fn every_state_has_its_name() {
    const NAMES: [&str; 8] =
        ["nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"];
    let peer = Peer::new();
    let (client, mut daemon) = hypervisor(&peer);
    // A name that JSON has to escape, and one that is empty.
    let names = ["a\"\\\n", "é😀", "", "d", "e", "f", "g", "h"];
    let domains: Vec<_> = names.iter().map(|name| Domain::new(name, -1)).collect();
    let found = listed(&client, SOON, || {
        for _ in 0..4 {
            let call = daemon.expect(REMOTE, LIST_ALL_DOMAINS);
            let whole = flags(&call) == 0;
            daemon.reply(&call, &list(domains.iter().filter(|_| whole)));
        }
        for _ in NAMES {
            let call = daemon.expect(REMOTE, GET_STATE);
            let asked_for = Reader(&call.payload).domain().uuid;
            let number = domains.iter().position(|domain| domain.uuid == asked_for).unwrap();
            daemon.reply(&call, &Xdr::new().u32(number as u32).u32(0).0);
        }
    })
    .unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), NAMES.len());
    for (name, state) in names.iter().zip(NAMES) {
        let entry = found.iter().find(|entry| entry["name"] == *name).unwrap_or_else(|| panic!("{name:?} is missing"));
        assert_eq!(entry["state"], state, "{name:?}");
    }
}

/// One that is gone when its state is asked for is left out, and nothing else with it.
#[test]
fn a_domain_that_vanishes_is_left_out() {
    let peer = Peer::new();
    let (client, mut daemon) = hypervisor(&peer);
    let domains = [Domain::new("gone", 1), Domain::new("here", 2)];
    let found = listed(&client, SOON, || {
        for _ in 0..4 {
            let call = daemon.expect(REMOTE, LIST_ALL_DOMAINS);
            let payload = match flags(&call) {
                0 => list(domains.iter()),
                RUNNING => list(domains[1..].iter()),
                _ => list([].iter()),
            };
            daemon.reply(&call, &payload);
        }
        let call = daemon.expect(REMOTE, GET_STATE);
        daemon.fail(&call, 42, "Domain not found");
    })
    .unwrap();
    let here = &domains[1];
    assert_eq!(found, json!([{"name": "here", "uuid": here.uuid_text(), "id": 2, "state": "running"}]));
}

#[test]
fn a_listing_may_be_refused_time_out_or_be_nonsense() {
    let peer = Peer::new();
    let (client, mut daemon) = hypervisor(&peer);
    let refused = listed(&client, SOON, || {
        let call = daemon.expect(REMOTE, LIST_ALL_DOMAINS);
        daemon.fail(&call, 88, "access denied");
    })
    .unwrap_err();
    assert_eq!((refused.code(), refused.detail().libvirt), (Code::Auth, 88), "{refused}");
    let late = listed(&client, Timeout::Millis(100), || {
        daemon.expect(REMOTE, LIST_ALL_DOMAINS);
    })
    .unwrap_err();
    assert_eq!((late.code(), late.delivery()), (Code::Timeout, Delivery::Unknown), "{late}");
    let lengths = [0, 4, 7, 24, 30];
    for len in lengths {
        let (client, mut daemon) = hypervisor(&peer);
        let nonsense = listed(&client, SOON, || {
            let call = daemon.expect(REMOTE, LIST_ALL_DOMAINS);
            daemon.reply(&call, &list([Domain::new("even", 1)].iter())[..len]);
        })
        .unwrap_err();
        assert_eq!(nonsense.code(), Code::Protocol, "cut at {len}: {nonsense}");
    }
    for count in [16_385, 0x7fff_ffff, u32::MAX] {
        let (client, mut daemon) = hypervisor(&peer);
        let nonsense = listed(&client, SOON, || {
            let call = daemon.expect(REMOTE, LIST_ALL_DOMAINS);
            daemon.reply(&call, &Xdr::new().u32(count).domain(&Domain::new("even", 1)).u32(1).0);
        })
        .unwrap_err();
        assert_eq!(nonsense.code(), Code::Protocol, "{count} domains: {nonsense}");
    }
}
