//! Who gets what: replies by their serial, events by their callback.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use qmp::error::Code;
use serde_json::json;

use super::client::{ANSWER, Client, STATUS, connected};
use super::rpc_peer::xdr::{Domain, Xdr};
use super::rpc_peer::{ERROR, MESSAGE, MONITOR_COMMAND, OK, Peer, QEMU, REMOTE, REPLY, Step, packet};

/// A pair whose second end is given away: reading from the first ends when everybody has closed the second. Other tests
/// may open and close meanwhile what they like.
fn witness() -> (UnixStream, OwnedFd) {
    let (reader, given) = UnixStream::pair().unwrap();
    reader.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (reader, OwnedFd::from(given))
}

fn assert_closed_everywhere(mut reader: UnixStream) {
    assert_eq!(reader.read(&mut [0]).expect("a descriptor is kept open"), 0);
}

#[test]
fn what_belongs_to_nobody_is_dropped() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let outcome = bed.client.start(r#"{"execute":"query-status","id":[1]}"#);
    let call = bed.daemon.call();
    let wrong = Xdr::new().string(r#"{"return":{"running":false},"id":"libvirt-1"}"#).0;
    let error = Xdr::new().error(1, "not yours").0;
    let strays = [
        // Serials that nobody waits for.
        packet(QEMU, MONITOR_COMMAND, REPLY, call.serial.wrapping_add(1000), OK, &wrong),
        packet(QEMU, MONITOR_COMMAND, REPLY, u32::MAX, OK, &wrong),
        packet(QEMU, MONITOR_COMMAND, REPLY, call.serial.wrapping_add(1000), ERROR, &error),
        // Programs that were not asked, this serial or not.
        packet(REMOTE, MONITOR_COMMAND, REPLY, call.serial, OK, &wrong),
        packet(0x0690_0690, MONITOR_COMMAND, REPLY, call.serial, OK, &wrong),
        packet(0x1234_5678, 1, MESSAGE, 0, OK, &wrong),
        // Another procedure than the one that was called.
        packet(QEMU, 3, REPLY, call.serial, OK, &wrong),
        // Events that nobody knows.
        packet(REMOTE, 99, MESSAGE, 1, OK, &[]),
        packet(QEMU, 99, MESSAGE, 1, OK, &[1, 2, 3]),
    ];
    strays.iter().for_each(|stray| bed.daemon.send(stray));
    bed.daemon.event(bed.qemu + 1000, &Domain::new("vm", 1), "STOP", "");
    bed.daemon.lifecycle(bed.lifecycle + 1000, &Domain::new("vm", 1), 5, 0);
    bed.daemon.assert_quiet();
    assert!(outcome.is_open(), "a stray answered the call");
    bed.daemon.answer(&call, ANSWER);
    assert_eq!(outcome.reply(), json!({"return": {"running": true}, "id": [1]}));
    // A second reply to the same call belongs to nobody either.
    bed.daemon.answer(&call, ANSWER);
    bed.daemon.event(bed.qemu, &Domain::new("vm", 1), "RESUME", "");
    bed.client.expect_event("RESUME");
    bed.client.works(&mut bed.daemon);
}

/// Two domains, asked at once, answered the other way round.
#[test]
fn replies_come_in_any_order() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let other = bed.client.beside(&peer.target("other"));
    bed.daemon.domains.push(Domain::new("other", 2));
    let connecting = other.connect();
    bed.daemon.open();
    connecting.wait().unwrap();
    let outcomes = [bed.client.start(STATUS), other.start(STATUS)];
    let calls = [bed.daemon.call(), bed.daemon.call()];
    assert_eq!(calls.each_ref().map(super::rpc_peer::Packet::domain), ["vm", "other"]);
    bed.daemon.answer(&calls[1], r#"{"return":"other","id":"libvirt-1"}"#);
    assert_eq!(outcomes[1].reply(), json!({"return": "other"}));
    assert!(outcomes[0].is_open());
    bed.daemon.answer(&calls[0], r#"{"return":"vm","id":"libvirt-2"}"#);
    assert_eq!(outcomes[0].reply(), json!({"return": "vm"}));
}

/// Each monitor has the events of its own domain.
#[test]
fn events_go_to_the_monitors_of_their_domain() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let other = bed.client.beside(&peer.target("other"));
    let (vm, second) = (Domain::new("vm", 1), Domain::new("other", -1));
    bed.daemon.domains.push(second.clone());
    let connecting = other.connect();
    let call = bed.daemon.open_until(Step::Register);
    bed.daemon.reply(&call, &Xdr::new().u32(77).0);
    connecting.wait().unwrap();
    other.expect_event("LIBQMP_CONNECTED");
    bed.daemon.event(bed.qemu, &vm, "STOP", "");
    bed.daemon.event(77, &second, "RESUME", "");
    bed.daemon.lifecycle(bed.lifecycle, &second, 2, 0);
    bed.daemon.lifecycle(bed.lifecycle, &vm, 5, 1);
    bed.client.expect_event("STOP");
    assert_eq!(bed.client.expect_event("LIBQMP_DOMAIN_STOPPED")["data"], json!({"reason": "destroyed"}));
    other.expect_event("RESUME");
    assert_eq!(other.expect_event("LIBQMP_DOMAIN_STARTED")["data"], json!({"reason": "booted"}));
}

/// The daemon tells events as soon as they are registered for, which may be before it says so.
#[test]
fn events_before_the_reply_to_their_registration_are_kept() {
    let peer = Peer::new();
    let client = Client::new(&peer);
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let call = daemon.open_until(Step::Register);
    daemon.event(9, &Domain::new("vm", 1), "RESUME", "");
    daemon.reply(&call, &Xdr::new().u32(9).0);
    daemon.event(9, &Domain::new("vm", 1), "STOP", "");
    connecting.wait().unwrap();
    // Where among them the link is told of is another matter.
    let mut names: Vec<_> = (0..3).map(|_| client.event()["event"].as_str().unwrap().to_owned()).collect();
    names.retain(|name| name != "LIBQMP_CONNECTED");
    assert_eq!(names, ["RESUME", "STOP"]);
}

/// The reasons that libvirt knows, and one that it does not know yet.
#[test]
fn lifecycle_events_have_their_reasons() {
    const STOPPED: [&str; 7] = ["shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot"];
    const STARTED: [&str; 5] = ["booted", "migrated", "restored", "from-snapshot", "wakeup"];
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let vm = Domain::new("vm", 1);
    for (detail, reason) in STOPPED.iter().enumerate() {
        bed.daemon.lifecycle(bed.lifecycle, &vm, 5, detail as u32);
        assert_eq!(bed.client.expect_event("LIBQMP_DOMAIN_STOPPED")["data"]["reason"], json!(reason));
    }
    for (detail, reason) in STARTED.iter().enumerate() {
        bed.daemon.lifecycle(bed.lifecycle, &vm, 2, detail as u32);
        assert_eq!(bed.client.expect_event("LIBQMP_DOMAIN_STARTED")["data"]["reason"], json!(reason));
    }
    // Defined, undefined, suspended, resumed, shutting down and what is not known yet: QEMU tells of these, or nobody.
    for event in [0, 1, 3, 4, 6, 7, 8, 1000] {
        bed.daemon.lifecycle(bed.lifecycle, &vm, event, 0);
    }
    bed.daemon.lifecycle(bed.lifecycle, &vm, 5, 1000);
    let told = bed.client.expect_event("LIBQMP_DOMAIN_STOPPED");
    assert!(told["timestamp"]["seconds"].is_number(), "{told}");
    bed.client.works(&mut bed.daemon);
}

/// Nobody asked for descriptors: the reply counts, the descriptors are closed.
#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    for count in [1, 3, 32] {
        let outcome = bed.client.start(STATUS);
        let call = bed.daemon.call();
        let (reader, writer) = witness();
        let fds: Vec<_> = (0..count).map(|_| writer.try_clone().unwrap()).collect();
        drop(writer);
        // One for nobody, then the answer.
        bed.daemon.reply_with_fds(&call, call.serial.wrapping_add(1000), &[], &fds);
        bed.daemon.reply_with_fds(&call, call.serial, &Xdr::new().string(ANSWER).0, &fds);
        drop(fds);
        assert_eq!(outcome.reply()["return"]["running"], true);
        assert_closed_everywhere(reader);
    }
    bed.client.works(&mut bed.daemon);
}

