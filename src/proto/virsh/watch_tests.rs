//! The process for events, played: when it is registered, and what it loses.

use super::End;
use super::Slot;
use super::proxy_tests::{Bench, UUID};
use crate::proto::libvirt::Wanted;

#[test]
fn events_are_told_and_so_is_their_loss() {
    let mut bench = Bench::ready(true);
    let line = "event STOP at 1.000001 for domain 'demo': <null>\n";
    let event = |bench: &mut Bench, text: &str| bench.proxy.output(Slot::Events, text.as_bytes(), &mut bench.told);
    assert_eq!(event(&mut bench, &format!("{line}event RES")), line.len());
    assert_eq!(bench.told(), ["STOP"]);
    // It ends: that is told at once, and again when it is back, for what came between.
    bench.proxy.error_output(Slot::Events, b"error: Disconnected from x due to end of file\n", &mut bench.told);
    bench.proxy.exited(Slot::Events, End::Status(1), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["lost"]);
    bench.actions();
    bench.tick(99);
    assert!(bench.actions().is_empty());
    bench.tick(1);
    assert_eq!(bench.actions().len(), 1);
    // As long as it does not work the pauses grow, and nothing new is told.
    bench.proxy.exited(Slot::Events, End::Status(1), bench.now, &mut bench.told);
    bench.actions();
    bench.tick(199);
    assert!(bench.actions().is_empty());
    bench.tick(1);
    assert!(bench.told().is_empty());
    bench.witness();
    assert_eq!(bench.told(), ["lost"]);
    event(&mut bench, line);
    assert_eq!(bench.told(), ["STOP"]);
}

#[test]
fn a_registration_that_nobody_proves_may_have_a_gap() {
    let mut bench = Bench::new(Some("demo"), false);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect("domuuid --domain demo", &format!("{UUID}\n"));
    bench.expect(&format!("domname --domain {UUID}"), "demo\n");
    bench.tick(1999);
    assert!(bench.told().is_empty());
    assert!(bench.proxy.not_connected_yet().to_string().contains("register"));
    bench.tick(1);
    assert_eq!(bench.told(), ["connected", "lost"]);
    // What proves it late shows that more may have been lost since.
    let line = "event STOP at 1.000001 for domain 'demo': <null>\n".repeat(2);
    bench.proxy.output(Slot::Events, line.as_bytes(), &mut bench.told);
    assert_eq!(bench.told(), ["lost", "STOP", "STOP"]);
    bench.witness();
    assert!(bench.told().is_empty());
    // Refused, it is an error.
    let mut bench = Bench::new(Some("demo"), false);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect("domuuid --domain demo", &format!("{UUID}\n"));
    bench.expect(&format!("domname --domain {UUID}"), "demo\n");
    let refused = b"error: operation forbidden: read only access prevents x\n";
    bench.proxy.error_output(Slot::Events, refused, &mut bench.told);
    bench.proxy.exited(Slot::Events, End::Status(1), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["closed: Auth"]);
}

/// What it would say is lost, and it is started again.
#[test]
fn an_endless_line_of_the_events_process_is_a_loss() {
    let mut bench = Bench::ready(true);
    bench.actions();
    assert_eq!(bench.proxy.output(Slot::Events, &[b'x'; 1001], &mut bench.told), 1001);
    bench.proxy.proceed(bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["lost"]);
    assert_eq!(bench.actions(), ["end Events"]);
    bench.tick(100);
    bench.witness();
    assert_eq!(bench.told(), ["lost"]);
}

/// Where other answers stand in the log that of the registration will, too: until then there is no registration.
#[test]
fn a_log_that_speaks_is_waited_for() {
    let mut bench = Bench::new(Some(UUID), true);
    bench.expect("uri", "x\n");
    bench.expect("help qemu-monitor-command", "");
    bench.expect(&format!("domname --domain {UUID}"), "demo\n");
    let line = b"x: RPC_CLIENT_MSG_RX: client=0 len=32 prog=536903814 vers=1 proc=66 type=1 status=0 serial=0\n";
    bench.proxy.error_output(Slot::Events, line, &mut bench.told);
    bench.tick(10_000);
    assert!(bench.told().is_empty() && bench.proxy.deadline(bench.now).is_none());
    bench.witness();
    assert_eq!(bench.told(), ["connected"]);
}

/// That the daemon has registered is not enough: libvirt's client throws away what comes before it has noted that.
#[test]
fn a_registration_is_done_when_virsh_sleeps() {
    let line = b"x: RPC_CLIENT_MSG_RX: client=0 len=32 prog=536903815 vers=1 proc=4 type=1 status=0 serial=7\n";
    let bench = || {
        let mut bench = Bench::new(None, true);
        bench.proxy.wanted = Some(Wanted::Name(UUID.as_bytes().into()));
        bench.expect("uri", "x\n");
        bench.expect("help qemu-monitor-command", "");
        bench.expect(&format!("domname --domain {UUID}"), "demo\n");
        assert!(!bench.proxy.is_settling());
        bench.proxy.error_output(Slot::Events, line, &mut bench.told);
        assert!(bench.proxy.is_settling() && bench.told().is_empty());
        bench
    };
    let mut looked = bench();
    for _ in 0..3 {
        looked.until_deadline();
        assert!(looked.proxy.is_settling() && looked.told().is_empty());
    }
    looked.proxy.settled(&mut looked.told);
    assert_eq!(looked.told(), ["connected"]);
    // It prints: that shows it, too.
    let mut printed = bench();
    let event = b"event STOP at 1.000001 for domain 'demo': <null>\n";
    printed.proxy.output(Slot::Events, event, &mut printed.told);
    assert_eq!(printed.told(), ["connected", "STOP"]);
    // Where nothing can be seen it is believed after a while.
    let mut unseen = bench();
    for _ in 0..200 {
        if unseen.proxy.is_settling() {
            unseen.until_deadline();
        }
    }
    assert_eq!(unseen.told(), ["connected"]);
}

/// The log tells what came: what is not printed is lost.
#[test]
fn what_comes_and_is_not_printed_is_told_as_lost() {
    let mut bench = Bench::ready(true);
    let event = b"event STOP at 1.000001 for domain 'demo': <null>\n";
    // Printed before or after it was read in the log.
    for first in [true, false] {
        if first {
            bench.hear();
            assert!(bench.proxy.deadline(bench.now).is_some());
        }
        bench.proxy.output(Slot::Events, event, &mut bench.told);
        if !first {
            bench.hear();
        }
        assert_eq!(bench.told(), ["STOP"]);
        assert_eq!(bench.proxy.deadline(bench.now), None);
    }
    // Always some on their way: none of them is lost.
    bench.hear();
    for _ in 0..10 {
        bench.proxy.deadline(bench.now);
        bench.tick(500);
        bench.proxy.output(Slot::Events, event, &mut bench.told);
        bench.hear();
    }
    assert_eq!(bench.told(), ["STOP"; 10]);
    bench.proxy.output(Slot::Events, event, &mut bench.told);
    bench.told();
    // Two that never come.
    bench.hear();
    bench.hear();
    bench.until_deadline();
    assert_eq!(bench.told(), ["lost"]);
    assert_eq!(bench.proxy.deadline(bench.now), None);
}
