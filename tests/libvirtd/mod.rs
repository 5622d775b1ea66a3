//! A private libvirtd with real QEMU domains. Everything it has lies in one temporary folder: sockets, configuration,
//! state and logs; neither the machine's own libvirt nor the user's is touched. virsh only defines and starts.
//!
//! Root starts it as `nobody`, because a daemon that runs as root uses the system's folders. When it is dropped, or when
//! the test dies, a keeper process ends the daemon and every QEMU of this folder, and removes it.

// Each test program uses what it needs.
#![allow(dead_code)]

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

pub mod domain;
pub mod look_alikes;
mod orphans;

pub use domain::Domain;

/// The first start of a libvirt on a machine probes QEMU, which takes seconds, and on a busy machine more.
const START: Duration = Duration::from_secs(120);
/// How long virsh may take, in seconds.
const VIRSH: &str = "120";

/// Waits for the end of its input, which comes when the test lets go of it or dies. Then it ends what was started in this
/// folder, known by the folder in its command line, and removes the folder. It leaves alone what others look at the
/// folder with.
const KEEPER: &str = r#"
read -r line
round=0
while [ $round -lt 500 ]; do
    round=$((round + 1))
    found=
    for file in $(printf '%s/' "$FOLDER" | grep -lsaF -f - /proc/[0-9]*/cmdline); do
        process=${file%/cmdline}
        read -r name <"$process/comm" || continue
        case $name in
        libvirtd | virsh | qemu-*) kill -9 "${process#/proc/}" && found=yes ;;
        esac
    done 2>/dev/null
    [ -n "$found" ] || break
    sleep 0.02
done
rm -rf "$FOLDER"
"#;

/// A running daemon.
pub struct Libvirtd {
    folder: PathBuf,
    port: AtomicU16,
    process: Mutex<Child>,
    keeper: Child,
    /// For names of files and UUIDs.
    number: AtomicU32,
}

impl Libvirtd {
    /// The daemon that tests share while they run at the same time. `None`: libvirt is not installed.
    pub fn shared() -> Option<Arc<Libvirtd>> {
        static SHARED: Mutex<Weak<Libvirtd>> = Mutex::new(Weak::new());
        // A test that failed while it started one leaves nothing half made.
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(daemon) = shared.upgrade() {
            return Some(daemon);
        }
        let daemon = Libvirtd::own()?;
        *shared = Arc::downgrade(&daemon);
        Some(daemon)
    }

    /// A daemon of this test's own, for those that count, stop or kill.
    pub fn own() -> Option<Arc<Libvirtd>> {
        Libvirtd::prepared(|_| String::new())
    }

    /// The same with more in its configuration, which this puts together in the daemon's folder. virsh has to be able to
    /// connect without being told anything: it reads `config/libvirt` there.
    pub fn prepared(prepare: impl FnOnce(&Path) -> String) -> Option<Arc<Libvirtd>> {
        for command in ["libvirtd", "virsh", "qemu-system-x86_64"] {
            if find(command).is_none() {
                assert!(env::var_os("CI").is_none(), "{command} is not installed: run scripts/setup.sh test");
                println!("SKIPPED: {command} is not installed: run scripts/setup.sh test");
                return None;
            }
        }
        orphans::adopt();
        let folder = make_folder();
        fs::write(folder.join(MORE), prepare(&folder)).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let (process, port) = launch(&folder, None);
        let port = AtomicU16::new(port);
        let daemon = Libvirtd { folder, port, process: Mutex::new(process), keeper, number: AtomicU32::new(0) };
        daemon.await_ready();
        keep_capabilities(&daemon.folder);
        Some(Arc::new(daemon))
    }

