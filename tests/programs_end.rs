//! Connections through programs leave nothing behind: no process, no descriptor. It counts those of the whole test
//! program, so it is the only test in it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use libvirtd::{Domain, Libvirtd, encode, until};
use qmp::error::Code;
use qmp::monitor::{Monitor, Timeout};
use sshd::{Sshd, folder, script};

#[path = "libvirtd/mod.rs"]
mod libvirtd;
#[path = "ssh/sshd.rs"]
mod sshd;

const SOON: Timeout = Timeout::Millis(20_000);
const ROUNDS: usize = 100;
/// A login costs far more than a program.
const LOGINS: usize = 10;

#[test]
fn a_hundred_connections_leave_nothing_behind() {
    let Some(daemon) = Libvirtd::own() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::running(&daemon, "often");
    let folder = Folder(folder("end"));
    let at = |name: &str| folder.0.join(name);
    script(&at("good"), &format!("exec nc -U {}", daemon.socket().display()));
    script(&at("bad"), "echo no >&2; exit 1");
    let ext = |name: &str| {
        let program = encode(at(name).to_str().unwrap());
        format!("qemu+ext:///session?command={program}#{}", domain.name())
    };
    let ssh = server.uri(&format!("&socket={}#{}", encode(daemon.socket().to_str().unwrap()), domain.name()));
    // What is made once and kept is there after the first.
    round(&ext("good"), 0);
    let before = descriptors();
    for number in 0..ROUNDS {
        round(&ext("good"), number);
        let monitor = monitor(&ext("bad"));
        assert_eq!(monitor.connect(SOON).unwrap_err().code(), Code::Connect);
        monitor.free();
    }
    // Dead QEMUs are the test bed's to bury.
    let left: Vec<_> = dead_children().into_iter().filter(|name| !name.starts_with("qemu")).collect();
    assert!(left.is_empty(), "{left:?}");
    (0..LOGINS).for_each(|number| round(&ssh, number));
    until("the end of the connections", || daemon.clients() == 0);
    // The test bed adopts orphans: what sshd had started may be among these.
    let left: Vec<_> = dead_children().into_iter().filter(|name| name == "ssh").collect();
    assert!(left.is_empty(), "{left:?}");
    // Others of this process look at files now and then.
    until("the same descriptors as before", || descriptors() == before);
}

/// Removed with everything in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn monitor(target: &str) -> Arc<Monitor> {
    let monitor = Monitor::new(None, target).unwrap();
    monitor.set("allow-programs", "on").unwrap();
    monitor
}

/// Connects, asks, and goes: with a leave that nobody waits for, without one, or in the middle of it all.
fn round(target: &str, number: usize) {
    let monitor = monitor(target);
    if number % 3 == 2 {
        let error = monitor.connect(Timeout::Millis(1)).err();
        assert!(error.is_none_or(|error| error.code() == Code::Timeout));
        return monitor.free();
    }
    monitor.connect(SOON).unwrap();
    monitor.execute("query-status", None, SOON).unwrap();
    if number % 3 == 1 {
        monitor.disconnect().unwrap();
    }
    monitor.free();
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The names of children that nobody has buried.
fn dead_children() -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        let (Some((_, name)), Some((_, rest))) = (stat.split_once('('), stat.rsplit_once(") ")) else { continue };
        let mut fields = rest.split(' ');
        if fields.next() == Some("Z") && fields.next() == Some(&own) {
            found.push(name.rsplit_once(')').unwrap().0.to_owned());
        }
    }
    found
}
