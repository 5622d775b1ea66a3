//! The crate qapi as a client of the benchmark, by its blocking interface.
//!
//! qapi-client WORKLOAD SOCKET COUNT: prints one line of JSON as ../../bench.h does. Workloads: seq, pipe, events,
//! schema, large:BYTES, many:N.

use std::io::{BufReader, BufWriter};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use qapi::{Any, Command, Empty, Qmp, Stream, qmp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Client = Qmp<Stream<BufReader<UnixStream>, BufWriter<UnixStream>>>;
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const IN_FLIGHT: usize = 32;

/// What only the fake server knows.
#[derive(Serialize, Deserialize)]
struct Blob {
    size: usize,
}

impl Command for Blob {
    type Ok = Any;
    const NAME: &'static str = "x-bench-blob";
    const ALLOW_OOB: bool = false;
}

#[derive(Serialize, Deserialize)]
struct Flood {
    count: usize,
}

impl Command for Flood {
    type Ok = Empty;
    const NAME: &'static str = "x-bench-events";
    const ALLOW_OOB: bool = false;
}

/// What is measured from its making on.
struct Meter {
    begin: Instant,
    used: libc::rusage,
    latencies: Vec<f64>,
}

impl Meter {
    fn new() -> Meter {
        Meter { begin: Instant::now(), used: usage(), latencies: Vec::new() }
    }

    fn took(&mut self, begin: Instant) {
        self.latencies.push(begin.elapsed().as_secs_f64() * 1e6);
    }

    fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// CPU time so far, in seconds.
    fn cpu(&self) -> (f64, f64) {
        let now = usage();
        (between(self.used.ru_utime, now.ru_utime), between(self.used.ru_stime, now.ru_stime))
    }

    /// The figures of n operations.
    fn result(mut self, n: usize, more: Value) -> Value {
        let (seconds, (user, system), now) = (self.seconds(), self.cpu(), usage());
        let mut result = json!({
            "ok": true, "n": n, "secs": seconds, "rate": n as f64 / seconds, "utime": user, "stime": system,
            "csw": now.ru_nvcsw - self.used.ru_nvcsw, "rss_kb": proc("status", "VmRSS"),
            "peak_kb": proc("status", "VmHWM"),
        });
        self.latencies.sort_by(f64::total_cmp);
        if let Some(middle) = self.latencies.get(self.latencies.len() / 2) {
            result["p50_us"] = json!(middle);
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            result[name] = value.clone();
        }
        result
    }
}

fn usage() -> libc::rusage {
    // SAFETY: getrusage fills the structure, all of which may be zero.
    unsafe {
        let mut used = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut used);
        used
    }
}

fn between(from: libc::timeval, to: libc::timeval) -> f64 {
    (to.tv_sec - from.tv_sec) as f64 + (to.tv_usec - from.tv_usec) as f64 / 1e6
}

/// A number of /proc/self.
fn proc(file: &str, key: &str) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(-1)
}

/// Buffered both ways: without, qapi writes each few bytes of a command by a system call of their own.
fn connect(path: &str) -> Outcome<Client> {
    let stream = UnixStream::connect(path)?;
    let mut client = Qmp::new(Stream::new(BufReader::new(stream.try_clone()?), BufWriter::new(stream)));
    client.handshake()?;
    Ok(client)
}

fn sequential<C: Command>(path: &str, count: usize, command: &C) -> Outcome<Value> {
    let mut client = connect(path)?;
    let mut meter = Meter::new();
    for _ in 0..count {
        let begin = Instant::now();
        client.execute(command)?;
        meter.took(begin);
    }
    Ok(meter.result(count, json!({})))
}

fn pipelined(path: &str, count: usize) -> Outcome<Value> {
    let mut client = connect(path)?;
    let command = qmp::query_status {};
    let meter = Meter::new();
    let ahead = count.min(IN_FLIGHT);
    for _ in 0..ahead {
        client.write_command(&command)?;
    }
    for done in 0..count {
        client.read_response::<qmp::query_status>()?;
        if done + ahead < count {
            client.write_command(&command)?;
        }
    }
    Ok(meter.result(count, json!({})))
}

/// The answer to a command behind the events brings all of them into qapi's queue.
fn events(path: &str, count: usize) -> Outcome<Value> {
    let mut client = connect(path)?;
    let meter = Meter::new();
    client.execute(&Flood { count })?;
    client.execute(&qmp::query_status {})?;
    let received = client.events().filter(|event| matches!(event, qmp::Event::RTC_CHANGE { .. })).count();
    Ok(meter.result(count, json!({ "received": received, "lost": count - received })))
}

fn many(path: &str, n: usize, times: usize) -> Outcome<Value> {
    raise_files();
    let before = proc("smaps_rollup", "Pss");
    let meter = Meter::new();
    let mut clients = (0..n).map(|_| connect(path)).collect::<Outcome<Vec<_>>>()?;
    let (connected, (user, system)) = (meter.seconds(), meter.cpu());
    for _ in 0..times {
        for client in &mut clients {
            client.execute(&qmp::query_status {})?;
        }
    }
    let (user_after, system_after) = meter.cpu();
    let more = json!({
        "connect_s": connected, "query_s": meter.seconds() - connected,
        "connect_cpu_us": (user + system) * 1e6 / n as f64,
        "query_cpu_us": (user_after + system_after - user - system) * 1e6 / n as f64 / times as f64,
        "pss_per_mon": (proc("smaps_rollup", "Pss") - before) as f64 / n as f64,
    });
    Ok(meter.result(n, more))
}

fn raise_files() {
    // SAFETY: both calls are given a structure that lives through them.
    unsafe {
        let mut limit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

fn measure(workload: &str, path: &str, count: usize) -> Outcome<Value> {
    match workload.split_once(':') {
        None if workload == "seq" => sequential(path, count, &qmp::query_status {}),
        None if workload == "schema" => sequential(path, count, &qmp::query_qmp_schema {}),
        None if workload == "pipe" => pipelined(path, count),
        None if workload == "events" => events(path, count),
        Some(("large", size)) => sequential(path, count, &Blob { size: size.parse()? }),
        Some(("many", n)) => many(path, n.parse()?, count),
        _ => Err("unsupported workload".into()),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, workload, path, count, ..] = &words[..] else {
        eprintln!("usage: qapi-client WORKLOAD SOCKET COUNT");
        std::process::exit(2);
    };
    match measure(workload, path, count.parse().unwrap_or(0)) {
        Ok(result) => println!("{result}"),
        Err(why) => {
            println!("{}", json!({ "ok": false, "err": why.to_string() }));
            std::process::exit(1);
        }
    }
}
