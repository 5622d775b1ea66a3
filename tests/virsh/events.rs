//! Events: all of them, in order, with QEMU's own bytes; and their loss, told.

use std::time::{Duration, Instant};

use qmp::error::Code;
use qmp::monitor::{Monitor, Timeout};
use serde_json::json;

use super::children::{Kind, Program, signal};
use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::{SOON, parsed};
use super::{execute, names_until, new, next_name, next_text, open, target, watching};

/// The very bytes, and QEMU's own timestamps, of what the socket driver gets from the domain's second monitor.
#[test]
fn events_have_the_bytes_of_the_socket_driver() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "bytes': {\"a\"");
    let monitors = [target(&domain), domain.second()].map(|target| Monitor::new(None, &target).unwrap());
    let streams = monitors.each_ref().map(|monitor| monitor.events(None).unwrap());
    monitors.iter().for_each(|monitor| monitor.connect(SOON).unwrap());
    for command in ["stop", "cont", "system_reset", "stop", "cont"] {
        execute(&monitors[0], command);
    }
    for name in ["STOP", "RESUME", "RESET", "STOP", "RESUME"] {
        let [over_virsh, over_socket] = streams.each_ref().map(|stream| next_text(stream));
        assert_eq!(parsed(over_socket.as_bytes())["event"], json!(name));
        assert_eq!(over_virsh, over_socket);
    }
    monitors.into_iter().for_each(Monitor::free);
}

/// More than any queue on the way holds at once, and each with QEMU's six digits.
#[test]
fn no_event_is_lost() {
    const PAIRS: usize = 500;
    const A_SECOND: Duration = Duration::from_millis(1100);
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "many-events");
    let (monitor, events) = watching(&target(&domain), &[]);
    let (second, expected) = watching(&domain.second(), &[]);
    let (begun, mut pairs) = (Instant::now(), 0);
    // Past the turn of a second, whose first microseconds have leading zeros.
    while pairs < PAIRS || begun.elapsed() < A_SECOND {
        execute(&second, "stop");
        execute(&second, "cont");
        pairs += 1;
    }
    let mut below = 0;
    for _ in 0..pairs {
        for name in ["STOP", "RESUME"] {
            let [over_virsh, over_socket] = [&events, &expected].map(|stream| next_text(stream));
            assert_eq!(over_virsh, over_socket);
            let event = parsed(over_virsh.as_bytes());
            assert_eq!(event["event"], json!(name));
            below += usize::from(event["timestamp"]["microseconds"].as_u64().unwrap() < 100_000);
        }
    }
    assert!(below > 0, "no microseconds below 100000");
    monitor.free();
    second.free();
}

/// What comes the moment connecting is done is told.
#[test]
fn nothing_is_missed_after_connecting() {
    const ROUNDS: usize = 30;
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "at-once");
    let second = open(&domain.second(), &[]);
    let monitor = new(&target(&domain), &[]);
    for _ in 0..ROUNDS {
        let events = monitor.events(None).unwrap();
        monitor.connect(SOON).unwrap();
        execute(&second, "stop");
        execute(&second, "cont");
        let names = names_until(&events, "RESUME");
        assert_eq!(names, ["LIBQMP_CONNECTED", "STOP", "RESUME"]);
        monitor.disconnect().unwrap();
        events.close();
        events.free();
    }
    monitor.free();
    second.free();
}

#[test]
fn the_death_of_the_events_process_is_told_and_mended() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "mended");
    let program = Program::real(&daemon, "mended");
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    for _ in 0..3 {
        signal(program.the(Kind::Events), libc::SIGKILL);
        // Told at once, and for the time until it was back.
        assert_eq!([next_name(&events), next_name(&events)], ["LIBQMP_EVENTS_LOST"; 2]);
        execute(&monitor, "stop");
        assert_eq!(next_name(&events), "STOP");
        execute(&monitor, "cont");
        assert_eq!(next_name(&events), "RESUME");
    }
    monitor.free();
    program.gone();
}

