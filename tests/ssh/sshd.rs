//! A private sshd on loopback, and an ssh that reads and writes nothing of the user's. Both have all that they need in one
//! folder, which a keeper process removes when the test lets go of it or dies.

// Each test program uses what it needs.
#![allow(dead_code)]

use std::env;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::libvirtd::{Libvirtd, encode, until};

/// Ends the server when its input ends.
const KEEPER: &str = r#"
"$@" &
read -r line
kill $! 2>/dev/null
wait
rm -rf "$FOLDER"
"#;

/// Who runs the private libvirtd when root runs the tests.
const NOBODY: u32 = 65534;

/// A running server.
pub struct Sshd {
    folder: PathBuf,
    port: u16,
    keeper: Child,
}

impl Sshd {
    /// A server; its virt-ssh-helper finds this daemon. `None`: what is needed is not installed.
    pub fn start(daemon: &Libvirtd) -> Option<Sshd> {
        for command in ["sshd", "ssh", "ssh-keygen", "nc", "virt-ssh-helper"] {
            if find(command).is_none() {
                assert!(env::var_os("CI").is_none(), "{command} is not installed: run scripts/setup.sh test");
                println!("SKIPPED: {command} is not installed: run scripts/setup.sh test");
                return None;
            }
        }
        let folder = folder("sshd");
        for key in ["host_key", "user_key", "other_key"] {
            let mut keygen = Command::new("ssh-keygen");
            let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)).status();
            assert!(made.unwrap().success());
        }
        fs::copy(folder.join("user_key.pub"), folder.join("authorized_keys")).unwrap();
        give_helper(&folder, daemon);
        // sshd wants it when it is root, and packages leave its making to the system's start.
        if is_root() && !Path::new("/run/sshd").exists() {
            fs::create_dir("/run/sshd").unwrap();
        }
        let (port, keeper) = launch(&folder);
        let server = Sshd { folder, port, keeper };
        let host = fs::read_to_string(server.folder.join("host_key.pub")).unwrap();
        fs::write(server.folder.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        server.client("ssh", "known_hosts");
        server.client("stranger", "no_hosts");
        Some(server)
    }

    /// Makes a program that is ssh with files of this folder alone.
    fn client(&self, name: &str, hosts: &str) {
        let text = format!(
            "exec ssh -F none -o UserKnownHostsFile={hosts} -o GlobalKnownHostsFile=/dev/null \
             -o IdentitiesOnly=yes -o IdentityAgent=none \"$@\"",
            hosts = self.folder.join(hosts).display()
        );
        script(&self.folder.join(name), &text);
    }

    /// A URI to the server's user, with these parameters besides key and program.
    pub fn uri(&self, parameters: &str) -> String {
        self.uri_by("ssh", "user_key", self.port, parameters)
    }

    /// The same with another of the programs, another key, another port.
    pub fn uri_by(&self, program: &str, key: &str, port: u16, parameters: &str) -> String {
        let at = |name: &str| encode(self.folder.join(name).to_str().unwrap());
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        format!(
            "qemu+ssh://{}@127.0.0.1:{port}/session?command={}&keyfile={}{parameters}",
            user.trim(),
            at(program),
            at(key)
        )
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills whoever serves a connection; the server itself goes on.
    pub fn kill_connections(&self) {
        let listener: u32 = fs::read_to_string(self.folder.join("pid")).unwrap().trim().parse().unwrap();
        let serving = descendants(listener);
        assert!(!serving.is_empty(), "nobody is connected");
        for process in serving {
            // SAFETY: kill only takes two numbers.
            unsafe { libc::kill(process as i32, libc::SIGKILL) };
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("sshd's log:\n{}", self.log());
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The real helper, as the user and in the surroundings of the private daemon.
fn give_helper(folder: &Path, daemon: &Libvirtd) {
    let helper = find("virt-ssh-helper").unwrap();
    let user =
        if is_root() { format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups") } else { String::new() };
    let run = daemon.path("run");
    fs::create_dir(folder.join("bin")).unwrap();
    let text = format!(
        "exec {user} env HOME=/nonexistent LIBVIRT_AUTOSTART=0 XDG_RUNTIME_DIR={} {} \"$@\"",
        run.display(),
        helper.display()
    );
    script(&folder.join("bin/virt-ssh-helper"), &text);
}

fn launch(folder: &Path) -> (u16, Child) {
    for _ in 0..10 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nUseDNS no\n\
             MaxStartups 1000\nPrintMotd no\nSetEnv PATH={}:/usr/sbin:/usr/bin:/sbin:/bin\n",
            at("host_key"),
            at("authorized_keys"),
            at("pid"),
            at("bin")
        );
        fs::write(folder.join("sshd_config"), settings).unwrap();
        // sshd starts itself anew for every connection, and wants to know where it lies.
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(find("sshd").unwrap())
            .args(["-D", "-E"])
            .arg(folder.join("log"))
            .arg("-f")
            .arg(folder.join("sshd_config"))
            .env("FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        let taken = || log().contains("Cannot bind");
        let greets = || {
            let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { return false };
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut head = [0; 4];
            socket.read_exact(&mut head).is_ok() && &head == b"SSH-"
        };
        until("sshd to listen", || taken() || greets() || !log().is_empty() && keeper_is_alone(keeper.id()));
        if greets() {
            return (port, keeper);
        }
        // Another program was given the port meanwhile: the next round finds another.
        assert!(taken(), "sshd does not start:\n{}", log());
        fs::remove_file(folder.join("log")).unwrap();
        keeper.kill().unwrap();
        keeper.wait().unwrap();
    }
    panic!("sshd finds no port");
}

/// Has what it keeps ended?
fn keeper_is_alone(keeper: u32) -> bool {
    children(keeper).is_empty()
}

/// Who it has started, and who they have: sshd serves an ordinary user by two processes, the second of which has the
/// connection.
fn descendants(process: u32) -> Vec<u32> {
    children(process).into_iter().flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

fn children(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    list.split_whitespace().flat_map(str::parse).collect()
}

/// A new folder of this test's.
pub fn folder(what: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("libqmp-{what}-{}-{number}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A program of these lines.
pub fn script(path: &Path, text: &str) {
    // Written by another process: a descriptor for writing that a fork of another thread inherits makes it busy.
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut writer = shell.spawn().unwrap();
    std::io::Write::write_all(&mut writer.stdin.take().unwrap(), format!("#!/bin/sh\n{text}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(daemons).map(|folder| folder.join(command)).find(|path| path.is_file())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
