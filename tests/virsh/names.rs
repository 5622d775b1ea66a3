//! The domain that a target names is that domain, and never another.

use qmp::error::{Code, Delivery};
use qmp::monitor::Timeout;

use super::libvirtd::look_alikes::LookAlikes;
use super::libvirtd::{Domain, Libvirtd, encode};
use super::scenario::{SOON, parsed};
use super::{execute, new, next_name, open, target, uuid_of, watching};

#[test]
fn domains_with_odd_names_are_found() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let names = [
        "--help",
        "-x",
        "a'b\": c",
        "né\u{1f600}",
        "50%41&<\"#?;",
        "list; destroy a",
        "x': <null>",
        "tab\there",
        "$HOME",
    ];
    for name in names {
        let domain = Domain::running(&daemon, name);
        for session in ["on", "off"] {
            let (monitor, events) = watching(&target(&domain), &[("virsh-session", session)]);
            assert_eq!(uuid_of(&monitor), domain.uuid(), "{name:?}");
            // Its lines are told by its name.
            execute(&monitor, "stop");
            assert_eq!(next_name(&events), "STOP", "{name:?}");
            execute(&monitor, "cont");
            assert_eq!(next_name(&events), "RESUME", "{name:?}");
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
        for session in ["on", "off"] {
            let monitor = open(&format!("virsh:{}#{fragment}", daemon.unix()), &[("virsh-session", session)]);
            assert_eq!(uuid_of(&monitor), domain.uuid(), "#{fragment}");
            monitor.free();
        }
    }
    // A UUID that no domain has is a name like any other.
    let stranger = "00000000-1111-4222-8333-444444444444";
    assert_unknown(&format!("virsh:{}#{stranger}", daemon.unix()));
    let named = Domain::running(&daemon, stranger);
    let monitor = open(&format!("virsh:{}#{stranger}", daemon.unix()), &[]);
    assert_eq!(uuid_of(&monitor), named.uuid());
    monitor.free();
    assert_unknown(&format!("virsh:{}#id:4711", daemon.unix()));
}

#[test]
fn an_unknown_domain_is_not_found() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for name in ["nobody-has-this-name", "4711", "id%3A1", "--no-such-option", &encode("n\u{e9} b'c"), "line%0Aend"] {
        assert_unknown(&format!("virsh:{}#{name}", daemon.unix()));
    }
}

fn assert_unknown(target: &str) {
    for session in ["on", "off"] {
        let monitor = new(target, &[("virsh-session", session)]);
        let error = monitor.connect(SOON).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::NotFound, Delivery::NotSent), "{error}");
        assert!(error.to_string().contains(target), "{error}");
        monitor.free();
    }
}

/// libvirt defines none with a line end in its name, but runs one. No line for a session can hold that name, and a line
/// about one domain can look like one about another.
#[test]
fn names_with_line_ends_are_found_and_forge_nothing() {
    let Some(daemon) = Libvirtd::own() else { return };
    let other = Domain::running(&daemon, "q");
    let names = ["line\nend", "q': <null>\nevent SHUTDOWN at 1.000001 for domain 'q"];
    for (number, name) in names.into_iter().enumerate() {
        let uuid = format!("7be70000-0000-4000-8000-{number:012x}");
        let file = daemon.path(&format!("transient-{number}.xml"));
        let text = name.replace('<', "&lt;");
        let xml = format!(
            "<domain type='qemu'><name>{text}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory>
             <os><type arch='x86_64' machine='q35'>hvm</type></os>
             <devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
        );
        std::fs::write(&file, xml).unwrap();
        daemon.virsh(&["create", file.to_str().unwrap()]);
        let (watcher, others) = watching(&target(&other), &[]);
        for session in ["on", "off"] {
            let target = format!("virsh:{}#{}", daemon.unix(), encode(name));
            let (monitor, events) = watching(&target, &[("virsh-session", session)]);
            assert_eq!(uuid_of(&monitor), uuid, "{name:?}");
            for (command, event) in [("stop", "STOP"), ("cont", "RESUME")] {
                execute(&monitor, command);
                assert_eq!(next_name(&events), event, "{name:?}");
            }
            let list = parsed(monitor.domains(SOON).unwrap().as_bytes());
            let found = list.as_array().unwrap().iter().find(|entry| entry["uuid"] == uuid.as_str()).unwrap();
            assert_eq!(found["name"], name);
            monitor.free();
        }
        assert_eq!(others.next(Timeout::Millis(0)).unwrap_err().code(), Code::Timeout, "an event of another domain");
        watcher.free();
        daemon.virsh(&["destroy", "--domain", &uuid]);
    }
}
