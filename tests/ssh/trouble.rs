//! ssh's failures, told by ssh's own words.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;

use qmp::error::{Code, Delivery, Result};
use qmp::monitor::{Monitor, State, Timeout};
use qmp::sys::text::Text;
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd};
use super::scenario::{SOON, parsed};
use super::sshd::Sshd;
use super::{allowed, execute, open, socket_of};

#[test]
fn ssh_tells_why_it_failed() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    // Bound and not listened at: nobody else is given the port meanwhile.
    let closed = unlistened();
    let table = [
        (server.uri_by("ssh", "other_key", server.port(), ""), Code::Auth, "Permission denied (publickey)"),
        (
            server.uri_by("stranger", "user_key", server.port(), "&no_verify=0"),
            Code::Auth,
            "Host key verification failed",
        ),
        (server.uri_by("ssh", "user_key", closed.1, ""), Code::Connect, "Connection refused"),
        (server.uri("").replace("127.0.0.1", "no-such-host.invalid"), Code::Connect, "resolve"),
        (server.uri("&socket=/no/such/socket"), Code::Connect, "No such file"),
        (server.uri("&netcat=no-such-program&socket=/s"), Code::Connect, "not found"),
    ];
    for (target, code, words) in table {
        let monitor = allowed(None, &target);
        let error = monitor.connect(SOON).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("exit status"), "{error}");
        assert!(error.detail().desc.as_deref().is_some_and(|desc| desc.contains(words)), "{error}");
        assert_eq!(monitor.state(), State::Disconnected);
        monitor.free();
    }
}

/// A port that refuses, for as long as the socket is kept.
fn unlistened() -> (std::os::fd::OwnedFd, u16) {
    use std::os::fd::FromRawFd;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // SAFETY: a plain address of this length; the descriptor is new and nobody else's.
    unsafe {
        let socket =
            std::os::fd::OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0));
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as u16;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let len = size_of::<libc::sockaddr_in>() as u32;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        assert_eq!(libc::bind(fd, (&raw const address).cast(), len), 0, "port {port} is taken");
        (socket, port)
    }
}

#[test]
fn a_connection_that_breaks_is_told_and_can_be_made_again() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::running(&daemon, "broken");
    let monitor = allowed(None, &format!("{}#{}", server.uri(&socket_of(&daemon)), domain.name()));
    let events = monitor.events(None).unwrap();
    monitor.connect(SOON).unwrap();
    assert_eq!(parsed(events.next(SOON).unwrap().as_bytes())["event"], json!("LIBQMP_CONNECTED"));
    domain.freeze();
    let (sender, answer) = channel();
    let done = Box::new(move |_: &Arc<Monitor>, outcome: Result<Text<'_>>| sender.send(outcome.map(drop)).unwrap());
    monitor.start(br#"{"execute":"query-commands"}"#, &[], SOON, done).unwrap();
    // It is on the wire: the next one waits behind it.
    let behind = monitor.execute("query-status", None, Timeout::Millis(50)).unwrap_err();
    assert_eq!((behind.code(), behind.delivery()), (Code::Timeout, Delivery::NotSent), "{behind}");
    monitor.reactor().start().unwrap();
    server.kill_connections();
    let error = answer.recv().unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Disconnected, Delivery::Unknown), "{error}");
    assert!(error.to_string().contains("closed by remote host"), "{error}");
    domain.thaw();
    let last = parsed(events.next(SOON).unwrap().as_bytes());
    assert_eq!(last["event"], json!("LIBQMP_DISCONNECTED"), "{last}");
    assert!(last["data"]["reason"].as_str().unwrap().contains("closed by remote host"), "{last}");
    monitor.connect(SOON).unwrap();
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    monitor.free();
}

/// A monitor with other leave, another key or another path has a connection of its own.
#[test]
fn what_shapes_the_link_is_not_shared() {
    let Some(daemon) = Libvirtd::own() else { return };
    let Some(server) = Sshd::start(&daemon) else { return };
    let domain = Domain::running(&daemon, "shared");
    let target = format!("{}#{}", server.uri(&socket_of(&daemon)), domain.name());
    let first = open(&target);
    let same = allowed(Some(first.reactor()), &target);
    same.connect(SOON).unwrap();
    assert_eq!(daemon.clients(), 1);
    let without = Monitor::new(Some(first.reactor()), &target).unwrap();
    let error = without.connect(SOON).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!(daemon.clients(), 1);
    [first, same, without].into_iter().for_each(Monitor::free);
}
