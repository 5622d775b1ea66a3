//! The table that every driver has to pass: the same calls on a real machine, whatever the link goes over. Where an
//! answer must differ [`Link`] says so, and why.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use qmp::error::{Code, Delivery};
use qmp::monitor::stream::Events;
use qmp::monitor::{Monitor, Reactor, State, Timeout};
use qmp::sys::text::Text;
use serde_json::{Value, json};

pub const SOON: Timeout = Timeout::Millis(20_000);
const NOW: Timeout = Timeout::Millis(0);
const STATUS: &[u8] = br#"{"execute":"query-status"}"#;

/// What a link cannot do, and why.
#[derive(Clone, Copy)]
pub struct Link {
    /// Out-of-band execution: libvirt does not negotiate it with QEMU.
    pub oob: bool,
    /// Descriptors.
    pub fds: Descriptors,
}

/// How many descriptors go with one command. Each test program has links of its own kind.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// TCP carries none.
    None,
    /// libvirt's procedure takes one.
    One,
    /// QEMU's own socket takes them all.
    Many,
}

/// A machine that is not running, and how to reach it.
pub struct Machine<'a> {
    /// Makes a monitor that is not connected yet. The table has only one connected at a time: QEMU's own socket serves
    /// one client.
    pub monitor: &'a dyn Fn(Option<&Arc<Reactor>>) -> Arc<Monitor>,
    pub link: Link,
}

/// Everything, in this order; the machine is stopped before and after each part.
pub fn table(machine: &Machine<'_>) {
    status_and_greeting(machine);
    ids_of_every_kind(machine);
    errors(machine);
    large_and_foreign_texts(machine);
    events_in_order(machine);
    a_filter(machine);
    an_unread_stream(machine);
    callbacks(machine);
    running_inside_a_callback(machine);
    freeing_inside_a_callback(machine);
    forty_asynchronous_commands(machine);
    six_threads(machine);
    descriptors(machine);
    out_of_band(machine);
    a_second_link(machine);
}

pub fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(bytes)))
}

/// The next event that a command of the test's has caused: firmware that finds nothing to boot resets by itself.
pub fn next_event(events: &Events) -> Value {
    loop {
        let event = parsed(events.next(SOON).unwrap().as_bytes());
        if is_ours(&event) {
            return event;
        }
    }
}

/// Not the library's own, and not the guest's doing.
pub fn is_ours(event: &Value) -> bool {
    !event["event"].as_str().unwrap().starts_with("LIBQMP_") && event["data"]["guest"] != json!(true)
}

/// Turns until this is so.
pub fn turn_until(reactor: &Reactor, what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "waited too long: {what}");
        reactor.turn(Timeout::Millis(100)).unwrap();
    }
}

fn connected(machine: &Machine<'_>) -> Arc<Monitor> {
    let monitor = (machine.monitor)(None);
    monitor.connect(SOON).unwrap();
    monitor
}

fn execute(monitor: &Monitor, command: &str) -> Value {
    parsed(monitor.execute(command, None, SOON).unwrap().as_bytes())
}

fn status_and_greeting(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    assert_eq!(monitor.state(), State::New);
    let early = monitor.run(STATUS, &[], SOON).unwrap_err();
    assert_eq!((early.code(), early.delivery()), (Code::Disconnected, Delivery::NotSent));
    monitor.connect(SOON).unwrap();
    assert_eq!(monitor.state(), State::Connected);
    assert_eq!(monitor.connect(SOON).unwrap_err().code(), Code::State);
    assert!(monitor.supports("events") && !monitor.supports("flying"));
    assert!(parsed(monitor.greeting().unwrap().as_bytes())["QMP"]["version"]["qemu"]["major"].is_number());
    assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
    monitor.free();
}

fn ids_of_every_kind(machine: &Machine<'_>) {
    let monitor = connected(machine);
    let kinds = [
        "0",
        "-1",
        "1e3",
        "1.50",
        "123456789012345678901234567890",
        "null",
        "true",
        "\"\"",
        "\"\\u00e9\"",
        "\"é😀\"",
        "\"libvirt-1\"",
        "[1, {\"a\": \"}\"}]",
        "{}",
        "{\"id\": {\"id\": [ ]}}",
    ];
    for id in kinds {
        let request = format!("{{ \"id\" : {id} , \"execute\": \"query-status\" }}");
        let reply = monitor.run(request.as_bytes(), &[], SOON).unwrap();
        let text = String::from_utf8(reply.as_bytes().to_vec()).unwrap();
        // Blanks are the link's business, the id's own bytes are not.
        assert!(text.contains(&format!("\"id\": {id}")) || text.contains(&format!("\"id\":{id}")), "{text}");
        assert_eq!(parsed(reply.as_bytes())["return"]["running"], json!(false));
    }
    let reply = parsed(monitor.run(STATUS, &[], SOON).unwrap().as_bytes());
    assert!(reply.get("id").is_none(), "an id that nobody gave: {reply}");
    monitor.free();
}