/// Descriptors that come with bytes where none belong.
#[test]
fn descriptors_in_the_wrong_place_are_closed() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let outcome = bed.client.start(STATUS);
    let call = bed.daemon.call();
    let (reader, writer) = witness();
    // The first byte of the reply's length carries one.
    bed.daemon.send_fd(&writer);
    drop(writer);
    let reply = packet(call.program, call.procedure, REPLY, call.serial, OK, &Xdr::new().string(ANSWER).0);
    assert_eq!(reply[0], 0, "the byte that has gone already");
    bed.daemon.send(&reply[1..]);
    assert_closed_everywhere(reader);
    // Whether that ends the link is the driver's choice; the call has an end in any case.
    match outcome.wait() {
        Ok(_) => bed.client.works(&mut bed.daemon),
        Err(error) => assert_eq!(error.code(), Code::Protocol, "{error}"),
    }
}

/// One is sent with its command: behind the packet, with a byte of its own.
#[test]
fn a_descriptor_goes_with_its_command() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let (mut reader, writer) = witness();
    let (sender, outcome) = std::sync::mpsc::channel();
    let done = Box::new(
        move |_: &std::sync::Arc<qmp::monitor::Monitor>, result: qmp::error::Result<qmp::sys::text::Text<'_>>| {
            drop(sender.send(result.map(drop)));
        },
    );
    let request = br#"{"execute":"getfd","arguments":{"fdname":"a"}}"#;
    bed.client.monitor.start(request, &[writer.as_raw_fd()], super::client::SOON, done).unwrap();
    drop(writer);
    let mut call = bed.daemon.expect(QEMU, super::rpc_peer::COMMAND_WITH_FILES);
    assert_eq!(call.command().as_bytes(), request);
    // It is the very pipe, and after it has been sent the only one that is left.
    let mut sent = File::from(call.fds.pop().unwrap());
    assert!(call.fds.is_empty());
    std::io::Write::write_all(&mut sent, b"x").unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    drop(sent);
    assert_closed_everywhere(reader);
    bed.daemon.answer(&call, r#"{"return":{},"id":"libvirt-1"}"#);
    outcome.recv().unwrap().unwrap();
    bed.client.works(&mut bed.daemon);
}