/// A log that says nothing proves nothing: connected after two seconds, and the possible gap is told.
#[test]
fn a_registration_that_cannot_be_seen_is_told_as_a_gap() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "no-log");
    let silent = "[ $KIND = events ] && exec 2>/dev/null\nexec \"$VIRSH\" \"$@\"";
    let program = Program::script(&daemon, "no-log", silent);
    let begun = Instant::now();
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    assert!(begun.elapsed().as_millis() >= 2000, "connected after {:?}", begun.elapsed());
    assert_eq!(next_name(&events), "LIBQMP_EVENTS_LOST");
    execute(&monitor, "stop");
    assert_eq!(names_until(&events, "STOP"), ["LIBQMP_EVENTS_LOST", "STOP"]);
    execute(&monitor, "cont");
    assert_eq!(next_name(&events), "RESUME");
    monitor.free();
    program.gone();
}

/// It takes its time, but its log says that it will come: nothing is told that is not so.
#[test]
fn a_slow_registration_is_waited_for() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "slow-log");
    // The line that counts comes late.
    let slow = "[ $KIND = events ] || exec \"$VIRSH\" \"$@\"\n\
                { \"$VIRSH\" \"$@\" 2>&1 >&3 | while read -r line; do\n\
                case $line in *prog=536903815*proc=4*) sleep 2.5 ;; esac; echo \"$line\" >&2; done; } 3>&1";
    let program = Program::script(&daemon, "slow-log", slow);
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    execute(&monitor, "stop");
    assert_eq!(next_name(&events), "STOP");
    monitor.free();
    program.gone();
}

/// Nobody can read an endless line: that is told, and another process is tried.
#[test]
fn an_events_process_that_prints_without_end_is_replaced() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "endless-events");
    let flag = daemon.path("endless-events-once");
    let script = format!(
        "[ $KIND = events ] && mkdir {0} 2>/dev/null && {{ \"$VIRSH\" \"$@\" & sleep 1; tr '\\0' x </dev/zero; }}\n\
         exec \"$VIRSH\" \"$@\"",
        flag.display()
    );
    let program = Program::script(&daemon, "endless-events", &script);
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path), ("max-message", "1000000")]);
    assert_eq!([next_name(&events), next_name(&events)], ["LIBQMP_EVENTS_LOST"; 2]);
    execute(&monitor, "stop");
    assert_eq!(next_name(&events), "STOP");
    monitor.free();
    program.gone();
}

/// What is no event is no event, whatever else the process prints.
#[test]
fn chatter_of_the_events_process_is_no_event() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "chatter");
    let script = "[ $KIND = events ] && { echo; echo chatter; echo 'event X at y'; \
                  printf 'event  at 1.5 for domain: {}\\n\\377\\n'; }\nexec \"$VIRSH\" \"$@\"";
    let program = Program::script(&daemon, "chatter", script);
    let (monitor, events) = watching(&target(&domain), &[("virsh-path", &program.path)]);
    execute(&monitor, "stop");
    assert_eq!(next_name(&events), "STOP");
    assert_eq!(events.next(Timeout::Millis(0)).unwrap_err().code(), Code::Timeout);
    monitor.free();
}

/// An idle monitor is two processes, and none is left when it is freed.
#[test]
fn a_monitor_is_two_processes() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "processes");
    for (session, kinds) in [("on", &[Kind::Session, Kind::Events][..]), ("off", &[Kind::Events])] {
        let program = Program::real(&daemon, &format!("processes-{session}"));
        let monitor = open(&target(&domain), &[("virsh-path", &program.path), ("virsh-session", session)]);
        kinds.iter().for_each(|kind| assert!(program.the(*kind) > 0));
        assert_eq!(program.processes().len(), kinds.len());
        let other = open(&target(&domain), &[("virsh-path", &program.path), ("virsh-session", session)]);
        assert_eq!(program.processes().len(), 2 * kinds.len());
        monitor.disconnect().unwrap();
        until("one monitor's processes", || program.processes().len() == kinds.len());
        monitor.free();
        other.free();
        program.gone();
    }
}
