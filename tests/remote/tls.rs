//! Daemons over TLS: whom the client believes, what it says when it does not, and peers that stop half-way.

use qmp::error::{Code, Error, Result};
use qmp::monitor::{Monitor, Timeout};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use super::daemon::{Daemon, Manner};
use super::pki::{Authority, Folder, Identity, Kind};

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const SOON: Timeout = Timeout::Millis(20_000);
const SHORT: Timeout = Timeout::Millis(300);

fn target(daemon: &Daemon, host: &str, folder: &Folder, more: &str) -> String {
    let port = daemon.address.port();
    format!("qemu+tls://{host}:{port}/system?pkipath={}{more}", folder.path().display())
}

fn connect(target: &str, timeout: Timeout) -> Result<()> {
    let monitor = Monitor::new(None, target).unwrap();
    let outcome = monitor.connect(timeout);
    if outcome.is_ok() {
        let list: Value = serde_json::from_slice(monitor.domains(SOON).unwrap().as_bytes()).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 5000);
        assert!(!monitor.supports("fds"), "TLS carries no descriptors");
    }
    monitor.free();
    outcome
}

fn refused(target: &str, parts: &[&str]) -> Error {
    let error = connect(target, SOON).expect_err(target);
    assert_eq!(error.code(), Code::Auth, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{error} does not say {part}");
    }
    error
}

struct Bed {
    authority: Authority,
    server: Identity,
    client: Identity,
    folder: Folder,
}

fn bed() -> Bed {
    let authority = Authority::new("the authority");
    let server = authority.issue(Kind::Server, &["localhost", "127.0.0.1"]);
    let client = authority.issue(Kind::Client, &[]);
    let folder = Folder::with_client(&authority, &client);
    Bed { authority, server, client, folder }
}

#[test]
fn good_daemons_by_name_and_by_address() {
    let bed = bed();
    for (versions, clients, manner) in [
        (&BOTH[..1], true, Manner::Good),
        (&BOTH[1..], true, Manner::Good),
        (&BOTH[..], false, Manner::Good),
        (&BOTH[..], true, Manner::Dripping),
    ] {
        let clients = clients.then_some(&bed.authority);
        let daemon = Daemon::start(&bed.server, clients, versions, manner);
        for host in ["localhost", "127.0.0.1"] {
            connect(&target(&daemon, host, &bed.folder, ""), SOON).unwrap();
        }
    }
    // Who has no certificate may still be let in.
    let daemon = Daemon::start(&bed.server, None, &BOTH, Manner::Good);
    connect(&target(&daemon, "localhost", &Folder::new(&bed.authority), ""), SOON).unwrap();
}

#[test]
fn daemons_that_are_not_who_they_should_be() {
    let bed = bed();
    let table: [(Identity, &[&str]); 7] = [
        (bed.authority.issue(Kind::Expired, &["localhost"]), &["has expired"]),
        (bed.authority.issue(Kind::NotYet, &["localhost"]), &["not valid yet"]),
        (Authority::new("another").issue(Kind::Server, &["localhost"]), &["not by the CA in", "cacert.pem"]),
        (bed.authority.issue(Kind::Server, &["other.example"]), &["not for localhost", "other.example"]),
        (bed.authority.issue(Kind::Server, &["127.0.0.2"]), &["not for localhost"]),
        (bed.authority.issue(Kind::Server, &[]), &["no subjectAltName", "common name"]),
        (bed.authority.issue(Kind::Client, &["localhost"]), &["not one for servers"]),
    ];
    for (identity, parts) in table {
        let daemon = Daemon::start(&identity, None, &BOTH, Manner::Good);
        refused(&target(&daemon, "localhost", &bed.folder, ""), parts);
        // Whoever says so takes any of them.
        connect(&target(&daemon, "localhost", &bed.folder, "&no_verify=1"), SOON).unwrap();
    }
    let daemon = Daemon::start(&bed.server, None, &BOTH, Manner::Good);
    let revoking = Folder::with_client(&bed.authority, &bed.client);
    revoking.put("cacrl.pem", &bed.authority.revoke(&[]), 0o644);
    connect(&target(&daemon, "localhost", &revoking, ""), SOON).unwrap();
    revoking.put("cacrl.pem", &bed.authority.revoke(&[&bed.server]), 0o644);
    refused(&target(&daemon, "localhost", &revoking, ""), &["is revoked by", "cacrl.pem"]);
}

