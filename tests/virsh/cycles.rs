//! What is left of monitors that come and go: nothing.

use qmp::monitor::{Monitor, Reactor};

use super::alone::alone;
use super::children::{Program, descriptors, threads, zombies};
use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::SOON;
use super::{execute, open, target};

/// As many descriptors and threads as after the first round, and no zombies.
fn assert_none_left(before: &mut Option<(usize, usize)>) {
    assert_eq!(zombies("virsh"), 0);
    let now = || (descriptors(), threads());
    let first = *before.get_or_insert_with(now);
    // The test bed's own thread opens a file now and then.
    until("descriptors and threads as before", || now() == first);
}

/// How many times a monitor is opened; more where the environment says so.
fn rounds() -> usize {
    std::env::var("LIBQMP_TEST_CYCLES").ok().and_then(|number| number.parse().ok()).unwrap_or(300)
}

#[test]
fn nothing_is_left_of_monitors_that_come_and_go() {
    if !alone("cycles::nothing_is_left_of_monitors_that_come_and_go", &[]) {
        return;
    }
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::paused(&daemon, "cycles");
    let program = Program::real(&daemon, "cycles");
    let options = [("virsh-path", program.path.as_str())];
    let mut before = None;
    for round in 0..rounds() {
        let monitor = open(&target(&domain), &options);
        if round % 10 == 0 {
            execute(&monitor, "query-status");
        }
        monitor.free();
        assert_none_left(&mut before);
    }
    assert!(program.processes().is_empty());
}

/// Neither of attempts that fail, nor of one process a command, nor on a reactor that goes on.
#[test]
fn nothing_is_left_of_attempts_and_single_commands() {
    if !alone("cycles::nothing_is_left_of_attempts_and_single_commands", &[]) {
        return;
    }
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::paused(&daemon, "attempts");
    let reactor = Reactor::new().unwrap();
    let mut before = None;
    for _ in 0..10 {
        for path in ["virsh", "/nowhere/virsh"] {
            let missing = Monitor::new(Some(&reactor), &format!("virsh:{}#nobody", daemon.unix())).unwrap();
            missing.set("virsh-path", path).unwrap();
            missing.connect(SOON).unwrap_err();
            missing.free();
        }
        let monitor = Monitor::new(Some(&reactor), &target(&domain)).unwrap();
        monitor.set("virsh-session", "off").unwrap();
        for _ in 0..2 {
            monitor.connect(SOON).unwrap();
            execute(&monitor, "query-status");
            monitor.disconnect().unwrap();
        }
        monitor.free();
        assert_none_left(&mut before);
    }
    reactor.release();
}
