//! A host against a daemon that is played.

use super::daemon_tests::*;
use super::*;
use crate::proto::remote::{self, Procedure};
use crate::proto::rpc;
use crate::proto::xdr::{Reader, Writer};

#[test]
fn a_monitor_comes_to_its_domain_and_its_answer() {
    let mut bench = Bench::new();
    bench.attach(1, "demo");
    assert!(bench.host.waits_for(1).contains("connection"));
    bench.host.opened(0, UNIX, bench.now);
    assert!(bench.host.waits_for(1).contains("AUTH_LIST"));
    bench.expect(0, remote::AUTH_LIST, |w| drop_(w.u32(1).i32(0)));
    let open = bench.call(0);
    let mut arguments = Reader::new(&open.arguments);
    assert_eq!(arguments.optional_string("name").unwrap(), Some(&b"qemu:///system"[..]));
    assert_eq!(arguments.u32("flags").unwrap(), 0);
    bench.answer(0, &open, |_| {});
    bench.expect(0, remote::CONNECT_SUPPORTS_FEATURE, |w| drop_(w.i32(1)));
    bench.expect(0, remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, |w| drop_(w.i32(77)));
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("demo", DEMO));
    assert!(bench.host.waits_for(1).contains("MONITOR_EVENT_REGISTER"));
    assert!(bench.told().is_empty(), "nothing is ready before events are registered for");
    bench.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, |w| drop_(w.i32(9)));
    assert_eq!(bench.told(), ["1 connected"]);
    assert!(bench.host.fds());

    bench.submit(1, 50);
    let call = bench.call(0);
    assert_eq!((call.procedure, call.with_fds), (remote::DOMAIN_MONITOR_COMMAND, false));
    let mut arguments = Reader::new(&call.arguments);
    assert_eq!(remote::Domain::read(&mut arguments).unwrap().uuid, DEMO);
    assert_eq!(arguments.string("command").unwrap(), br#"{"execute":"stop"}"#);
    bench.input(0, &[event(9, DEMO), reply(&call, rpc::OK, done)].concat());
    assert_eq!(bench.told(), ["1 STOP", r#"call 50: {"return":{},"id":7}"#]);

    bench.host.submit(1, 51, &request(), false, Some(5)).unwrap();
    let call = bench.call(0);
    assert_eq!((call.procedure, call.with_fds), (remote::DOMAIN_MONITOR_COMMAND_WITH_FILES, true));
    bench.refuse(0, &call, 55);
    assert_eq!(bench.told(), ["call 51: NotRunning NotSent"]);

    bench.host.detach(1, Error::new(Code::Disconnected, "bye"), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["1 closed: Disconnected bye"]);
    assert!(!bench.host.is_open() && !bench.host.is_over());
    // Who sends it and does not wait for the answer harms the daemon: it is sent when somebody turns.
    assert!(bench.calls(0).is_empty() && !bench.host.is_delicate(0));
    bench.tick(0);
    assert!(bench.host.is_delicate(0));
    bench.expect(0, remote::CONNECT_CLOSE, |_| {});
    assert!(bench.host.is_over());
}

#[test]
fn a_daemon_that_says_no_farewell_is_left_after_a_while() {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    bench.host.detach(1, Error::new(Code::Canceled, "x"), bench.now, &mut bench.told);
    bench.tick(0);
    let at = bench.host.deadline().unwrap();
    bench.tick(at.duration_since(bench.now).as_millis() as u64);
    assert!(bench.host.is_over());
}

#[test]
fn a_farewell_waits_for_registrations() {
    let mut bench = Bench::ready();
    bench.attach(1, "demo");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("demo", DEMO));
    let register = bench.call(0);
    bench.host.detach(1, Error::new(Code::Canceled, "x"), bench.now, &mut bench.told);
    bench.tick(0);
    bench.tick(100);
    assert!(bench.calls(0).is_empty());
    bench.answer(0, &register, |w| drop_(w.i32(9)));
    bench.tick(100);
    bench.expect(0, remote::CONNECT_CLOSE, |_| {});
    assert!(bench.host.is_over());
}

#[test]
fn authentication() {
    // By polkit; refused by it.
    let mut bench = Bench::new();
    bench.attach(1, "demo");
    bench.host.opened(0, TCP, bench.now);
    bench.expect(0, remote::AUTH_LIST, |w| drop_(w.u32(1).i32(2)));
    let polkit = bench.call(0);
    assert_eq!(polkit.procedure, remote::AUTH_POLKIT);
    bench.refuse(0, &polkit, 1);
    let told = bench.told();
    assert!(told[0].starts_with("1 closed: Auth"), "{told:?}");
    assert!(bench.host.is_over());

    // Something that cannot be done: nothing goes on without it.
    let mut bench = Bench::new();
    bench.attach(1, "demo");
    bench.host.opened(0, TCP, bench.now);
    bench.expect(0, remote::AUTH_LIST, |w| drop_(w.u32(2).i32(1).i32(9)));
    let told = bench.told();
    assert!(told[0].starts_with("1 closed: Auth") && told[0].contains("sasl, method 9"), "{told:?}");
    let why = if cfg!(feature = "sasl") { "bare TCP" } else { "built without SASL" };
    assert!(told[0].contains(why) && told[0].contains("method 9 is not known"), "{told:?}");
    assert!(bench.calls(0).is_empty());

    // A daemon that does not know the question, over TCP: no question about descriptors, either.
    let mut bench = Bench::new();
    bench.host.opened(0, TCP, bench.now);
    let call = bench.call(0);
    bench.refuse(0, &call, 3);
    bench.expect(0, remote::CONNECT_OPEN, |_| {});
    bench.expect(0, remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, |w| drop_(w.i32(1)));
    assert!(!bench.host.fds());
}

#[test]
fn one_registration_a_domain() {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    // By the same name, and by the UUID: it turns out to be the same.
    bench.attach(2, "demo");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("demo", DEMO));
    bench.attach(3, &Uuid(DEMO).to_string());
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_UUID, domain("demo", DEMO));
    assert_eq!(bench.told(), ["2 connected", "3 connected"]);
    bench.input(0, &event(101, DEMO));
    assert_eq!(bench.told(), ["1 STOP", "2 STOP", "3 STOP"]);
    // And by its id.
    bench.host.attach(4, Some(Wanted::Id(3)), 1000, &mut bench.told);
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_ID, domain("demo", DEMO));
    assert_eq!(bench.told(), ["4 connected"]);
    // Another one has the name next time.
    bench.input(0, &lifecycle(DEMO, 5, 1));
    assert_eq!(
        bench.told(),
        ["1 stopped destroyed", "2 stopped destroyed", "3 stopped destroyed", "4 stopped destroyed"]
    );
    bench.attach(5, "demo");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("demo", [1; 16]));
    bench.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, |w| drop_(w.i32(5)));
    bench.input(0, &lifecycle(DEMO, 2, 0));
    bench.input(0, &event(5, [1; 16]));
    let told = bench.told();
    assert_eq!((told[0].as_str(), told.last().unwrap().as_str()), ("5 connected", "5 STOP"));
    assert_eq!(told.iter().filter(|line| line.ends_with("started booted")).count(), 4);
    // The last monitor of a domain takes the registration with it.
    bench.host.detach(5, Error::new(Code::Canceled, "x"), bench.now, &mut bench.told);
    bench.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, |_| {});
    bench.told();
    bench.input(0, &event(5, [1; 16]));
    assert!(bench.told().is_empty());
}

