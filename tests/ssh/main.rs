//! Daemons through programs: a real, private sshd with virt-ssh-helper and with netcat, a program of the user's, and
//! programs that fail in every way that they can.

use std::sync::Arc;

use libvirtd::{Domain, Libvirtd, encode};
use qmp::monitor::{Monitor, Reactor};
use scenario::{Descriptors, Link, Machine, SOON, parsed};
use serde_json::Value;
use sshd::Sshd;

mod ext;
#[path = "../libvirtd/mod.rs"]
mod libvirtd;
mod programs;
#[path = "../scenario/mod.rs"]
mod scenario;
mod sshd;
mod trouble;

/// A monitor that may run what its target names.
fn allowed(reactor: Option<&Arc<Reactor>>, target: &str) -> Arc<Monitor> {
    let monitor = Monitor::new(reactor, target).unwrap();
    monitor.set("allow-programs", "on").unwrap();
    monitor
}

fn open(target: &str) -> Arc<Monitor> {
    let monitor = allowed(None, target);
    monitor.connect(SOON).unwrap();
    monitor
}

fn execute(monitor: &Monitor, command: &str) -> Value {
    parsed(monitor.execute(command, None, SOON).unwrap().as_bytes())
}

fn table(domain: &Domain, uri: &str) {
    let target = format!("{uri}#{}", domain.name());
    let monitor = |reactor: Option<&Arc<Reactor>>| allowed(reactor, &target);
    scenario::table(&Machine { monitor: &monitor, link: Link { oob: false, fds: Descriptors::None } });
    assert_eq!(domain.state(), "paused");
}

/// The parameter that makes netcat reach the daemon.
fn socket_of(daemon: &Libvirtd) -> String {
    format!("&socket={}", encode(daemon.socket().to_str().unwrap()))
}

#[test]
fn the_table_by_virt_ssh_helper() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::paused(&daemon, "table-helper");
    table(&domain, &server.uri("&proxy=native"));
}

#[test]
fn the_table_by_netcat() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::paused(&daemon, "table-netcat");
    table(&domain, &server.uri(&socket_of(&daemon)));
}

/// What `proxy=` and `netcat=` choose, and that nobody asks which host this is.
#[test]
fn ways_through_ssh() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::running(&daemon, "ways");
    let socket = socket_of(&daemon);
    let ways = [
        server.uri("&no_tty=1"),
        server.uri("&proxy=auto&mode=legacy"),
        server.uri(&format!("&proxy=netcat{socket}")),
        server.uri(&format!("&netcat=nc{socket}")),
        server.uri_by("stranger", "user_key", server.port(), "&no_verify=1"),
    ];
    for uri in ways {
        let monitor = open(&format!("{uri}#{}", domain.uuid()));
        assert_eq!(execute(&monitor, "query-uuid")["UUID"], domain.uuid(), "{uri}");
        assert!(monitor.supports("events") && !monitor.supports("fds"));
        monitor.free();
    }
}
