//! A program of the user's between us and a real daemon.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use qmp::error::Code;
use qmp::monitor::{Monitor, Reactor, Timeout};
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd, encode, until};
use super::scenario::{SOON, parsed};
use super::sshd::{folder, script};
use super::{allowed, execute, table};

/// A program that leads to this daemon.
struct Way {
    folder: PathBuf,
}

impl Way {
    fn to(daemon: &Libvirtd) -> Option<Way> {
        if !std::path::Path::new("/bin/nc").exists() {
            assert!(std::env::var_os("CI").is_none(), "nc is not installed: run scripts/setup.sh test");
            println!("SKIPPED: nc is not installed: run scripts/setup.sh test");
            return None;
        }
        let folder = folder("ext");
        let text = format!("echo $# $$ >>{}/started\nexec nc -U {}", folder.display(), daemon.socket().display());
        script(&folder.join("a program"), &text);
        Some(Way { folder })
    }

    fn uri(&self) -> String {
        format!("qemu+ext:///session?command={}", encode(self.folder.join("a program").to_str().unwrap()))
    }

    /// The number of arguments and of the process of each that was started.
    fn started(&self) -> Vec<(u32, u32)> {
        let text = fs::read_to_string(self.folder.join("started")).unwrap_or_default();
        let number = |word: Option<&str>| word.unwrap().parse().unwrap();
        text.lines().map(|line| line.split(' ')).map(|mut w| (number(w.next()), number(w.next()))).collect()
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_table_through_a_program() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(way) = Way::to(&daemon) else { return };
    let domain = Domain::paused(&daemon, "table-ext");
    table(&domain, &way.uri());
    let started = way.started();
    assert!(started.iter().all(|(arguments, _)| *arguments == 0), "{started:?}");
    until("the end of the programs", || started.iter().all(|(_, pid)| !is_there(*pid)));
}

fn is_there(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

/// More QEMUs are stopped than a connection takes calls: further connections are further programs.
#[test]
fn stopped_qemus_hold_up_nobody_else() {
    const STOPPED: usize = 5;
    let Some(daemon) = Libvirtd::own() else { return };
    let Some(way) = Way::to(&daemon) else { return };
    let domains: Vec<_> = (0..=STOPPED).map(|i| Domain::running(&daemon, &format!("vm-{i}"))).collect();
    let reactor = Reactor::new().unwrap();
    let monitors: Vec<_> =
        domains.iter().map(|domain| allowed(Some(&reactor), &format!("{}#{}", way.uri(), domain.name()))).collect();
    monitors.iter().for_each(|monitor| monitor.connect(SOON).unwrap());
    assert_eq!(way.started().len(), 1);
    domains[..STOPPED].iter().for_each(Domain::freeze);
    for monitor in &monitors[..STOPPED] {
        let error = monitor.execute("query-status", None, Timeout::Millis(100)).unwrap_err();
        assert_eq!(error.code(), Code::Timeout, "{error}");
    }
    assert_eq!(execute(&monitors[STOPPED], "query-status")["running"], json!(true));
    let started = way.started();
    assert!(started.len() > 1, "{started:?}");
    domains[..STOPPED].iter().for_each(Domain::thaw);
    for monitor in &monitors {
        assert_eq!(execute(monitor, "query-status")["running"], json!(true));
    }
    monitors.into_iter().for_each(Monitor::free);
    reactor.release();
    until("the end of the programs", || started.iter().all(|(_, pid)| !is_there(*pid)));
}

/// A daemon behind a program that is stopped in its tracks answers no ping.
#[test]
fn a_dead_daemon_is_noticed() {
    let Some(daemon) = Libvirtd::own() else { return };
    let Some(way) = Way::to(&daemon) else { return };
    let domain = Domain::running(&daemon, "silent");
    let monitor = allowed(None, &format!("{}#{}", way.uri(), domain.name()));
    monitor.set("keepalive-interval", "100").unwrap();
    monitor.set("keepalive-count", "3").unwrap();
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
    daemon.freeze(true);
    let last = parsed(events.next(SOON).unwrap().as_bytes());
    daemon.freeze(false);
    assert_eq!(last["event"], json!("LIBQMP_DISCONNECTED"), "{last}");
    assert!(last["data"]["reason"].as_str().unwrap().contains("keepalive"), "{last}");
    monitor.free();
}

/// A killed daemon ends the program, and that the link.
#[test]
fn a_killed_daemon_ends_the_link() {
    let Some(daemon) = Libvirtd::own() else { return };
    let Some(way) = Way::to(&daemon) else { return };
    let domain = Domain::running(&daemon, "killed");
    let monitor: Arc<Monitor> = allowed(None, &format!("{}#{}", way.uri(), domain.name()));
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    daemon.kill();
    while parsed(events.next(SOON).unwrap().as_bytes())["event"] != json!("LIBQMP_DISCONNECTED") {}
    let error = monitor.execute("query-status", None, SOON).unwrap_err();
    assert_eq!(error.code(), Code::Disconnected, "{error}");
    daemon.restart();
    monitor.connect(SOON).unwrap();
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    monitor.free();
}