#[test]
fn a_name_that_went_to_another_domain_leads_there() {
    let mut bench = Bench::ready();
    bench.join(1, "alpha", DEMO);
    // Renamed: what libvirt tells of that may not be read yet.
    bench.attach(2, "beta");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("beta", DEMO));
    assert_eq!(bench.told(), ["2 connected"]);
    // The old name is another domain's by now.
    bench.attach(3, "alpha");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("alpha", [1; 16]));
    bench.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, |w| drop_(w.i32(3)));
    assert_eq!(bench.told(), ["3 connected"]);
    bench.submit(3, 30);
    let call = bench.call(0);
    assert_eq!((call.procedure, uuid_of(&call)), (remote::DOMAIN_MONITOR_COMMAND, [1; 16]));
    // And those of the first domain still reach it.
    bench.submit(1, 10);
    assert_eq!(uuid_of(&bench.call(0)), DEMO);
}

#[test]
fn a_name_that_reads_as_a_uuid_is_tried_as_one_first() {
    let name = Uuid([7; 16]).to_string();
    let mut bench = Bench::ready();
    bench.attach(1, &name);
    let call = bench.call(0);
    assert_eq!((call.procedure, call.arguments.as_slice()), (remote::DOMAIN_LOOKUP_BY_UUID, &[7; 16][..]));
    bench.refuse(0, &call, 42);
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain(&name, DEMO));
    bench.expect(0, remote::CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, |w| drop_(w.i32(9)));
    assert_eq!(bench.told(), ["1 connected"]);
    bench.attach(2, "nobody");
    let call = bench.call(0);
    bench.refuse(0, &call, 42);
    let told = bench.told();
    assert!(told[0].starts_with("2 closed: NotFound"), "{told:?}");
    // The link goes on for the others; a wrong answer ends it.
    bench.attach(3, "x");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("y", [2; 16]));
    assert!(bench.told().iter().all(|line| line.contains("closed: Protocol")));
    assert!(bench.host.is_over());
}

