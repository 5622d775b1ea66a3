//! A daemon that goes away and comes back.

use qmp::error::{Code, Delivery};
use qmp::monitor::{Monitor, State, Timeout};
use serde_json::json;

use super::children::{Kind, Program};
use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::SOON;
use super::{execute, execute_when_it_works, names_until, new, open, target, uuid_of, watching};

/// Commands fail while it is away and work again afterwards; events go on, and that some may be lost is told.
#[test]
fn a_killed_daemon_is_waited_for() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "daemon-dies");
    for session in ["on", "off"] {
        let (monitor, events) = watching(&target(&domain), &[("virsh-session", session)]);
        assert_eq!(uuid_of(&monitor), domain.uuid());
        daemon.kill();
        for _ in 0..3 {
            let error = monitor.execute("query-status", None, SOON).unwrap_err();
            assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::NotSent), "{error}");
            assert!(error.detail().desc.is_some(), "{error}");
        }
        let error = monitor.domains(SOON).unwrap_err();
        assert_eq!(error.code(), Code::Disconnected, "{error}");
        assert_eq!(names_until(&events, "LIBQMP_EVENTS_LOST"), ["LIBQMP_EVENTS_LOST"]);
        daemon.restart();
        assert_eq!(execute_when_it_works(&monitor, "query-status", &[Code::Disconnected])["running"], json!(true));
        assert_eq!(monitor.state(), State::Connected);
        // Told again when the events are registered for, for what came between; then they go on.
        assert_eq!(names_until(&events, "LIBQMP_EVENTS_LOST"), ["LIBQMP_EVENTS_LOST"]);
        execute(&monitor, "stop");
        assert_eq!(names_until(&events, "STOP"), ["STOP"]);
        execute(&monitor, "cont");
        assert_eq!(names_until(&events, "RESUME"), ["RESUME"]);
        assert!(!monitor.domains(SOON).unwrap().as_bytes().is_empty());
        monitor.free();
    }
}

/// Nobody knows whether QEMU has got what was on its way.
#[test]
fn a_daemon_killed_in_the_middle_of_a_command() {
    let Some(daemon) = Libvirtd::own() else { return };
    for session in ["on", "off"] {
        let domain = Domain::running(&daemon, &format!("cut-off-{session}"));
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        domain.freeze();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| monitor.execute("query-status", None, SOON));
            until("a command that waits for QEMU", || !daemon.virsh(&["domcontrol", domain.uuid()]).starts_with("ok"));
            daemon.kill();
            let error = asking.join().unwrap().unwrap_err();
            assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::Unknown), "{error}");
        });
        domain.thaw();
        daemon.restart();
        assert_eq!(execute_when_it_works(&monitor, "query-status", &[Code::Disconnected])["running"], json!(true));
        monitor.free();
    }
}

/// The daemon comes up while a monitor tries.
#[test]
fn connecting_waits_for_the_daemon() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "patient");
    daemon.kill();
    for session in ["on", "off"] {
        let monitor = new(&target(&domain), &[("virsh-session", session)]);
        let error = monitor.connect(Timeout::Millis(1500)).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Connect, Delivery::NotSent), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        monitor.free();
    }
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| open(&target(&domain), &[]));
        daemon.restart();
        let monitor = connecting.join().unwrap();
        assert_eq!(uuid_of(&monitor), domain.uuid());
        monitor.free();
    });
}

/// A daemon that is stopped in its tracks answers nothing: a deadline ends that, and then it works again.
#[test]
fn a_stopped_daemon_times_out() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "silent");
    let program = Program::real(&daemon, "silent");
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    daemon.freeze(true);
    for delivery in [Delivery::Unknown, Delivery::NotSent] {
        let error = monitor.execute("query-status", None, Timeout::Millis(500)).unwrap_err();
        // The second one waits for a session that does not come up.
        assert_eq!((error.code(), error.delivery()), (Code::Timeout, delivery), "{error}");
    }
    let other = new(&target(&domain), &[("virsh-path", &program.path)]);
    assert_eq!(other.connect(Timeout::Millis(500)).unwrap_err().code(), Code::Timeout);
    other.free();
    daemon.freeze(false);
    assert_eq!(uuid_of(&monitor), domain.uuid());
    execute(&monitor, "stop");
    assert_eq!(names_until(&events, "STOP"), ["STOP"]);
    assert!(program.the(Kind::Events) > 0);
    monitor.free();
    program.gone();
}

/// Only a UUID is that of one domain for ever: the same name may be another's later.
#[test]
fn a_domain_of_the_same_name_is_another() {
    let Some(daemon) = Libvirtd::own() else { return };
    let first = Domain::running(&daemon, "same-name");
    let (monitor, _events) = watching(&target(&first), &[]);
    let (uuid, target) = (first.uuid().to_owned(), target(&first));
    drop(first);
    let error = monitor.execute("query-status", None, SOON).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::NotFound, Delivery::NotSent), "{error}");
    let second = Domain::running(&daemon, "same-name");
    assert_ne!(second.uuid(), uuid);
    assert_eq!(monitor.execute("query-status", None, SOON).unwrap_err().code(), Code::NotFound);
    Monitor::disconnect(&monitor).unwrap();
    monitor.free();
    let again = open(&target, &[]);
    assert_eq!(uuid_of(&again), second.uuid());
    again.free();
}
