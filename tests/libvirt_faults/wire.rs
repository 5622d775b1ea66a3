//! The very bytes: what is sent, and how what is received may be cut into pieces.

use serde_json::json;

use super::client::{Client, STATUS, connected};
use super::rpc_peer::xdr::{Domain, Xdr};
use super::rpc_peer::{MESSAGE, MONITOR_EVENT, OK, Peer, QEMU, REPLY, packet};

/// Every byte by itself, from the first to the last.
#[test]
fn bytes_may_come_one_by_one() {
    let peer = Peer::new();
    let client = Client::new(&peer);
    let connecting = client.connect();
    let mut daemon = peer.accept();
    daemon.piecemeal = true;
    let (lifecycle, qemu) = daemon.open();
    connecting.wait().unwrap();
    client.expect_event("LIBQMP_CONNECTED");
    let vm = Domain::new("vm", 1);
    for _ in 0..3 {
        daemon.event(qemu, &vm, "RESET", r#"{"guest":false,"reason":"host-qmp-system-reset"}"#);
        daemon.lifecycle(lifecycle, &vm, 5, 0);
        client.expect_event("RESET");
        client.expect_event("LIBQMP_DOMAIN_STOPPED");
        client.works(&mut daemon);
    }
    drop(client);
    daemon.close();
}

/// As many packets as there are, in one piece, split at every byte.
#[test]
fn packets_may_be_split_anywhere() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let vm = Domain::new("vm", 1);
    let event = |name| {
        let payload = Xdr::new().monitor_event(bed.qemu, &vm, name, r#"{"a":"é"}"#).0;
        packet(QEMU, MONITOR_EVENT, MESSAGE, 1, OK, &payload)
    };
    let mut split = 0;
    loop {
        let outcome = bed.client.start(r#"{"execute":"query-status","id":"é"}"#);
        let call = bed.daemon.call();
        let answer = Xdr::new().string(r#"{"return":{"text":"naïve"},"id":"libvirt-3"}"#).0;
        let reply = packet(call.program, call.procedure, REPLY, call.serial, OK, &answer);
        let all = [event("ONE"), reply, event("TWO")].concat();
        let (head, tail) = all.split_at(split);
        bed.daemon.send(head);
        // The client has seen the first piece when this has gone round, or will not see the difference.
        std::thread::yield_now();
        bed.daemon.send(tail);
        assert_eq!(bed.client.expect_event("ONE")["data"], json!({"a": "é"}));
        bed.client.expect_event("TWO");
        assert_eq!(outcome.reply(), json!({"return": {"text": "naïve"}, "id": "é"}));
        split += 1;
        if split > all.len() {
            break;
        }
    }
}

/// As the socket driver brings them from QEMU: member order, blanks, numbers, and no data where there was none.
#[test]
fn events_are_written_as_qemu_writes_them() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let vm = Domain::new("vm", 1);
    let event = |seconds, micros, name: &str, data: Option<&str>| {
        Xdr::new().u32(bed.qemu).domain(&vm).string(name).i64(seconds).u32(micros).optional(data).0
    };
    let cases = [
        (event(1, 2, "STOP", None), r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}"#),
        (
            event(1_795_422_982, 999_105, "RESET", Some(r#"{"guest":false,"reason":"host-qmp-system-reset"}"#)),
            r#"{"timestamp": {"seconds": 1795422982, "microseconds": 999105}, "event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}}"#,
        ),
        // QEMU could not read its clock.
        (
            event(-1, u32::MAX, "RESUME", None),
            r#"{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "RESUME"}"#,
        ),
        // Blanks inside strings, brackets, escapes, numbers that no type holds, and what is not ASCII.
        (
            event(0, 0, "X", Some(r#"{"a":[1.50,1e400,-0,[],{}],"b":"x:y, {\"\\ é😀","c":null,"d":[true,false,"é"]}"#)),
            r#"{"timestamp": {"seconds": 0, "microseconds": 0}, "event": "X", "data": {"a": [1.50, 1e400, -0, [], {}], "b": "x:y, {\"\\ \u00E9\uD83D\uDE00", "c": null, "d": [true, false, "\u00E9"]}}"#,
        ),
    ];
    for (payload, expected) in cases {
        bed.daemon.message(QEMU, MONITOR_EVENT, &payload);
        let text = bed.client.events.next(super::client::SOON).unwrap();
        assert_eq!(String::from_utf8(text.as_bytes().to_vec()).unwrap(), expected);
    }
}

/// What the daemon gets is the request without its id, and nothing that it would not take.
#[test]
fn requests_are_sent_without_an_id() {
    let peer = Peer::new();
    let mut bed = connected(&peer);
    let cases = [
        (STATUS, STATUS),
        (r#"{ "id" : 7 , "execute" : "a" }"#, r#"{"execute":"a"}"#),
        (
            r#"{"execute":"a","id":{"x":[1]},"arguments":{"id":1,"é":"\u00e9 b"}}"#,
            r#"{"execute":"a","arguments":{"id":1,"é":"\u00e9 b"}}"#,
        ),
        (r#"{"execute":"a","arguments":{},"id":null}"#, r#"{"execute":"a","arguments":{}}"#),
    ];
    for (request, sent) in cases {
        let outcome = bed.client.start(request);
        let call = bed.daemon.call();
        assert_eq!(call.command(), sent);
        assert_eq!(call.domain(), "vm");
        bed.daemon.answer(&call, r#"{"return":{},"id":"libvirt-1"}"#);
        let expected: serde_json::Value = serde_json::from_str(request).unwrap();
        assert_eq!(outcome.reply().get("id"), expected.get("id"), "{request}");
    }
}
