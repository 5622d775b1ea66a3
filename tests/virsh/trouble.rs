//! Virshes that are killed and stopped, and QEMUs that stop.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use qmp::error::{Code, Delivery, Result};
use qmp::monitor::{Monitor, State, Timeout};
use qmp::sys::buffer::Buffer;
use qmp::sys::text::Text;
use serde_json::json;

use super::children::{Kind, Program, field, freeze, signal};
use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::{SOON, turn_until};
use super::{AT_ONCE, STATUS, execute, execute_when_it_works, next_name, open, target, uuid_of, watching};

/// Starts a command; its answer can be waited for, somebody else turns.
fn start(monitor: &Arc<Monitor>, request: &[u8], timeout: Timeout) -> Receiver<Result<Buffer>> {
    let (sender, answer) = channel();
    let done =
        Box::new(move |_: &Arc<Monitor>, outcome: Result<Text<'_>>| sender.send(outcome.map(Buffer::from)).unwrap());
    monitor.start(request, &[], timeout, done).unwrap();
    answer
}

/// Waits until libvirt holds the domain for a command that QEMU does not answer.
fn await_stuck(daemon: &Libvirtd, domain: &Domain) {
    until("a command that waits for QEMU", || !daemon.virsh(&["domcontrol", domain.uuid()]).starts_with("ok"));
}

#[test]
fn a_session_killed_in_the_middle_is_replaced() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "killed-session");
    let program = Program::real(&daemon, "killed-session");
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    monitor.reactor().start().unwrap();
    domain.freeze();
    let answer = start(&monitor, STATUS, SOON);
    let queued = start(&monitor, br#"{"execute":"query-name"}"#, SOON);
    await_stuck(&daemon, &domain);
    let session = program.the(Kind::Session);
    signal(session, libc::SIGKILL);
    let error = answer.recv().unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::Unknown), "{error}");
    assert_ne!(program.other(Kind::Session, session), session);
    domain.thaw();
    // What waited behind it goes through the new one.
    assert!(queued.recv().unwrap().is_ok());
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    // The link is the same: no event was lost with it.
    execute(&monitor, "stop");
    assert_eq!(next_name(&events), "STOP");
    monitor.free();
    program.gone();
}

#[test]
fn a_single_virsh_killed_in_the_middle_is_one_lost_command() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "killed-single");
    let program = Program::real(&daemon, "killed-single");
    let monitor = open(&target(&domain), &[("virsh-path", &program.path), ("virsh-session", "off")]);
    monitor.reactor().start().unwrap();
    domain.freeze();
    let answer = start(&monitor, STATUS, SOON);
    await_stuck(&daemon, &domain);
    signal(program.the(Kind::Single), libc::SIGKILL);
    let error = answer.recv().unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::Unknown), "{error}");
    domain.thaw();
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    monitor.free();
    program.gone();
}

/// Between two commands nobody is told: nothing was lost.
#[test]
fn a_session_killed_between_two_commands_is_replaced_silently() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "idle-session");
    let program = Program::real(&daemon, "idle-session");
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    for _ in 0..3 {
        let session = program.the(Kind::Session);
        signal(session, libc::SIGKILL);
        // Somebody turns, as somebody has to for events.
        turn_until(monitor.reactor(), "the end of the session", || field(session, 0).is_none());
        assert_eq!(uuid_of(&monitor), domain.uuid());
    }
    // Without a turn in between the command itself finds out. It was not read: it is not known to be lost.
    signal(program.the(Kind::Session), libc::SIGKILL);
    execute_when_it_works(&monitor, "query-status", &[Code::Disconnected]);
    assert_eq!(monitor.state(), State::Connected);
    assert_eq!(events.next(Timeout::Millis(0)).unwrap_err().code(), Code::Timeout);
    monitor.free();
    program.gone();
}

