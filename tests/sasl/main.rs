//! Logins by SASL at a real, private libvirtd: over its UNIX socket and over TLS, by every mechanism and every way to say
//! who one is. Users and certificates are the tests' own.

#![cfg(all(feature = "sasl", feature = "tls"))]

use std::sync::Arc;

use bed::{Bed, PASSWORD, USER};
use qmp::error::{Code, Error, Result};
use qmp::monitor::{Monitor, Reactor};
use scenario::{Descriptors, Link, Machine, SOON};

mod asked;
mod bed;
mod files;
#[path = "../libvirtd/mod.rs"]
mod libvirtd;
#[path = "../remote/pki.rs"]
#[allow(dead_code)]
mod pki;
#[path = "../scenario/mod.rs"]
mod scenario;

const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];

/// A monitor of this target that is not connected.
fn monitor(reactor: Option<&Arc<Reactor>>, target: &str, user: &str, password: &str) -> Arc<Monitor> {
    let monitor = Monitor::new(reactor, target).unwrap();
    monitor.set("username", user).unwrap();
    monitor.set("password", password).unwrap();
    monitor
}

/// Connects and asks for the domains.
fn log_in(monitor: Arc<Monitor>) -> Result<()> {
    let outcome = monitor.connect(SOON);
    if outcome.is_ok() {
        monitor.domains(SOON).unwrap();
    }
    monitor.free();
    outcome
}

/// It fails with AUTH, a text in which these stand, and no password.
fn refused(monitor: Arc<Monitor>, password: &str, parts: &[&str]) -> Error {
    let error = log_in(monitor).unwrap_err();
    assert_eq!(error.code(), Code::Auth, "{error}");
    let all = format!("{error} {error:?}");
    for part in parts {
        assert!(all.contains(part), "{error} does not say {part}");
    }
    assert!(!all.contains(password) && !all.contains(PASSWORD), "the password is told: {error}");
    error
}

#[test]
fn every_mechanism_over_the_unix_socket_and_tls() {
    let Some(bed) = Bed::shared() else { return };
    for target in [bed.unix(), bed.tls()] {
        log_in(monitor(None, &target, USER, PASSWORD)).unwrap();
        log_in(monitor(None, &format!("{target}&auth=sasl"), USER, PASSWORD)).unwrap();
        for mechanism in MECHANISMS {
            log_in(monitor(None, &format!("{target}&auth=sasl.{mechanism}"), USER, PASSWORD)).unwrap();
        }
    }
}

/// The daemon tells nobody which of them it was.
#[test]
fn wrong_passwords_and_unknown_users() {
    let Some(bed) = Bed::shared() else { return };
    for target in [bed.unix(), bed.tls()] {
        for mechanism in MECHANISMS {
            let target = format!("{target}&auth=sasl.{mechanism}");
            for (user, password) in [(USER, "wrong-pass-9"), ("nobody-we-know", PASSWORD), (USER, "wr,=\u{e9}ng")] {
                let error = refused(monitor(None, &target, user, password), password, &[mechanism]);
                assert_eq!(error.detail().libvirt, 45, "{error}");
            }
        }
    }
}

#[test]
fn names_with_signs_of_their_own() {
    let Some(bed) = Bed::shared() else { return };
    bed.add_user("a,b=c", "p=,\u{e4}\u{20ac} q");
    for mechanism in MECHANISMS {
        log_in(monitor(None, &format!("{}&auth=sasl.{mechanism}", bed.unix()), "a,b=c", "p=,\u{e4}\u{20ac} q"))
            .unwrap_or_else(|why| panic!("{mechanism}: {why}"));
    }
}

#[test]
fn what_cannot_be_done_names_what_the_daemon_offers() {
    let Some(bed) = Bed::shared() else { return };
    let unix = bed.unix();
    let with = |target: &str| monitor(None, target, USER, PASSWORD);
    refused(with(&format!("{unix}&auth=sasl.GSSAPI")), PASSWORD, &["auth=sasl.GSSAPI", "offers ", "SCRAM-SHA-256"]);
    refused(with(&format!("{unix}&auth=polkit")), PASSWORD, &["auth=polkit", "offers sasl"]);
}

/// Neither the password nor a proof of it is sent over a line that everybody can read.
#[test]
fn nothing_is_said_over_bare_tcp() {
    let Some(bed) = Bed::shared() else { return };
    for target in [bed.tcp(), format!("{}?auth=sasl.PLAIN", bed.tcp()), format!("{}?auth=sasl", bed.tcp())] {
        refused(monitor(None, &target, USER, PASSWORD), PASSWORD, &["bare TCP", "qemu+tls"]);
    }
}

/// Monitors that log in as somebody else have a link of their own.
#[test]
fn who_logs_in_decides_what_is_shared() {
    let Some(bed) = Bed::own() else { return };
    bed.add_user("second", "second-pass");
    let reactor = Reactor::new().unwrap();
    let unix = bed.unix();
    let open = |user: &str, password: &str| {
        let monitor = monitor(Some(&reactor), &unix, user, password);
        monitor.connect(SOON).unwrap();
        monitor
    };
    let before = bed.daemon.clients();
    let first = open(USER, PASSWORD);
    let same = open(USER, PASSWORD);
    assert_eq!(bed.daemon.clients() - before, 1);
    let second = open("second", "second-pass");
    assert_eq!(bed.daemon.clients() - before, 2);
    // A link that is there lets nobody in who does not know the password.
    refused(monitor(Some(&reactor), &unix, USER, "wrong-pass-9"), "wrong-pass-9", &["libvirt's error 45"]);
    let linked = first.set("password", "other-pass-5").unwrap_err();
    assert!(linked.code() == Code::State && !linked.to_string().contains("other-pass-5"), "{linked}");
    [first, same, second].into_iter().for_each(Monitor::free);
    reactor.release();
}

/// Behind SASL libvirtd reads ahead of a packet, and loses what comes with the bytes behind it.
fn table(target: &str) {
    let monitor = |reactor: Option<&Arc<Reactor>>| monitor(reactor, target, USER, PASSWORD);
    scenario::table(&Machine { monitor: &monitor, link: Link { oob: false, fds: Descriptors::None } });
}

#[test]
fn the_table_over_the_unix_socket() {
    let Some(bed) = Bed::shared() else { return };
    let domain = libvirtd::Domain::paused(&bed.daemon, "sasl-unix");
    table(&format!("{}#{}", bed.unix(), domain.name()));
}

#[test]
fn the_table_over_tls() {
    let Some(bed) = Bed::shared() else { return };
    let domain = libvirtd::Domain::paused(&bed.daemon, "sasl-tls");
    table(&format!("{}#{}", bed.tls(), domain.name()));
}
