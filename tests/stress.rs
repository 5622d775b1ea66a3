//! Everything at once, for a short while: threads that open, ask, start, cancel, subscribe, disconnect and free on one
//! reactor and on reactors of their own. What is counted must come out even; every reply must be its caller's.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use qmp::error::{Code, Result};
use qmp::monitor::{Monitor, Reactor, Timeout};
use qmp::sys::text::Text;
use serde_json::Value;

const SOON: Timeout = Timeout::Millis(30_000);
const WHILE: Duration = Duration::from_millis(1500);
const THREADS: usize = 6;

/// Answers any number of clients until they leave; every tenth command is preceded by an event.
fn serve(listener: UnixListener) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        thread::spawn(move || converse(stream));
    }
}

fn converse(stream: UnixStream) {
    let Ok(mut out) = stream.try_clone() else { return };
    let greeting = "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 1}}, \"capabilities\": [\"oob\"]}}\r\n";
    if out.write_all(greeting.as_bytes()).is_err() {
        return;
    }
    for (n, line) in BufReader::new(stream).lines().enumerate() {
        let Ok(line) = line else { return };
        let request: Value = serde_json::from_str(&line).unwrap();
        let value = match request["execute"].as_str() {
            Some("large") => format!("{{\"x\": \"{}\"}}", "y".repeat(100_000)),
            _ => format!("{{\"echo\": {}}}", request["arguments"]),
        };
        let mut text = String::new();
        if n % 10 == 9 {
            text += "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"TICK\"}\r\n";
        }
        text += &format!("{{\"return\": {value}, \"id\": {}}}\r\n", request["id"]);
        if out.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// What happened in all threads.
#[derive(Default)]
struct Counts {
    started: AtomicUsize,
    answered: AtomicUsize,
    handlers: AtomicUsize,
    dropped: AtomicUsize,
    ran: AtomicUsize,
}

/// Counts when a handler is dropped.
struct Held(Arc<Counts>);

impl Held {
    fn new(counts: &Arc<Counts>) -> Held {
        counts.handlers.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(counts))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn random(seed: &mut u64, n: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % n
}

/// One monitor's life.
fn live(monitor: Arc<Monitor>, seed: &mut u64, counts: &Arc<Counts>) {
    let held = Held::new(counts);
    let ask = Box::new(move |monitor: &Arc<Monitor>, _: qmp::sys::text::Text<'_>, _: qmp::sys::text::Text<'_>| {
        let _held = &held;
        // A callback may run commands of its own monitor; the link may be gone by then.
        let _ = monitor.execute("x", None, SOON);
    });
    monitor.subscribe(Some("TICK"), ask).unwrap();
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    for _ in 0..20 {
        match random(seed, 6) {
            0 | 1 => {
                let number = random(seed, 1_000_000);
                let value = monitor.execute("x", Some(format!("{{\"n\":{number}}}").as_bytes()), SOON).unwrap();
                let value: Value = serde_json::from_slice(value.as_bytes()).unwrap();
                assert_eq!(value["echo"]["n"], number, "the answer to another request");
                counts.ran.fetch_add(1, Ordering::Relaxed);
            }
            2 => assert!(monitor.execute("large", None, SOON).unwrap().as_bytes().len() > 100_000),
            3 => {
                let (held, timeout) = (Held::new(counts), if random(seed, 3) == 0 { 1 } else { 30_000 });
                let done = Box::new(move |_: &Arc<Monitor>, _: Result<Text<'_>>| {
                    held.0.answered.fetch_add(1, Ordering::Relaxed);
                });
                counts.started.fetch_add(1, Ordering::Relaxed);
                let id = monitor.start(br#"{"execute":"x"}"#, &[], Timeout::Millis(timeout), done).unwrap();
                if random(seed, 3) == 0 {
                    let _ = monitor.cancel(id);
                }
            }
            4 => {
                let code = events.next(Timeout::Millis(random(seed, 3) as u32)).err().map(|why| why.code());
                assert!(matches!(code, None | Some(Code::Timeout)), "{code:?}");
            }
            _ if random(seed, 5) == 0 => {
                monitor.disconnect().unwrap();
                monitor.connect(SOON).unwrap();
            }
            _ => {}
        }
    }
    if random(seed, 2) == 0 {
        events.free();
        monitor.free();
    } else {
        monitor.free();
        events.free();
    }
}

#[test]
fn everything_at_once() {
    let path = std::env::temp_dir().join(format!("libqmp-stress-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || serve(listener));
    for with_thread in [true, false] {
        let counts = Arc::new(Counts::default());
        let reactor = Reactor::new().unwrap();
        if with_thread {
            reactor.start().unwrap();
        }
        let end = Instant::now() + WHILE;
        let turner = (!with_thread).then(|| {
            let reactor = Arc::clone(&reactor);
            thread::spawn(move || {
                while Instant::now() < end {
                    reactor.turn(Timeout::Millis(20)).unwrap();
                }
            })
        });
        let threads: Vec<_> = (1..=THREADS)
            .map(|n| {
                let (reactor, counts) = (Arc::clone(&reactor), Arc::clone(&counts));
                let target = format!("unix:{}", path.display());
                thread::spawn(move || {
                    let mut seed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    while Instant::now() < end {
                        let shared = (random(&mut seed, 4) > 0).then_some(&reactor);
                        live(Monitor::new(shared, &target).unwrap(), &mut seed, &counts);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        turner.into_iter().for_each(|thread| thread.join().unwrap());
        reactor.release();
        let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        assert!(get(&counts.ran) > 100, "hardly anything happened");
        assert_eq!(get(&counts.started), get(&counts.answered), "callbacks of requests");
        assert_eq!(get(&counts.handlers), get(&counts.dropped), "handlers dropped");
    }
    std::fs::remove_file(&path).unwrap();
}
