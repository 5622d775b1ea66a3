//! A libvirtd that lets in who has a name and a password, on every socket of its own.

use std::env;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use super::libvirtd::{Libvirtd, encode, environment, find, give, put};
use super::pki::{self, Authority, Folder, Kind};

pub const USER: &str = "fred";
pub const PASSWORD: &str = "fred-pass-1";

pub struct Bed {
    pub daemon: Arc<Libvirtd>,
    tls_port: u16,
    /// What a client needs for TLS.
    certificates: Folder,
}

impl Bed {
    /// The one that tests share while they run at the same time. `None`: something is not installed.
    pub fn shared() -> Option<Arc<Bed>> {
        static SHARED: Mutex<Weak<Bed>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bed) = shared.upgrade() {
            return Some(bed);
        }
        let bed = Arc::new(Bed::own()?);
        *shared = Arc::downgrade(&bed);
        Some(bed)
    }

    /// One of a test's own.
    pub fn own() -> Option<Bed> {
        if find("saslpasswd2").is_none() {
            assert!(env::var_os("CI").is_none(), "saslpasswd2 is not installed: run scripts/setup.sh test");
            println!("SKIPPED: saslpasswd2 is not installed: run scripts/setup.sh test");
            return None;
        }
        let authority = Authority::new("the tests' authority");
        let tls_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let certificates = Folder::with_client(&authority, &authority.issue(Kind::Client, &[]));
        let daemon = Libvirtd::prepared(|folder| prepare(folder, &authority, tls_port))?;
        Some(Bed { daemon, tls_port, certificates })
    }

    pub fn unix(&self) -> String {
        self.daemon.unix()
    }

    pub fn tcp(&self) -> String {
        self.daemon.tcp()
    }

    pub fn tls(&self) -> String {
        let folder = encode(self.certificates.path().to_str().unwrap());
        format!("qemu+tls://127.0.0.1:{}/session?pkipath={folder}", self.tls_port)
    }

    pub fn add_user(&self, name: &str, password: &str) {
        add_user(&self.daemon.path(""), name, password);
    }
}

/// Makes what the daemon needs, and what it is told.
fn prepare(folder: &Path, authority: &Authority, tls_port: u16) -> String {
    let database = folder.join("sasl/users.db");
    let conf = format!(
        "mech_list: scram-sha-256 scram-sha-1 plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\n",
        database.display()
    );
    put(folder, "sasl/libvirt.conf", &conf, 0o644);
    add_user(folder, USER, PASSWORD);
    // virsh logs in as well.
    put(folder, "config/libvirt/auth.conf", &auth_conf("default", USER, PASSWORD), 0o600);
    let server = authority.issue(Kind::Server, &["localhost", "127.0.0.1"]);
    let listening = pki::listening(folder, authority, &server, tls_port);
    format!("auth_unix_rw = \"sasl\"\nauth_tcp = \"sasl\"\nauth_tls = \"sasl\"\n{listening}")
}

/// What libvirt's clients read: these credentials for this host.
pub fn auth_conf(host: &str, user: &str, password: &str) -> String {
    format!(
        "# the tests'\n[credentials-x]\nauthname={user}\npassword={password}\n\n[auth-libvirt-{host}]\ncredentials=x\n"
    )
}

fn add_user(folder: &Path, name: &str, password: &str) {
    let database = folder.join("sasl/users.db");
    let mut child = Command::new(find("saslpasswd2").unwrap())
        .args(["-p", "-f"])
        .arg(&database)
        .args(["-a", "libvirt", "-c", name])
        .env_clear()
        .envs(environment(folder))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "saslpasswd2: {status}");
    give(&database);
}
