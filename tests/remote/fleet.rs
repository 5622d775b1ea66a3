//! Many hosts at once, on one reactor: each costs its own time, and nobody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use qmp::error::{Code, Result};
use qmp::monitor::{Monitor, Reactor, Timeout};
use qmp::sys::text::Text;

use super::daemon::start_plain;

const SOON: Timeout = Timeout::Millis(20_000);
/// What a daemon takes for each answer.
const PAUSE: Duration = Duration::from_millis(60);
const HOSTS: usize = 20;
const EACH: usize = 10;

#[test]
fn two_hundred_monitors_of_twenty_hosts_connect_at_once() {
    let daemons: Vec<_> = (0..HOSTS).map(|i| start_plain(&format!("127.0.1.{}:0", i + 1), PAUSE)).collect();
    let reactor = Reactor::new().unwrap();
    let (answered, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    // A host that is not there tries until its deadline, and holds up nobody.
    let dead = Monitor::new(Some(&reactor), "qemu+tcp://127.0.1.250:1/system#x").unwrap();
    let counter = Arc::clone(&refused);
    let give_up = Box::new(move |_: &Arc<Monitor>, outcome: Result<()>| {
        assert_eq!(outcome.unwrap_err().code(), Code::Connect);
        counter.fetch_add(1, Ordering::Relaxed);
    });
    dead.connect_start(Timeout::Millis(200), give_up).unwrap();
    let begun = Instant::now();
    let mut monitors = Vec::new();
    for daemon in &daemons {
        for name in 0..EACH {
            let target = format!("qemu+tcp://{}/system#vm{name}", daemon.address);
            let monitor = Monitor::new(Some(&reactor), &target).unwrap();
            let answered = Arc::clone(&answered);
            let then = Box::new(move |monitor: &Arc<Monitor>, outcome: Result<()>| {
                outcome.unwrap();
                let count = Box::new(move |_: &Arc<Monitor>, reply: Result<Text<'_>>| {
                    reply.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                });
                monitor.start(br#"{"execute":"query-status"}"#, &[], SOON, count).unwrap();
            });
            monitor.connect_start(SOON, then).unwrap();
            monitors.push(monitor);
        }
    }
    while answered.load(Ordering::Relaxed) < (HOSTS * EACH) as u32 || refused.load(Ordering::Relaxed) == 0 {
        assert!(reactor.turn(SOON).unwrap() > 0, "no answer in time");
    }
    // Each host gives three answers for the link and three for each domain, one after the other: what one of them takes,
    // all of them take. One after the other they would take twenty times as long.
    let one = PAUSE * (3 + 3 * EACH as u32);
    assert!(begun.elapsed() < one * 4, "{:?} for what takes one host {one:?}", begun.elapsed());
    monitors.into_iter().for_each(Monitor::free);
    dead.free();
    reactor.release();
}