#[test]
fn a_stopped_session_times_out_and_is_replaced() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "stopped-session");
    let program = Program::real(&daemon, "stopped-session");
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    let session = program.the(Kind::Session);
    freeze(session);
    let error = monitor.execute("query-status", None, Timeout::Millis(500)).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::Unknown), "{error}");
    until("the end of the stopped one", || !program.processes().iter().any(|process| process.pid == session));
    assert_eq!(uuid_of(&monitor), domain.uuid());
    // More than its socket holds: the line has no end, so it was no command.
    freeze(program.the(Kind::Session));
    let long = format!("{{\"execute\":\"{}\"}}", "x".repeat(2 << 20));
    let error = monitor.run(long.as_bytes(), &[], Timeout::Millis(500)).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::NotSent), "{:.200}", error.to_string());
    assert_eq!(uuid_of(&monitor), domain.uuid());
    execute(&monitor, "stop");
    assert_eq!(next_name(&events), "STOP");
    monitor.free();
    program.gone();
}

#[test]
fn a_stopped_qemu_times_out_and_recovers() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for session in ["on", "off"] {
        let domain = Domain::running(&daemon, &format!("stopped-qemu-{session}"));
        let (monitor, events) = watching(&target(&domain), &[("virsh-session", session)]);
        domain.freeze();
        let error = monitor.execute("stop", None, Timeout::Millis(500)).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::Unknown), "{error}");
        // The one before it holds the domain in the daemon.
        let error = monitor.execute("query-status", None, Timeout::Millis(500)).unwrap_err();
        assert_eq!(error.code(), Code::Timeout, "{error}");
        domain.thaw();
        // QEMU carries out what nobody waits for any more.
        assert_eq!(next_name(&events), "STOP");
        assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
        monitor.free();
    }
}

/// None of these waits for a virsh that answers nothing.
#[test]
fn leaving_waits_for_nobody() {
    let Some(daemon) = Libvirtd::shared() else { return };
    for session in ["on", "off"] {
        let domain = Domain::running(&daemon, &format!("leaving-{session}"));
        let program = Program::real(&daemon, &format!("leaving-{session}"));
        let options = [("virsh-path", program.path.as_str()), ("virsh-session", session)];
        for leave in ["disconnect", "free", "cancel"] {
            let monitor = open(&target(&domain), &options);
            monitor.reactor().start().unwrap();
            domain.freeze();
            let (running, queued) = (start(&monitor, STATUS, SOON), start(&monitor, STATUS, SOON));
            await_stuck(&daemon, &domain);
            let begun = Instant::now();
            let code = match leave {
                "disconnect" => {
                    monitor.disconnect().unwrap();
                    Code::Disconnected
                }
                "free" => {
                    Arc::clone(&monitor).free();
                    Code::Canceled
                }
                _ => {
                    monitor.cancel(0).unwrap();
                    Code::Canceled
                }
            };
            for (answer, delivery) in [(running, Delivery::Unknown), (queued, Delivery::NotSent)] {
                let error = answer.recv().unwrap().unwrap_err();
                assert_eq!((error.code(), error.delivery()), (code, delivery), "{leave}: {error}");
            }
            assert!(begun.elapsed() < AT_ONCE, "{leave} took {:?}", begun.elapsed());
            domain.thaw();
            if leave == "cancel" {
                assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
            }
            if leave != "free" {
                monitor.free();
            }
            program.gone();
        }
    }
}

/// In a callback, while another command waits.
#[test]
fn freeing_in_a_callback() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "freeing");
    let program = Program::real(&daemon, "freeing");
    let reactor = qmp::monitor::Reactor::new().unwrap();
    let monitor = super::new_on(Some(&reactor), &target(&domain), &[("virsh-path", &program.path)]);
    monitor.connect(SOON).unwrap();
    let (sender, outcomes) = channel();
    let send = sender.clone();
    let free = Box::new(move |monitor: &Arc<Monitor>, outcome: Result<Text<'_>>| {
        Arc::clone(monitor).free();
        send.send(outcome.is_ok()).unwrap();
    });
    monitor.start(STATUS, &[], SOON, free).unwrap();
    let behind = Box::new(move |_: &Arc<Monitor>, outcome: Result<Text<'_>>| sender.send(outcome.is_ok()).unwrap());
    monitor.start(br#"{"execute":"query-commands"}"#, &[], SOON, behind).unwrap();
    let mut seen = Vec::new();
    let end = Instant::now() + AT_ONCE * 4;
    while seen.len() < 2 {
        assert!(Instant::now() < end, "{seen:?}");
        reactor.turn(Timeout::Millis(100)).unwrap();
        seen.extend(outcomes.try_iter());
    }
    assert_eq!(seen, [true, false]);
    drop(monitor);
    program.gone();
    reactor.release();
}