#[test]
fn an_event_may_overtake_its_registration() {
    let mut bench = Bench::ready();
    bench.attach(1, "demo");
    bench.input(0, &event(9, DEMO));
    assert!(bench.told().is_empty(), "nothing is registered for yet");
    bench.expect(0, remote::DOMAIN_LOOKUP_BY_NAME, domain("demo", DEMO));
    let register = bench.call(0);
    bench.input(0, &[event(9, DEMO), event(9, [3; 16]), reply(&register, rpc::OK, |w| drop_(w.i32(9)))].concat());
    assert_eq!(bench.told(), ["1 STOP", "1 connected"]);
    bench.input(0, &[event(8, DEMO), event(9, DEMO)].concat());
    assert_eq!(bench.told(), ["1 STOP"]);
}

#[test]
fn four_calls_a_connection_one_a_domain_each_in_turn() {
    let mut bench = Bench::ready();
    for port in 0..6 {
        bench.join(port, &format!("vm{port}"), [port as u8; 16]);
    }
    for call in 0..3 {
        for port in 0..6 {
            bench.submit(port, (port as u32) * 10 + call);
        }
    }
    let mut on_wire = bench.calls(0);
    let mut order = Vec::new();
    while !on_wire.is_empty() {
        assert!(on_wire.len() <= PLACES);
        let uuids: Vec<_> = on_wire.iter().map(uuid_of).collect();
        assert!((1..uuids.len()).all(|i| !uuids[..i].contains(&uuids[i])), "two calls of one domain");
        let first = on_wire.remove(0);
        order.push(uuid_of(&first)[0]);
        bench.answer(0, &first, done);
        on_wire.extend(bench.calls(0));
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    let told = bench.told();
    let firsts: Vec<_> = told.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(firsts[..7], ["call 0", "call 10", "call 20", "call 30", "call 40", "call 50", "call 1"]);
    assert_eq!(told.len(), 18);
}

fn uuid_of(call: &Call) -> [u8; 16] {
    remote::Domain::read(&mut Reader::new(&call.arguments)).unwrap().uuid
}

#[test]
fn what_is_given_up_keeps_its_place_until_it_is_answered() {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    bench.submit(1, 1);
    // Not written yet: taken back, with its descriptor.
    assert_eq!(bench.host.forget(1, 1), Delivery::NotSent);
    assert!(bench.calls(0).is_empty());
    bench.host.submit(1, 2, &request(), false, Some(7)).unwrap();
    assert_eq!(bench.host.forget(1, 2), Delivery::NotSent);
    assert!(bench.calls(0).is_empty());
    bench.submit(1, 3);
    bench.submit(1, 4);
    let stuck = bench.call(0);
    assert_eq!(bench.host.forget(1, 4), Delivery::NotSent);
    assert_eq!(bench.host.forget(1, 3), Delivery::Unknown);
    assert_eq!(bench.host.forgotten(1), 1);
    bench.submit(1, 5);
    assert!(bench.calls(0).is_empty());
    bench.answer(0, &stuck, done);
    assert!(bench.told().is_empty(), "the late answer is dropped");
    bench.expect(0, remote::DOMAIN_MONITOR_COMMAND, done);
    assert_eq!(bench.told(), [r#"call 5: {"return":{},"id":7}"#]);
    assert_eq!(bench.host.forgotten(1), 0);
}

#[test]
fn silent_machines_do_not_stop_the_others() {
    let mut bench = Bench::ready();
    for port in 0..10 {
        bench.join(port, &format!("vm{port}"), [port as u8; 16]);
    }
    for port in 0..5 {
        bench.submit(port, port as u32);
    }
    assert_eq!(bench.calls(0).len(), PLACES);
    assert_eq!(bench.host.conns(), 1);
    // Nobody gave up yet: it may be slowness. After a while it is not.
    assert!(bench.host.wants_the_time());
    bench.tick(0);
    assert!(!bench.host.wants_the_time());
    bench.tick(999);
    assert_eq!(bench.host.conns(), 1);
    bench.tick(1);
    assert_eq!(bench.host.conns(), 2);
    bench.open(1);
    let call = bench.call(1);
    assert_eq!(uuid_of(&call)[0], 4);
    bench.answer(1, &call, done);
    assert_eq!(bench.told().len(), 1);
    // With all places kept by what was given up there is nothing to wait for.
    (0..4).for_each(|port| assert_eq!(bench.host.forget(port, port as u32), Delivery::Unknown));
    (5..9).for_each(|port| bench.submit(port, port as u32));
    assert_eq!(bench.calls(1).len(), PLACES);
    (5..9).for_each(|port| assert_eq!(bench.host.forget(port, port as u32), Delivery::Unknown));
    bench.submit(9, 90);
    assert_eq!(bench.host.conns(), 3);
    // The third is refused: that is all there will be, and the second goes on.
    bench.host.lost(2, Error::new(Code::Connect, "full"), &mut bench.told);
    bench.tick(5000);
    bench.input(0, &pong());
    bench.input(1, &pong());
    assert_eq!(bench.host.conns(), 3);
    assert!(!bench.host.is_over() && bench.told().is_empty());
}

fn pong() -> Vec<u8> {
    let mut bytes = Vec::new();
    rpc::keepalive(&mut bytes, rpc::PONG);
    bytes
}

#[test]
fn a_silent_daemon_is_noticed_and_its_pings_are_answered() {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    bench.submit(1, 5);
    bench.calls(0);
    let keepalive = |bench: &mut Bench| bench.calls(0).iter().map(|call| call.procedure.number).collect::<Vec<_>>();
    bench.tick(5000);
    assert!(keepalive(&mut bench).is_empty(), "it has just spoken");
    bench.tick(5000);
    assert_eq!(keepalive(&mut bench), [rpc::PING]);
    bench.input(0, &pong());
    bench.tick(5000);
    assert!(keepalive(&mut bench).is_empty());
    let mut ping = Vec::new();
    rpc::keepalive(&mut ping, rpc::PING);
    bench.input(0, &ping);
    assert_eq!(keepalive(&mut bench), [rpc::PONG]);
    // A long packet that comes slowly is no silence.
    let pong = pong();
    let (half, rest) = pong.split_at(10);
    for _ in 0..2 {
        bench.tick(5000);
    }
    assert_eq!(keepalive(&mut bench), [rpc::PING]);
    assert_eq!(bench.host.input(0, half, bench.now, &mut bench.told).unwrap(), 0);
    bench.tick(5000);
    assert!(keepalive(&mut bench).is_empty());
    bench.input(0, &[half, rest].concat());
    bench.tick(5000);
    for _ in 0..2 {
        bench.tick(5000);
        assert_eq!(keepalive(&mut bench), [rpc::PING]);
    }
    assert!(bench.told().is_empty());
    bench.tick(5000);
    let told = bench.told();
    assert_eq!(told[0], "call 5: Disconnected Unknown");
    assert!(told[1].starts_with("1 closed: Disconnected the daemon left 2 keepalive pings"), "{told:?}");
}

#[test]
fn domains_are_listed_with_their_states() {
    let mut bench = Bench::ready();
    bench.host.attach(1, None, 1 << 20, &mut bench.told);
    assert_eq!(bench.told(), ["1 connected"]);
    let refused = bench.host.submit(1, 4, &request(), false, None).unwrap_err();
    assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent));
    bench.host.list(1, 5).unwrap();
    let some = |names: &'static [(&'static str, u8, i32)]| {
        move |writer: &mut Writer<'_>| {
            writer.u32(names.len() as u32);
            for (name, uuid, id) in names {
                remote::Domain { name: name.as_bytes(), uuid: [*uuid; 16], id: *id }.write(writer);
            }
            writer.u32(names.len() as u32);
        }
    };
    let all: &[(&str, u8, i32)] = &[("c", 3, 7), ("a\"", 1, 5), ("b", 2, -1), ("d", 4, 8), ("gone", 6, 9)];
    bench.expect(0, remote::CONNECT_LIST_ALL_DOMAINS, some(all));
    let running = bench.call(0);
    assert_eq!(running.arguments, [0, 0, 0, 1, 0, 0, 0, 16]);
    bench.answer(0, &running, some(&[("a\"", 1, 5), ("new", 9, 10)]));
    bench.expect(0, remote::CONNECT_LIST_ALL_DOMAINS, some(&[("c", 3, 7)]));
    bench.expect(0, remote::CONNECT_LIST_ALL_DOMAINS, some(&[("b", 2, -1)]));
    bench.expect(0, remote::DOMAIN_GET_STATE, |w| drop_(w.i32(4).i32(0)));
    let gone = bench.call(0);
    assert_eq!((gone.procedure, uuid_of(&gone)), (remote::DOMAIN_GET_STATE, [6; 16]));
    bench.refuse(0, &gone, 42);
    let told = bench.told();
    let list: serde_json::Value = serde_json::from_str(told[0].strip_prefix("call 5: ").unwrap()).unwrap();
    let states: Vec<_> = list.as_array().unwrap().iter().map(|d| (&d["name"], &d["id"], &d["state"])).collect();
    let expected =
        serde_json::json!([["a\"", 5, "running"], ["b", -1, "shutoff"], ["c", 7, "paused"], ["d", 8, "shutdown"]]);
    assert_eq!(serde_json::json!(states), expected);
    assert_eq!(list[0]["uuid"], "01010101-0101-0101-0101-010101010101");

    // Refused, given up, left.
    bench.host.list(1, 6).unwrap();
    let call = bench.call(0);
    bench.refuse(0, &call, 29);
    assert_eq!(bench.told(), ["call 6: Auth Answered"]);
    bench.host.list(1, 7).unwrap();
    let call = bench.call(0);
    assert_eq!(bench.host.forget(1, 7), Delivery::Unknown);
    bench.answer(0, &call, some(&[]));
    assert!(bench.told().is_empty() && bench.calls(0).is_empty());
    bench.host.list(1, 8).unwrap();
    bench.host.detach(1, Error::new(Code::Canceled, "x"), bench.now, &mut bench.told);
    assert_eq!(bench.told(), ["call 8: Canceled Unknown", "1 closed: Canceled x"]);
}

