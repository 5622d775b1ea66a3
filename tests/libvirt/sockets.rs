//! Sockets where nobody is, or somebody else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use qmp::error::Code;
use qmp::monitor::{Monitor, State, Timeout};
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd, unix_target};
use super::scenario::SOON;
use super::{execute, open, proxy, uuid_of};

const SHORTLY: Timeout = Timeout::Millis(300);

fn assert_fails(target: &str, timeout: Timeout, code: Code, errno: i32) -> String {
    let monitor = Monitor::new(None, target).unwrap();
    let error = monitor.connect(timeout).unwrap_err();
    assert_eq!((error.code(), error.detail().errno), (code, errno), "{error}");
    assert_eq!(monitor.state(), State::Disconnected);
    monitor.free();
    error.to_string()
}

#[test]
fn nobody_is_there() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let absent = daemon.path("absent");
    let text = assert_fails(&unix_target(&absent), SHORTLY, Code::Connect, libc::ENOENT);
    assert!(text.contains(absent.to_str().unwrap()), "{text}");
    let refused = daemon.path("refused");
    drop(UnixListener::bind(&refused).unwrap());
    assert_fails(&unix_target(&refused), SHORTLY, Code::Connect, libc::ECONNREFUSED);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp = format!("qemu+tcp://127.0.0.1:{port}/session#x");
    assert_fails(&tcp, SHORTLY, Code::Connect, libc::ECONNREFUSED);
}

/// QEMU's own monitor greets with what would be a packet of two thousand million bytes.
#[test]
fn a_qmp_socket_is_no_libvirtd() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "no-libvirtd");
    let path = domain.second().strip_prefix("unix:").unwrap().to_owned();
    let text = assert_fails(&unix_target(path.as_ref()), SOON, Code::Protocol, 0);
    assert!(text.contains(&0x7b22_514d_u32.to_string()) || text.contains("length"), "{text}");
}

#[test]
fn other_servers_are_no_libvirtd() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let answers: [(&str, &[u8], Code); 2] = [
        ("web", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Code::Protocol),
        ("closes", b"", Code::Disconnected),
    ];
    for (name, answer, code) in answers {
        let path = daemon.path(name);
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1000]).unwrap();
            client.write_all(answer).unwrap();
        });
        assert_fails(&unix_target(&path), SOON, code, 0);
        server.join().unwrap();
    }
}

#[test]
fn a_read_only_connection_is_refused() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "read-only");
    let path = daemon.path("read-only");
    proxy::read_only(&path, &daemon.socket());
    let monitor = Monitor::new(None, &format!("{}#{}", unix_target(&path), domain.name())).unwrap();
    let error = monitor.connect(SOON).unwrap_err();
    assert_eq!((error.code(), error.detail().libvirt), (Code::Auth, 29), "{error}");
    assert!(error.detail().desc.as_deref().is_some_and(|text| text.contains("read only")), "{error}");
    monitor.free();
}

/// Somebody else has connected, and hands the socket over.
#[test]
fn a_connected_socket_is_taken_over() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "handed-over");
    let socket = UnixStream::connect(daemon.socket()).unwrap();
    let monitor = Monitor::new(None, &domain.unix()).unwrap();
    monitor.set("socket-fd", &socket.as_raw_fd().to_string()).unwrap();
    drop(socket);
    monitor.connect(SOON).unwrap();
    assert_eq!(uuid_of(&monitor), domain.uuid());
    assert!(monitor.supports("fds"));
    // It is this monitor's alone, though its target is the same.
    let other = Monitor::new(Some(monitor.reactor()), &domain.unix()).unwrap();
    other.connect(SOON).unwrap();
    monitor.disconnect().unwrap();
    assert_eq!(execute(&other, "query-status")["running"], json!(true));
    let again = monitor.connect(SOON).unwrap_err();
    assert_eq!(again.code(), Code::Unsupported, "{again}");
    other.free();
    monitor.free();
}

#[test]
fn what_is_no_connected_socket_is_refused() {
    let monitor = Monitor::new(None, "qemu+unix:///session?socket=/nowhere#x").unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for value in ["", "x", "-1", "1.5", "99999999999", &file.as_raw_fd().to_string()] {
        let error = monitor.set("socket-fd", value).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{value:?}: {error}");
    }
    for (name, value) in
        [("keepalive-interval", "-1"), ("keepalive-count", "x"), ("max-links", "0"), ("max-links", "9")]
    {
        let error = monitor.set(name, value).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{name}={value}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for (name, value) in [("keepalive-interval", "0"), ("keepalive-count", "5"), ("max-links", "1"), ("max-links", "8")]
    {
        monitor.set(name, value).unwrap();
    }
    monitor.free();
}

/// The daemon comes up while a monitor tries.
#[test]
fn connecting_waits_for_the_daemon() {
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "patient");
    daemon.kill();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| open(&domain.unix()));
        daemon.restart();
        let monitor = connecting.join().unwrap();
        assert_eq!(uuid_of(&monitor), domain.uuid());
        monitor.free();
    });
}