/// Errors keep class, text and envelope; what is no command never gets to the machine.
fn errors(machine: &Machine<'_>) {
    let monitor = connected(machine);
    let error = monitor.run(br#"{"execute":"no-such-thing","id":[7]}"#, &[], SOON).unwrap_err();
    let detail = error.detail();
    assert_eq!((detail.code, detail.delivery), (Code::Command, Delivery::Answered));
    assert_eq!(detail.class.as_deref(), Some("CommandNotFound"));
    let reply = parsed(detail.reply.as_ref().unwrap());
    assert_eq!(reply["id"], json!([7]));
    assert_eq!(reply["error"]["desc"].as_str(), detail.desc.as_deref());
    assert!(error.to_string().contains("no-such-thing"), "{error}");
    let error = monitor.execute("no-such-thing", None, SOON).unwrap_err();
    assert!(parsed(error.detail().reply.as_ref().unwrap()).get("id").is_none(), "{error}");
    let error = monitor.execute("query-status", Some(br#"{"x":1}"#), SOON).unwrap_err();
    assert_eq!(error.detail().class.as_deref(), Some("GenericError"));
    let bad = [
        "",
        "query-status",
        "[]",
        "{}",
        r#"{"execute":1}"#,
        r#"{"execute":"query-status"} {}"#,
        r#"{"execute":"query-status""#,
        r#"{"execute":"a","exec-oob":"b"}"#,
        r#"{'execute':'query-status'}"#,
    ];
    for request in bad {
        let refused = monitor.run(request.as_bytes(), &[], SOON).unwrap_err();
        assert_eq!((refused.code(), refused.delivery()), (Code::InvalidArgument, Delivery::NotSent), "{request}");
    }
    let overdue = monitor.run(STATUS, &[], NOW).unwrap_err();
    assert_eq!((overdue.code(), overdue.delivery()), (Code::Timeout, Delivery::NotSent));
    assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
    monitor.free();
}

fn large_and_foreign_texts(machine: &Machine<'_>) {
    let monitor = connected(machine);
    let schema = monitor.execute("query-qmp-schema", None, SOON).unwrap();
    assert!(schema.as_bytes().len() > 100_000 && parsed(schema.as_bytes()).is_array());
    let info = monitor.execute("human-monitor-command", Some(br#"{"command-line":"info status"}"#), SOON).unwrap();
    let text = parsed(info.as_bytes());
    assert!(text.as_str().unwrap().contains("VM status") && text.as_str().unwrap().ends_with("\r\n"), "{text}");
    // There and back again, with what JSON has to escape.
    let name = "né \u{1f600} \"\\\u{7f}";
    let error = monitor.execute(name, None, SOON).unwrap_err();
    let expected = format!("The command {name} has not been found");
    assert_eq!(error.detail().desc.as_deref(), Some(expected.as_str()));
    assert_eq!(parsed(error.detail().reply.as_ref().unwrap())["error"]["desc"], json!(expected));
    monitor.free();
}

/// Each is a whole QMP event; `data` is there when QEMU sent some.
fn events_in_order(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    for command in ["cont", "stop", "system_reset"] {
        execute(&monitor, command);
    }
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
    for name in ["RESUME", "STOP", "RESET"] {
        let event = next_event(&events);
        assert_eq!(event["event"], json!(name));
        assert!(event["timestamp"]["seconds"].is_number() && event["timestamp"]["microseconds"].is_number());
        assert_eq!(event.get("data").is_some(), name == "RESET", "{event}");
    }
    assert_eq!(events.next(NOW).unwrap_err().code(), Code::Timeout);
    events.free();
    monitor.free();
}

fn a_filter(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    let (stops, exact) = (monitor.events(Some("STOP")).unwrap(), monitor.events(Some("STO")).unwrap());
    monitor.connect(SOON).unwrap();
    for command in ["cont", "stop", "cont", "stop"] {
        execute(&monitor, command);
    }
    for _ in 0..2 {
        assert_eq!(next_event(&stops)["event"], json!("STOP"));
    }
    assert_eq!(stops.next(NOW).unwrap_err().code(), Code::Timeout);
    // What the library itself tells passes every filter.
    assert_eq!(parsed(exact.next(NOW).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
    assert_eq!(exact.next(NOW).unwrap_err().code(), Code::Timeout);
    monitor.free();
}

/// A stream that nobody reads loses what does not fit, says how much, and holds up nobody.
fn an_unread_stream(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    monitor.set("max-events", "4").unwrap();
    let (unread, read) = (monitor.events(None).unwrap(), monitor.events(None).unwrap());
    monitor.connect(SOON).unwrap();
    for _ in 0..5 {
        for (command, event) in [("cont", "RESUME"), ("stop", "STOP")] {
            execute(&monitor, command);
            assert_eq!(next_event(&read)["event"], json!(event));
        }
    }
    let mut names = Vec::new();
    let lost = loop {
        let event = parsed(unread.next(SOON).unwrap().as_bytes());
        match event["event"].as_str().unwrap() {
            "LIBQMP_EVENTS_LOST" => break event["data"]["count"].as_u64().unwrap(),
            "LIBQMP_CONNECTED" => {}
            name => names.push(name.to_owned()),
        }
    };
    // More only where the guest has added some.
    assert!(names.len() <= 4 && names.len() as u64 + lost >= 10, "{names:?} and {lost} lost");
    names.retain(|name| name != "RESET");
    assert!(names.iter().zip(["RESUME", "STOP"].iter().cycle()).all(|(a, b)| a == b), "{names:?}");
    monitor.free();
}

fn callbacks(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let handler = Box::new(move |_: &Arc<Monitor>, name: Text<'_>, json: Text<'_>| {
        let name = String::from_utf8(name.as_bytes().to_vec()).unwrap();
        assert_eq!(parsed(json.as_bytes())["event"], json!(name));
        if name != "RESET" {
            note.lock().unwrap().push(name);
        }
    });
    let id = monitor.subscribe(None, handler).unwrap();
    monitor.connect(SOON).unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    for command in ["cont", "stop"] {
        let answered = Arc::clone(&answered);
        let done = Box::new(move |_: &Arc<Monitor>, reply: qmp::error::Result<Text<'_>>| {
            reply.unwrap();
            answered.fetch_add(1, Ordering::Relaxed);
        });
        monitor.start(format!("{{\"execute\":\"{command}\"}}").as_bytes(), &[], SOON, done).unwrap();
    }
    let all = || seen.lock().unwrap().len() == 3 && answered.load(Ordering::Relaxed) == 2;
    turn_until(monitor.reactor(), "two events and two answers", all);
    assert_eq!(*seen.lock().unwrap(), ["LIBQMP_CONNECTED", "RESUME", "STOP"]);
    monitor.unsubscribe(id).unwrap();
    execute(&monitor, "cont");
    execute(&monitor, "stop");
    monitor.reactor().turn(NOW).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3, "an event after unsubscribing");
    monitor.free();
}

fn running_inside_a_callback(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    let answers = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answers);
    let ask = Box::new(move |monitor: &Arc<Monitor>, _: Text<'_>, _: Text<'_>| {
        assert!(execute(monitor, "query-status")["running"].is_boolean());
        count.fetch_add(1, Ordering::Relaxed);
    });
    // Both names: the library's own events pass too, and it has told that the link is there by then.
    monitor.subscribe(Some("RESUME"), ask).unwrap();
    monitor.connect(SOON).unwrap();
    execute(&monitor, "cont");
    turn_until(monitor.reactor(), "LIBQMP_CONNECTED and RESUME", || answers.load(Ordering::Relaxed) == 2);
    execute(&monitor, "stop");
    monitor.free();
}

fn freeing_inside_a_callback(machine: &Machine<'_>) {
    // A reactor of the test's own: the monitor's would go with it.
    let reactor = Reactor::new().unwrap();
    let monitor = (machine.monitor)(Some(&reactor));
    monitor.connect(SOON).unwrap();
    let freed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&freed);
    let free = Box::new(move |monitor: &Arc<Monitor>, reply: qmp::error::Result<Text<'_>>| {
        reply.unwrap();
        Arc::clone(monitor).free();
        count.fetch_add(1, Ordering::Relaxed);
    });
    monitor.start(STATUS, &[], SOON, free).unwrap();
    turn_until(&reactor, "the callback that frees", || freed.load(Ordering::Relaxed) == 1);
    assert!(monitor.run(STATUS, &[], SOON).is_err(), "a freed monitor runs commands");
    drop(monitor);
    reactor.release();
}

/// Answered in the order in which they were started, each by its own answer.
fn forty_asynchronous_commands(machine: &Machine<'_>) {
    let monitor = connected(machine);
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..40 {
        let order = Arc::clone(&order);
        let done = Box::new(move |_: &Arc<Monitor>, reply: qmp::error::Result<Text<'_>>| {
            let reply = parsed(reply.unwrap().as_bytes());
            assert_eq!(reply["return"].is_array(), number % 4 == 0, "the answer to another command: {reply}");
            order.lock().unwrap().push(reply["id"].as_u64().unwrap());
        });
        let command = if number % 4 == 0 { "query-commands" } else { "query-status" };
        let request = format!("{{\"execute\":\"{command}\",\"id\":{number}}}");
        monitor.start(request.as_bytes(), &[], SOON, done).unwrap();
    }
    turn_until(monitor.reactor(), "forty answers", || order.lock().unwrap().len() == 40);
    assert_eq!(*order.lock().unwrap(), (0..40).collect::<Vec<_>>());
    monitor.free();
}

fn six_threads(machine: &Machine<'_>) {
    let monitor = connected(machine);
    thread::scope(|scope| {
        for thread in 0..6 {
            let monitor = &monitor;
            scope.spawn(move || {
                for number in 0..20 {
                    let id = json!([thread, number]);
                    let request = format!("{{\"execute\":\"query-status\",\"id\":{id}}}");
                    let reply = monitor.run(request.as_bytes(), &[], SOON).unwrap();
                    assert_eq!(parsed(reply.as_bytes())["id"], id, "the answer to another thread");
                }
            });
        }
    });
    monitor.free();
}

fn descriptors(machine: &Machine<'_>) {
    let monitor = connected(machine);
    let file = File::open("/dev/null").unwrap();
    let fds: [RawFd; 2] = [file.as_raw_fd(); 2];
    let request = br#"{"execute":"add-fd","arguments":{"fdset-id":7},"id":"f"}"#;
    assert_eq!(monitor.supports("fds"), machine.link.fds != Descriptors::None);
    let too_many = match machine.link.fds {
        Descriptors::None => 1,
        Descriptors::One => 2,
        Descriptors::Many => 3,
    };
    for count in 1..=2 {
        let outcome = monitor.run(request, &fds[..count], SOON);
        if count >= too_many {
            let refused = outcome.unwrap_err();
            assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
            continue;
        }
        assert_eq!(parsed(outcome.unwrap().as_bytes())["return"]["fdset-id"], json!(7));
        let sets = execute(&monitor, "query-fdsets");
        assert_eq!(sets[0]["fds"].as_array().unwrap().len(), count, "{sets}");
    }
    if machine.link.fds != Descriptors::None {
        monitor.execute("remove-fd", Some(br#"{"fdset-id":7}"#), SOON).unwrap();
        // Without one QEMU says that it misses it.
        assert_eq!(monitor.run(request, &[], SOON).unwrap_err().code(), Code::Command);
    }
    assert!(file.metadata().is_ok(), "the caller's own descriptor was closed");
    monitor.free();
}

fn out_of_band(machine: &Machine<'_>) {
    let monitor = connected(machine);
    assert_eq!(monitor.supports("oob"), machine.link.oob);
    let outcome = monitor.run(br#"{"exec-oob":"migrate-pause"}"#, &[], SOON).unwrap_err();
    if machine.link.oob {
        // Carried out; there is no migration to pause.
        assert_eq!((outcome.code(), outcome.delivery()), (Code::Command, Delivery::Answered));
    } else {
        assert_eq!((outcome.code(), outcome.delivery()), (Code::Unsupported, Delivery::NotSent));
    }
    monitor.free();
}

fn a_second_link(machine: &Machine<'_>) {
    let monitor = (machine.monitor)(None);
    let events = monitor.events(None).unwrap();
    for _ in 0..2 {
        monitor.connect(SOON).unwrap();
        assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
        execute(&monitor, "cont");
        assert_eq!(next_event(&events)["event"], json!("RESUME"));
        execute(&monitor, "stop");
        assert_eq!(next_event(&events)["event"], json!("STOP"));
        monitor.disconnect().unwrap();
        let gone = monitor.run(STATUS, &[], SOON).unwrap_err();
        assert_eq!((gone.code(), gone.delivery()), (Code::Disconnected, Delivery::NotSent));
        assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_DISCONNECTED"));
        assert_eq!(events.next(SOON).unwrap_err().code(), Code::Disconnected);
    }
    events.free();
    monitor.free();
}
