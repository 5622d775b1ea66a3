//! The domains that there are.

use std::collections::BTreeMap;

use qmp::error::Code;
use qmp::monitor::Monitor;
use serde_json::{Value, json};

use super::libvirtd::{Domain, Libvirtd};
use super::open;
use super::scenario::{SOON, parsed};

#[test]
fn domains_are_listed_with_their_states() {
    let Some(daemon) = Libvirtd::own() else { return };
    let empty = open(&daemon.unix());
    assert_eq!(empty.domains(SOON).unwrap().as_bytes(), b"[]");
    empty.free();
    let (running, paused) = (Domain::running(&daemon, "runs"), Domain::paused(&daemon, "né \"b'c"));
    let shut_off = Domain::define(&daemon, "7");
    let expected: BTreeMap<&str, Value> = [(&running, "running"), (&paused, "paused"), (&shut_off, "shutoff")]
        .map(|(domain, state)| {
            let id: i64 = domain.id().parse().unwrap_or(-1);
            (domain.name(), json!({"name": domain.name(), "uuid": domain.uuid(), "id": id, "state": state}))
        })
        .into();
    // With a domain in the target as well as without.
    for target in [daemon.unix(), daemon.tcp(), running.unix(), shut_off.tcp()] {
        let monitor = open(&target);
        let list = parsed(monitor.domains(SOON).unwrap().as_bytes());
        let found: BTreeMap<&str, Value> =
            list.as_array().unwrap().iter().map(|entry| (entry["name"].as_str().unwrap(), entry.clone())).collect();
        assert_eq!(found, expected, "{target}");
        monitor.free();
    }
}

/// QEMU's own socket knows of no other machine.
#[test]
fn a_socket_lists_no_domains() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "lists-nothing");
    let monitor = open(&domain.second());
    assert_eq!(monitor.domains(SOON).unwrap_err().code(), Code::Unsupported);
    monitor.free();
    let monitor = Monitor::new(None, &domain.unix()).unwrap();
    assert_eq!(monitor.domains(SOON).unwrap_err().code(), Code::Disconnected);
    monitor.free();
}
