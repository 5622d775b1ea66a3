//! The callback that is asked for credentials.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use qmp::error::Code;
use qmp::monitor::inside::in_callback;
use qmp::monitor::login::{CredentialsHandler, Given};
use qmp::monitor::{Monitor, Reactor};

use super::bed::{Bed, PASSWORD, USER};
use super::scenario::{SOON, turn_until};
use super::{log_in, refused};

/// Gives these, and counts how often it was asked.
fn gives(values: &'static [(&'static str, &'static str)]) -> (CredentialsHandler, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let handler = move |_: &Arc<Monitor>, given: &mut Given| {
        assert!(in_callback());
        asked.fetch_add(1, Ordering::Relaxed);
        values.iter().for_each(|(name, value)| given.set(name, value).unwrap());
        true
    };
    (Arc::new(handler), count)
}

fn asking(target: &str, handler: CredentialsHandler) -> Arc<Monitor> {
    let monitor = Monitor::new(None, target).unwrap();
    monitor.set_credentials(handler).unwrap();
    monitor
}

#[test]
fn it_is_asked_at_each_connect() {
    let Some(bed) = Bed::shared() else { return };
    let (handler, count) = gives(&[("username", USER), ("password", PASSWORD)]);
    let monitor = asking(&bed.unix(), handler);
    for round in 1..3 {
        monitor.connect(SOON).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), round);
        let (other, _) = gives(&[]);
        assert_eq!(monitor.set_credentials(other).unwrap_err().code(), Code::State);
        monitor.disconnect().unwrap();
    }
    // Whoever starts to connect is asked in his own thread as well, before the call returns.
    let done = Arc::new(Mutex::new(None));
    let note = Arc::clone(&done);
    monitor.connect_start(SOON, Box::new(move |_, outcome| *note.lock().unwrap() = Some(outcome))).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 3);
    turn_until(monitor.reactor(), "the connect", || done.lock().unwrap().is_some());
    done.lock().unwrap().take().unwrap().unwrap();
    monitor.free();
}

#[test]
fn options_come_first() {
    let Some(bed) = Bed::shared() else { return };
    let (handler, count) = gives(&[("username", USER), ("password", "wrong-pass-3")]);
    let monitor = super::monitor(None, &bed.unix(), USER, PASSWORD);
    monitor.set_credentials(handler).unwrap();
    log_in(monitor).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[test]
fn wrong_and_half_answers() {
    let Some(bed) = Bed::shared() else { return };
    let (handler, _) = gives(&[("username", USER), ("password", "wrong-pass-3")]);
    refused(asking(&bed.unix(), handler), "wrong-pass-3", &["SCRAM-SHA-256"]);
    const HALVES: [&[(&str, &str)]; 3] =
        [&[("username", USER)], &[("password", "wrong-pass-3")], &[("username", ""), ("password", "x")]];
    for half in HALVES {
        let error = log_in(asking(&bed.unix(), gives(half).0)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(!error.to_string().contains("wrong-pass-3"), "{error}");
    }
    // One that says nothing leaves it to the files.
    let target = format!("{}&authfile=/nowhere/auth.conf", bed.unix());
    refused(asking(&target, gives(&[]).0), "nothing", &["/nowhere/auth.conf"]);
    let error = log_in(asking(&bed.unix(), Arc::new(|_, _| false))).unwrap_err();
    assert_eq!(error.code(), Code::Canceled, "{error}");
}

/// The same answer, the same link; another answer, another.
#[test]
fn what_it_says_decides_what_is_shared() {
    let Some(bed) = Bed::own() else { return };
    bed.add_user("second", "second-pass");
    let reactor = Reactor::new().unwrap();
    let open = |values| {
        let monitor = Monitor::new(Some(&reactor), &bed.unix()).unwrap();
        monitor.set_credentials(gives(values).0).unwrap();
        monitor.connect(SOON).unwrap();
        monitor
    };
    let before = bed.daemon.clients();
    let first = open(&[("username", USER), ("password", PASSWORD)]);
    let same = open(&[("username", USER), ("password", PASSWORD)]);
    assert_eq!(bed.daemon.clients() - before, 1);
    let second = open(&[("username", "second"), ("password", "second-pass")]);
    assert_eq!(bed.daemon.clients() - before, 2);
    [first, same, second].into_iter().for_each(Monitor::free);
    reactor.release();
}
