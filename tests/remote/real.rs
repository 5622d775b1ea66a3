//! A real libvirtd that listens for TLS, with certificates of the tests' own: the table that every driver has to pass.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use qmp::error::Code;
use qmp::monitor::{Monitor, Reactor};

use super::libvirtd::{Domain, Libvirtd, encode};
use super::pki::{self, Authority, Folder, Kind};
use super::scenario::{self, Descriptors, Link, Machine, SOON};

#[test]
fn the_table_over_tls() {
    let authority = Authority::new("the tests' authority");
    let server = authority.issue(Kind::Server, &["localhost", "127.0.0.1"]);
    let client = Folder::with_client(&authority, &authority.issue(Kind::Client, &[]));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // It wants to see certificates of its own authority.
    let settings =
        |folder: &Path| format!("auth_tls = \"none\"\n{}", pki::listening(folder, &authority, &server, port));
    let Some(daemon) = Libvirtd::prepared(settings) else { return };
    let domain = Domain::paused(&daemon, "over-tls");
    let target = |folder: &Folder| {
        let folder = encode(folder.path().to_str().unwrap());
        format!("qemu+tls://127.0.0.1:{port}/session?pkipath={folder}#{}", domain.name())
    };
    let own = target(&client);
    let monitor = |reactor: Option<&Arc<Reactor>>| Monitor::new(reactor, &own).unwrap();
    scenario::table(&Machine { monitor: &monitor, link: Link { oob: false, fds: Descriptors::None } });

    // A real daemon does not let in who is of another authority.
    let other = Authority::new("another");
    let stranger = Folder::with_client(&authority, &other.issue(Kind::Client, &[]));
    let monitor = Monitor::new(None, &target(&stranger)).unwrap();
    let refused = monitor.connect(SOON).unwrap_err();
    assert!(refused.code() == Code::Auth && refused.to_string().contains("clientcert.pem"), "{refused}");
    monitor.free();
}
