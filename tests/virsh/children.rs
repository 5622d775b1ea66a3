//! Processes that a monitor has started, known by the path of a virsh that is this test's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use super::libvirtd::{Libvirtd, until};

/// A virsh with a path of its own.
pub struct Program {
    pub path: String,
    /// The real virsh as a script finds it.
    inner: String,
    // Its folder is the daemon's, and goes with it.
    _daemon: Arc<Libvirtd>,
}

/// What a process was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Session,
    Single,
    Events,
}

/// A process of virsh's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub kind: Kind,
}

impl Program {
    /// The real virsh.
    pub fn real(daemon: &Arc<Libvirtd>, name: &str) -> Program {
        let path = place(daemon, name);
        symlink(real(), &path).unwrap();
        let path = path.to_str().unwrap().to_owned();
        Program { inner: path.clone(), path, _daemon: Arc::clone(daemon) }
    }

    /// A shell script in virsh's place. `$VIRSH` is the real one; `session`, `single` and `events` in `$KIND` say what it
    /// is started for.
    pub fn script(daemon: &Arc<Libvirtd>, name: &str, text: &str) -> Program {
        let path = place(daemon, name);
        let inner = place(daemon, &format!("{name}-inner"));
        symlink(real(), &inner).unwrap();
        let inner = inner.to_str().unwrap().to_owned();
        let head = format!(
            "#!/bin/sh\nVIRSH={inner}\ncase \"$#$4\" in\n3) KIND=session ;;\n*qemu-monitor-event) KIND=events ;;\n\
             *) KIND=single ;;\nesac\n"
        );
        fs::write(&path, format!("{head}{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Program { path: path.to_str().unwrap().to_owned(), inner, _daemon: Arc::clone(daemon) }
    }

    /// The processes of this virsh that there are, zombies left out.
    pub fn processes(&self) -> Vec<Process> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A zombie has no command line any more.
            let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
            let words: Vec<_> = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word)).collect();
            // A script is the second word, behind its interpreter.
            let Some(at) = words.iter().take(2).position(|word| *word == self.path || *word == self.inner) else {
                continue;
            };
            let words: Vec<_> = words[at..].iter().filter(|word| !word.is_empty()).collect();
            let kind = match words.get(4).map(|word| word.as_ref()) {
                None => Kind::Session,
                Some("qemu-monitor-event") => Kind::Events,
                Some(_) => Kind::Single,
            };
            found.push(Process { pid, kind });
        }
        found
    }

    /// The one process of this kind.
    pub fn the(&self, kind: Kind) -> i32 {
        let all = self.processes();
        let found: Vec<_> = all.iter().filter(|process| process.kind == kind).collect();
        assert_eq!(found.len(), 1, "processes for {kind:?} among {all:?}");
        found[0].pid
    }

    /// Waits for a process of this kind that is not this one.
    pub fn other(&self, kind: Kind, than: i32) -> i32 {
        let find = || self.processes().into_iter().find(|process| process.kind == kind && process.pid != than);
        until("another process", || find().is_some());
        find().unwrap().pid
    }

    /// Waits until there are none any more.
    pub fn gone(&self) {
        until("the end of all virshes", || self.processes().is_empty());
    }
}

fn place(daemon: &Libvirtd, name: &str) -> PathBuf {
    let folder = daemon.path(&format!("bin-{name}"));
    fs::create_dir(&folder).unwrap();
    folder.join("virsh")
}

fn real() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join("virsh")).find(|file| file.is_file()).unwrap()
}

pub fn signal(pid: i32, signal: i32) {
    // SAFETY: kill only takes two numbers.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "signal {signal} to {pid}: {}", std::io::Error::last_os_error());
}

/// Stops the process in its tracks, and waits until it stands.
pub fn freeze(pid: i32) {
    signal(pid, libc::SIGSTOP);
    until("a process that is stopped", || field(pid, 0).as_deref() == Some("T"));
}

/// A field of /proc/PID/stat behind the name: 0 is the state, 1 the parent, 2 the group, 3 the session, 4 the terminal.
pub fn field(pid: i32, number: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split(' ').nth(number).map(str::to_owned)
}

/// The children of this process that have ended and that nobody has waited for, of this name.
pub fn zombies(name: &str) -> usize {
    let me = std::process::id().to_string();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    let is_one = |pid: &i32| {
        let named = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
        named && field(*pid, 0).as_deref() == Some("Z") && field(*pid, 1).as_deref() == Some(&me)
    };
    pids.filter(is_one).count()
}

/// How many descriptors this process has open.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many threads this process has.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// The memory that this process has touched, in KiB.
pub fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