    /// The path of its UNIX socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/libvirt/libvirt-sock")
    }

    /// The port of its TCP socket on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// A file name in its folder, which the daemon and its QEMUs may write to.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The hypervisor, over the UNIX socket.
    pub fn unix(&self) -> String {
        unix_target(&self.socket())
    }

    /// The hypervisor, over TCP.
    pub fn tcp(&self) -> String {
        format!("qemu+tcp://127.0.0.1:{}/session", self.port())
    }

    /// Domains of these names, shut off; they go with the daemon.
    pub fn define_many(&self, names: &[String]) {
        let files = names.iter().map(|name| domain::write_xml(self, name).file);
        let script: Vec<_> = files.map(|file| format!("define {}", file.display())).collect();
        // One word that is no option is a script to virsh.
        self.virsh(&[&script.join("; ")]);
    }

    /// Runs virsh and gives what it prints. It has to succeed.
    pub fn virsh(&self, args: &[&str]) -> String {
        self.try_virsh(args).unwrap_or_else(|why| panic!("virsh {args:?}: {why}\n{}", self.log()))
    }

    /// Kills the daemon at once. Its domains go on.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops the daemon in its tracks, or lets it go on.
    pub fn freeze(&self, on: bool) {
        let process = self.process.lock().unwrap();
        send_signal(process.id(), if on { libc::SIGSTOP } else { libc::SIGCONT });
    }

    /// Starts the daemon again, on the same sockets.
    pub fn restart(&self) {
        let (process, port) = launch(&self.folder, Some(self.port()));
        self.port.store(port, Ordering::Relaxed);
        *self.process.lock().unwrap() = process;
        self.await_ready();
    }

    /// How many clients are connected to the UNIX socket: the kernel lists the accepted ends by the listener's path.
    pub fn clients(&self) -> usize {
        const CONNECTED: &str = "03";
        let socket = self.socket();
        let table = fs::read_to_string("/proc/net/unix").unwrap();
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let ours = |f: &Vec<String>| f.len() == 8 && f[5] == CONNECTED && Path::new(&f[7]) == socket;
        table.lines().map(fields).filter(ours).count()
    }

    fn try_virsh(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("timeout")
            .args([VIRSH, "virsh", "-q", "-c", &self.unix()])
            .args(args)
            .env_clear()
            .envs(environment(&self.folder))
            .stdin(Stdio::null())
            .output()
            .map_err(|why| why.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn next_number(&self) -> u32 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until it answers.
    fn await_ready(&self) {
        let end = Instant::now() + START;
        let mut last = "it made no socket".to_owned();
        while Instant::now() < end {
            if let Some(status) = self.process.lock().unwrap().try_wait().unwrap() {
                panic!("libvirtd ended ({status}):\n{}", self.log());
            }
            if self.socket().exists() {
                match self.try_virsh(&["version"]) {
                    Ok(_) => return,
                    Err(why) => last = why,
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("libvirtd is not ready after {START:?}: {last}\n{}", self.log());
    }

    /// The end of what the daemon wrote.
    fn log(&self) -> String {
        let text = fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let mut end = String::from("the daemon's last words:\n");
        lines[lines.len().saturating_sub(40)..].iter().for_each(|line| writeln!(end, "    {line}").unwrap());
        end
    }
}

impl Drop for Libvirtd {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        if let Ok(mut process) = self.process.lock() {
            // The keeper has ended it; this is for the case that it could not.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The hypervisor behind this socket.
pub fn unix_target(socket: &Path) -> String {
    format!("qemu+unix:///session?socket={}", encode(socket.to_str().unwrap()))
}

/// Percent-encoded, but for what stands for itself everywhere.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

/// Waits until this is so, for what nobody tells.
pub fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "waited too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Signals a process that this test has started.
fn send_signal(pid: u32, signal: i32) {
    // SAFETY: kill only takes two numbers.
    let result = unsafe { libc::kill(pid as i32, signal) };
    assert_eq!(result, 0, "signal {signal} to {pid}: {}", io::Error::last_os_error());
}

/// Where a command lies; daemons lie where an ordinary user's PATH does not look.
pub fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(daemons).map(|folder| folder.join(command)).find(|path| path.is_file())
}

/// Nothing of the caller's environment but the way to the programs.
pub fn environment(folder: &Path) -> HashMap<&'static str, String> {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let path = env::var("PATH").unwrap_or_default();
    HashMap::from([
        ("PATH", format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin")),
        ("LC_ALL", "C".to_owned()),
        ("HOME", at("home")),
        ("TMPDIR", at("home")),
        ("XDG_RUNTIME_DIR", at("run")),
        ("XDG_CONFIG_HOME", at("config")),
        ("XDG_CACHE_HOME", at("cache")),
        ("XDG_DATA_HOME", at("data")),
        ("SASL_CONF_PATH", at("sasl")),
    ])
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Who the daemon runs as, when root starts it: `nobody`, as Debian numbers it.
const NOBODY: u32 = 65534;

/// Makes a folder, or a file, the daemon's.
pub fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Makes a file for the daemon, below its folder. Returns its path.
pub fn put(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    give(&path);
    path.to_str().unwrap().to_owned()
}

/// A folder that the daemon can reach, with a path that is short enough for sockets in it.
fn make_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let reachable = |folder: &Path| folder.ancestors().all(|f| fs::metadata(f).is_ok_and(|m| m.mode() & 0o001 != 0));
    let wished = env::temp_dir();
    let below = if wished.as_os_str().len() < 30 && reachable(&wished) { wished } else { PathBuf::from("/tmp") };
    let folder = below.join(format!("libqmp-lv-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    for name in ["", "run", "config", "config/libvirt", "cache", "data", "home"] {
        let made = folder.join(name);
        fs::create_dir(&made).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
        give(&made);
    }
    let qemu = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\nnamespaces = []\n";
    fs::write(folder.join("config/libvirt/qemu.conf"), qemu).unwrap();
    bring_capabilities(&folder);
    folder
}

/// All that there may be, from the beginning. libvirt 9.0 adds one only when there are exactly as many free ones as jobs
/// that wait (virThreadPoolSendJob subtracts without a sign): a burst of calls for stopped QEMUs stalls it for good.
const WORKERS: u32 = 20;

/// A file in the daemon's folder: lines that its configuration has besides.
const MORE: &str = "more.conf";

/// Starts the daemon, on this TCP port or on one that is free.
fn launch(folder: &Path, port: Option<u16>) -> (Child, u16) {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = port.unwrap_or_else(free);
    let settings = format!(
        "listen_tcp = 1\nlisten_tls = 0\ntcp_port = \"{port}\"\nlisten_addr = \"127.0.0.1\"\nauth_tcp = \"none\"\n\
         log_outputs = \"3:stderr\"\nmin_workers = {WORKERS}\nmax_workers = {WORKERS}\n"
    );
    // What is more may say another thing of the same.
    let more = fs::read_to_string(folder.join(MORE)).unwrap();
    let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut lines: Vec<_> =
        settings.lines().filter(|line| !more.lines().any(|other| key(other) == key(line))).collect();
    lines.extend(more.lines());
    let settings = lines.join("\n") + "\n";
    let conf = folder.join("libvirtd.conf");
    fs::write(&conf, settings).unwrap();
    let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
        command.arg("libvirtd");
        command
    } else {
        Command::new(find("libvirtd").unwrap())
    };
    command.args(["--listen", "-f"]).arg(conf).env_clear().envs(environment(folder)).current_dir(folder);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    (command.spawn().unwrap_or_else(|why| panic!("libvirtd cannot be started: {why}")), port)
}

/// What libvirt found out about QEMU, kept beside the build: probing takes seconds. libvirt itself looks whether it still
/// fits (versions, times of the files, the processor), and probes again if not.
fn kept_capabilities() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("libvirt-capabilities")
}

const CAPABILITIES: &str = "libvirt/qemu/cache/capabilities";

fn bring_capabilities(folder: &Path) {
    let Ok(kept) = fs::read_dir(kept_capabilities()) else { return };
    let mut at = folder.join("cache");
    for part in Path::new(CAPABILITIES) {
        at.push(part);
        fs::create_dir_all(&at).unwrap();
        give(&at);
    }
    for file in kept.flatten().filter(|file| file.file_name().to_string_lossy().ends_with(".xml")) {
        let copy = at.join(file.file_name());
        fs::copy(file.path(), &copy).unwrap();
        give(&copy);
    }
}

fn keep_capabilities(folder: &Path) {
    let Ok(found) = fs::read_dir(folder.join("cache").join(CAPABILITIES)) else { return };
    let kept = kept_capabilities();
    fs::create_dir_all(&kept).unwrap();
    for file in found.flatten() {
        let (place, mut text) = (kept.join(file.file_name()), Vec::new());
        fs::File::open(file.path()).unwrap().read_to_end(&mut text).unwrap();
        if fs::read(&place).is_ok_and(|old| old == text) {
            continue;
        }
        // Others may be reading: it appears whole or not at all.
        let part = kept.join(format!("part-{}", folder.file_name().unwrap().to_str().unwrap()));
        fs::write(&part, text).unwrap();
        fs::rename(&part, &place).unwrap();
    }
}
