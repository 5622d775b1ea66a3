//! What callers pass to qmp_monitor_run and qmp_monitor_execute: what is let through is one JSON object that QEMU reads
//! without complaint, and its form on the wire means what the caller wrote.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qmp::error::Code;
use qmp::proto::request::Request;
use serde_json::Value;

const LIMIT: usize = 1 << 16;

/// The request as it goes out, without the caller's id.
fn on_the_wire(request: &Request) -> Option<Value> {
    let mut text = request.body().to_vec();
    text.push(b'}');
    assert!(!text.contains(&b'\n') && !text.contains(&b'\r'), "a line end inside a request");
    read(&text)
}

/// `None`: nested more deeply than serde_json reads, or with a number that it has no room for. QEMU's limits are others.
fn read(text: &[u8]) -> Option<Value> {
    match serde_json::from_slice(text) {
        Ok(value) => Some(value),
        Err(why) => {
            let why = why.to_string();
            assert!(why.contains("recursion limit") || why.contains("number out of range"), "not JSON: {why}");
            None
        }
    }
}

fn check_parse(text: &[u8]) {
    let request = match Request::parse(text, LIMIT) {
        Ok(request) => request,
        Err(why) => {
            assert!(matches!(why.code(), Code::InvalidArgument | Code::Limit), "{why}");
            assert!(!why.to_string().is_empty());
            return;
        }
    };
    assert!(request.body().len() <= text.len(), "a request grew");
    let (Some(Value::Object(mut written)), Some(sent)) = (read(text), on_the_wire(&request)) else { return };
    let id = written.remove("id");
    assert_eq!(Value::Object(written.clone()), sent, "another request goes out");
    assert_eq!(id.is_some(), request.id().is_some());
    assert_eq!(id, request.id().and_then(read), "another id comes back");
    let key = if request.out_of_band() { "exec-oob" } else { "execute" };
    assert!(written.get(key).is_some_and(Value::is_string), "no command");
    // Checked once, it is good for ever.
    let mut again = request.body().to_vec();
    again.push(b'}');
    assert_eq!(Request::parse(&again, LIMIT).expect("a checked request").body(), request.body());
}

fn check_execute(command: &str, arguments: &[u8]) {
    let Ok(request) = Request::execute(command, Some(arguments), LIMIT) else { return };
    assert!(request.id().is_none() && !request.out_of_band());
    let Some(sent) = on_the_wire(&request) else { return };
    assert_eq!(sent["execute"], Value::from(command), "another command");
    assert_eq!(Some(&sent["arguments"]), read(arguments).as_ref(), "other arguments");
    assert_eq!(sent.as_object().map(serde_json::Map::len), Some(2), "the arguments became members of the request");
}

fuzz_target!(|data: &[u8]| {
    check_parse(data);
    // A command, a line end, its arguments.
    if let Some(at) = data.iter().position(|byte| *byte == b'\n') {
        if let Ok(command) = std::str::from_utf8(&data[..at]) {
            check_execute(command, &data[at + 1..]);
        }
    }
});
