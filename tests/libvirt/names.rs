//! The domain that a target names is that domain, and never another.

use qmp::error::{Code, Delivery};
use qmp::monitor::Monitor;

use super::libvirtd::look_alikes::LookAlikes;
use super::libvirtd::{Domain, Libvirtd, encode};
use super::scenario::SOON;
use super::{open, open_on, uuid_of};

#[test]
fn domains_with_odd_names_are_found() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for name in ["-x", "a b'c", "--help", "né\u{1f600}", "50%41&<\"#?;", "list; destroy a"] {
        let domain = Domain::running(&daemon, name);
        for target in [domain.unix(), domain.tcp()] {
            let monitor = open(&target);
            assert_eq!(uuid_of(&monitor), domain.uuid(), "{target}");
            monitor.free();
        }
    }
}

/// Numbers, UUIDs and `id:` as names: each stands for what it says, and for nothing else.
#[test]
fn names_numbers_and_uuids_are_kept_apart() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domains = LookAlikes::running(&daemon);
    for (fragment, domain) in domains.cases() {
        let monitor = open(&format!("{}#{fragment}", daemon.unix()));
        assert_eq!(uuid_of(&monitor), domain.uuid(), "#{fragment}");
        monitor.free();
    }
    // A UUID that no domain has is a name like any other.
    let stranger = "00000000-1111-4222-8333-444444444444";
    assert_unknown(&format!("{}#{stranger}", daemon.unix()));
    let named = Domain::running(&daemon, stranger);
    let monitor = open(&format!("{}#{stranger}", daemon.unix()));
    assert_eq!(uuid_of(&monitor), named.uuid());
    monitor.free();
    assert_unknown(&format!("{}#id:4711", daemon.unix()));
}

/// Nobody turns between these connects: what the daemon tells of renames and ends is unread.
#[test]
fn a_name_and_an_id_that_mean_another_domain_by_now_lead_there() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let renamed = Domain::define(&daemon, "old-name");
    let before = open(&renamed.unix());
    daemon.virsh(&["domrename", "--domain", renamed.uuid(), "--new-name", "new-name"]);
    renamed.start();
    let successor = Domain::running(&daemon, "old-name");
    let after = open_on(Some(before.reactor()), &successor.unix());
    assert_eq!((uuid_of(&before).as_str(), uuid_of(&after).as_str()), (renamed.uuid(), successor.uuid()));

    let by_id = format!("{}#id:{}", daemon.unix(), successor.id());
    let running = open_on(Some(before.reactor()), &by_id);
    successor.destroy();
    successor.start();
    let late = Monitor::new(Some(before.reactor()), &by_id).unwrap();
    assert_eq!(late.connect(SOON).unwrap_err().code(), Code::NotFound);
    assert_eq!(uuid_of(&running), successor.uuid());
    for monitor in [before, after, running, late] {
        monitor.free();
    }
}

#[test]
fn an_unknown_domain_is_not_found() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for name in ["nobody-has-this-name", "4711", "id%3A1"] {
        assert_unknown(&format!("{}#{name}", daemon.unix()));
    }
    assert_unknown(&format!("{}#nobody-has-this-name", daemon.tcp()));
    assert_unknown(&format!("{}#{}", daemon.unix(), encode("n\u{e9} b'c")));
}

fn assert_unknown(target: &str) {
    let monitor = Monitor::new(None, target).unwrap();
    let error = monitor.connect(SOON).unwrap_err();
    let detail = error.detail();
    assert_eq!((detail.code, detail.libvirt, detail.delivery), (Code::NotFound, 42, Delivery::NotSent), "{error}");
    assert!(detail.desc.as_deref().is_some_and(|text| text.contains("no domain with matching")), "{error}");
    assert!(error.to_string().contains(target) && error.to_string().contains("42"), "{error}");
    monitor.free();
}
