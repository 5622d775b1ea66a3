//! A real libvirtd that listens for TLS, with certificates of the tests' own: the table that every driver has to pass.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use qmp::error::Code;
use qmp::monitor::{Monitor, Reactor};

use super::libvirtd::{Domain, Libvirtd, encode, give};
use super::pki::{Authority, Folder, Identity, Kind};
use super::scenario::{self, Descriptors, Link, Machine, SOON};

/// Makes what the daemon needs, and what it is told: it wants to see certificates of its own authority.
fn prepare(folder: &Path, authority: &Authority, server: &Identity, port: u16) -> String {
    let put = |name: &str, text: &str, mode: u32| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        give(&path);
        path.to_str().unwrap().to_owned()
    };
    let (ca, cert) = (put("tls/ca.pem", &authority.pem(), 0o644), put("tls/cert.pem", &server.certificate, 0o644));
    let key = put("tls/key.pem", &server.key, 0o600);
    format!(
        "auth_tls = \"none\"\nlisten_tls = 1\ntls_port = \"{port}\"\nca_file = \"{ca}\"\ncert_file = \"{cert}\"\n\
         key_file = \"{key}\"\n"
    )
}

#[test]
fn the_table_over_tls() {
    let authority = Authority::new("the tests' authority");
    let server = authority.issue(Kind::Server, &["localhost", "127.0.0.1"]);
    let client = Folder::with_client(&authority, &authority.issue(Kind::Client, &[]));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(daemon) = Libvirtd::prepared(|folder| prepare(folder, &authority, &server, port)) else { return };
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