#[test]
fn what_nobody_waits_for_is_dropped() {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    bench.submit(1, 5);
    let call = bench.call(0);
    let other = |change: fn(&mut Call)| {
        let mut call = call.clone();
        change(&mut call);
        reply(&call, rpc::OK, done)
    };
    let mut version = reply(&call, rpc::OK, done);
    version[11] = 2;
    let mut stray = [
        other(|call| call.serial += 1),
        other(|call| call.procedure.program = rpc::REMOTE),
        other(|call| call.procedure.number = 7),
        version,
        message(Procedure { program: rpc::QEMU, number: 99 }, |w| drop_(w.u32(1))),
        event(12345, DEMO),
        lifecycle([9; 16], 5, 0),
    ];
    // A call, a stream packet, and one with a descriptor for a call that is not there.
    for kind in [rpc::CALL, 3, 6] {
        stray[0][16..20].copy_from_slice(&(kind as u32).to_be_bytes());
        bench.input(0, &stray[0]);
    }
    for bytes in &stray[1..] {
        bench.input(0, bytes);
    }
    assert!(bench.told().is_empty() && !bench.host.is_over());
    // The real one comes with a descriptor: its byte is skipped.
    let mut real = reply(&call, rpc::OK, |w| done(w.u32(1)));
    real[16..20].copy_from_slice(&(rpc::REPLY_WITH_FDS as u32).to_be_bytes());
    real.push(0);
    bench.input(0, &[real, event(101, DEMO)].concat());
    assert_eq!(bench.told(), [r#"call 5: {"return":{},"id":7}"#, "1 STOP"]);
}

/// Every answer and message cut at every length that is a packet: an error that ends the link, never a panic.
#[test]
fn what_is_cut_short_ends_the_link() {
    type Step = (&'static str, fn(&mut Bench) -> Vec<u8>);
    let steps: [Step; 6] = [
        ("look-up", |bench| {
            bench.attach(9, "other");
            let call = bench.call(0);
            reply(&call, rpc::OK, domain("other", [9; 16]))
        }),
        ("command", |bench| {
            bench.submit(1, 5);
            let call = bench.call(0);
            reply(&call, rpc::OK, done)
        }),
        ("error", |bench| {
            bench.submit(1, 5);
            let call = bench.call(0);
            reply(&call, rpc::ERROR, error(55))
        }),
        ("list", |bench| {
            bench.host.list(1, 5).unwrap();
            let call = bench.call(0);
            reply(&call, rpc::OK, |w| {
                domain("x", DEMO)(w.u32(1));
                w.u32(1);
            })
        }),
        ("event", |_| event(101, DEMO)),
        ("lifecycle", |_| lifecycle(DEMO, 5, 0)),
    ];
    for (name, step) in steps {
        let whole = step(&mut joined());
        for len in (rpc::HEADER..whole.len()).step_by(4) {
            // What follows the last member that is read may be missing or be anything.
            if name == "error" && len + 4 >= whole.len() {
                continue;
            }
            let mut bench = joined();
            let mut bytes = step(&mut bench);
            bytes.truncate(len);
            bytes[..4].copy_from_slice(&(len as u32).to_be_bytes());
            bench.input(0, &bytes);
            let told = bench.told();
            assert!(told.iter().any(|line| line.contains("closed: Protocol")), "{name} cut at {len}: {told:?}");
        }
        // Bytes behind what is known are of a later version.
        let mut bench = joined();
        let mut bytes = step(&mut bench);
        bytes.extend([1; 8]);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_be_bytes());
        bench.input(0, &bytes);
        assert!(!bench.host.is_over(), "{name}");
    }
}

fn joined() -> Bench {
    let mut bench = Bench::ready();
    bench.join(1, "demo", DEMO);
    bench
}

#[test]
fn a_lost_connection_answers_everything() {
    let mut bench = joined();
    bench.join(2, "two", [2; 16]);
    (0..3).for_each(|call| bench.submit(1, call));
    bench.host.list(2, 9).unwrap();
    bench.calls(0);
    bench.attach(3, "three");
    bench.host.lost(0, Error::new(Code::Disconnected, "gone"), &mut bench.told);
    let expected = [
        "call 0: Disconnected Unknown",
        "call 1: Disconnected NotSent",
        "call 2: Disconnected NotSent",
        "1 closed: Disconnected gone",
        "call 9: Disconnected Unknown",
        "2 closed: Disconnected gone",
        "3 closed: Disconnected gone",
    ];
    assert_eq!(bench.told(), expected);
    assert!(bench.host.is_over() && bench.host.deadline().is_none());
}

#[test]
fn requests_are_checked_before_anything_is_sent() {
    let mut bench = joined();
    let oob = Arc::new(Request::parse(br#"{"exec-oob":"migrate-pause"}"#, 1000).unwrap());
    assert_eq!(bench.host.submit(1, 5, &oob, false, None).unwrap_err().code(), Code::Unsupported);
    let mut long = b"{\"execute\":\"x\",\"arguments\":{\"a\":\"".to_vec();
    long.extend(std::iter::repeat_n(b'a', MAX_STRING));
    long.extend_from_slice(b"\"}}");
    let long = Arc::new(Request::parse(&long, usize::MAX).unwrap());
    assert_eq!(bench.host.submit(1, 5, &long, false, None).unwrap_err().code(), Code::Limit);
    assert_eq!(bench.host.submit(7, 5, &request(), false, None).unwrap_err().code(), Code::Disconnected);
    assert!(bench.calls(0).is_empty());
}