#[test]
fn files_that_are_of_no_use() {
    let bed = bed();
    let daemon = Daemon::start(&bed.server, Some(&bed.authority), &BOTH, Manner::Good);
    type Change = fn(&Bed, &Folder);
    let table: [(Change, &[&str]); 8] = [
        (
            |_, folder| std::fs::remove_file(folder.path().join("cacert.pem")).unwrap(),
            &["cannot be read", "cacert.pem"],
        ),
        (|_, folder| folder.put("cacert.pem", "nothing", 0o644), &["cacert.pem", "no certificate"]),
        (|_, folder| folder.put("cacrl.pem", "-----BEGIN X509 CRL-----\nAAAA\n", 0o644), &["cacrl.pem"]),
        (
            |_, folder| std::fs::remove_file(folder.path().join("clientkey.pem")).unwrap(),
            &["cannot be read", "clientkey.pem"],
        ),
        (|_, folder| std::fs::remove_file(folder.path().join("clientcert.pem")).unwrap(), &["clientcert.pem"]),
        (
            |bed, folder| folder.put("clientkey.pem", &bed.client.key, 0o644),
            &["clientkey.pem", "read by others", "644"],
        ),
        (|bed, folder| folder.put("clientkey.pem", &bed.server.key, 0o600), &["clientkey.pem", "not the key of"]),
        (|_, folder| folder.put("clientkey.pem", "nothing", 0o600), &["clientkey.pem", "no key"]),
    ];
    for (change, parts) in table {
        let folder = Folder::with_client(&bed.authority, &bed.client);
        change(&bed, &folder);
        refused(&target(&daemon, "localhost", &folder, ""), parts);
    }
}

#[test]
fn daemons_that_do_not_let_us_in() {
    let bed = bed();
    let stranger = Authority::new("another");
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let daemon = Daemon::start(&bed.server, Some(&stranger), versions, Manner::Good);
        refused(&target(&daemon, "localhost", &bed.folder, ""), &["refuses our certificate", "clientcert.pem"]);
        let daemon = Daemon::start(&bed.server, Some(&bed.authority), versions, Manner::Good);
        refused(&target(&daemon, "localhost", &Folder::new(&bed.authority), ""), &["certificate", "we have no"]);
    }
    let daemon = Daemon::start(&bed.server, None, &BOTH, Manner::Confirms(2));
    refused(&target(&daemon, "localhost", &bed.folder, ""), &["it says 2, expected 1"]);
    let daemon = Daemon::start(&bed.server, None, &BOTH, Manner::Closes);
    refused(&target(&daemon, "localhost", &bed.folder, ""), &["closed the connection", "TLS handshake"]);
}

#[test]
fn daemons_that_stop_half_way() {
    let bed = bed();
    for (manner, part) in [
        (Manner::Silent, "TLS handshake"),
        (Manner::StopsInside, "TLS handshake"),
        (Manner::Unconfirmed, "confirm our certificate"),
    ] {
        let daemon = Daemon::start(&bed.server, None, &BOTH, manner);
        let error = connect(&target(&daemon, "localhost", &bed.folder, ""), SHORT).unwrap_err();
        assert!(error.code() == Code::Timeout && error.to_string().contains(part), "{error}");
    }
    let daemon = Daemon::start(&bed.server, None, &BOTH, Manner::Web);
    let error = connect(&target(&daemon, "localhost", &bed.folder, ""), SOON).unwrap_err();
    assert!(error.code() == Code::Protocol && error.to_string().contains("does not speak TLS"), "{error}");
}
