//! The domains that there are.

use super::libvirtd::{Domain, Libvirtd};
use super::open;
use super::scenario::{SOON, parsed};

/// The same answer as over the daemon's own protocol.
#[test]
fn domains_are_listed_as_by_the_libvirt_driver() {
    let Some(daemon) = Libvirtd::own() else { return };
    let hypervisor = format!("virsh:{}", daemon.unix());
    for session in ["on", "off"] {
        let empty = open(&hypervisor, &[("virsh-session", session)]);
        assert_eq!(empty.domains(SOON).unwrap().as_bytes(), b"[]");
        empty.free();
    }
    let running = Domain::running(&daemon, "runs");
    let _others = [
        Domain::paused(&daemon, "né \"b'c"),
        Domain::define(&daemon, "7"),
        Domain::define(&daemon, "--all"),
        Domain::running(&daemon, &format!("{} like another", running.uuid())),
        Domain::running(&daemon, "  blanks  "),
    ];
    let over_libvirt = open(&daemon.unix(), &[]);
    let expected = parsed(over_libvirt.domains(SOON).unwrap().as_bytes());
    assert_eq!(expected.as_array().unwrap().len(), 6);
    for session in ["on", "off"] {
        for target in [&hypervisor, &super::target(&running)] {
            let monitor = open(target, &[("virsh-session", session)]);
            assert_eq!(parsed(monitor.domains(SOON).unwrap().as_bytes()), expected, "{target}");
            monitor.free();
        }
    }
    over_libvirt.free();
}
