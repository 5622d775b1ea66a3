//! Child processes that end with their owner, and are reaped by their own descriptor alone.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{check, owned, wait_readable};

/// So long a killed process has to go: it takes a moment, unless the kernel holds it.
const LONGEST_END: Duration = Duration::from_secs(1);
/// So long a process that has closed its output has to end by itself: the one follows the other at once.
const GRACE: Duration = Duration::from_millis(50);

/// Processes that did not end when they were killed, another user's for example. They are reaped when they are done, by
/// whoever starts or ends one later.
static STRAGGLERS: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

/// A running child in a session of its own, without a terminal. Dropping it kills its group and reaps the child.
#[derive(Debug)]
pub struct Process {
    handle: Handle,
    ended: Option<Ended>,
}

/// A child that is not known to have ended.
#[derive(Debug)]
struct Handle {
    pid: libc::pid_t,
    /// `None`: the kernel has none to give (before Linux 5.3, or under valgrind).
    pidfd: Option<OwnedFd>,
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows: the application has reaped it, or ignores SIGCHLD.
    Unknown,
}

/// What a child has for its standard input, output and error.
#[derive(Debug)]
pub struct Streams {
    /// `None`: nothing to read.
    pub input: Option<OwnedFd>,
    /// Where it writes.
    pub output: OwnedFd,
    /// Where it complains.
    pub errors: OwnedFd,
}

impl Process {
    /// Starts the program. It inherits `kept` under their own numbers, and no other descriptor. It cannot ask at the
    /// terminal that the application may have, and no key pressed there reaches it.
    pub fn start(command: &mut Command, streams: Streams, kept: &[OwnedFd]) -> io::Result<Process> {
        bury_stragglers();
        command.stdin(streams.input.map_or_else(Stdio::null, Stdio::from));
        command.stdout(streams.output).stderr(streams.errors);
        let kept: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
        let prepare = move || {
            detach();
            kept.iter().try_for_each(|fd| keep_over_exec(*fd))
        };
        // SAFETY: between fork and exec it makes system calls alone, without an allocation.
        unsafe { command.pre_exec(prepare) };
        let mut child = command.spawn()?;
        let pid = child.id() as libc::pid_t;
        match open_pidfd(pid) {
            Ok(pidfd) => Ok(Process { handle: Handle { pid, pidfd }, ended: None }),
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(why)
            }
        }
    }

    /// Readable once the process has ended. `None`: the end of its output has to tell.
    pub fn end_fd(&self) -> Option<&OwnedFd> {
        self.handle.pidfd.as_ref()
    }

    /// How it has ended, if it has. What it left behind in its group is killed.
    pub fn ended(&mut self) -> Option<Ended> {
        if self.ended.is_none() {
            self.ended = self.handle.reap();
        }
        self.ended
    }

    /// Does its first thread sleep until it can read something? `false` also where that cannot be seen.
    pub fn sleeps_in_read(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.handle.pid)).unwrap_or_default();
        call.split(' ').next().and_then(|number| number.parse().ok()) == Some(libc::SYS_read)
    }

    /// Ends it, if it does not do so by itself at once, and tells how.
    pub fn end(&mut self) -> Ended {
        if !self.ends_within(GRACE) {
            self.kill();
        }
        self.ended.unwrap_or(Ended::Unknown)
    }

    fn kill(&mut self) {
        // What may not be killed (it may have become another user's) ends when its input does, or with its next word.
        let patience = if self.handle.kill_group() { LONGEST_END } else { Duration::ZERO };
        self.ends_within(patience);
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.ended().is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.handle.wait_a_while(left);
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
        if self.ended.is_none() {
            stragglers().push(Handle { pid: self.handle.pid, pidfd: self.handle.pidfd.take() });
        }
        bury_stragglers();
    }
}

impl Handle {
    /// Reaps the process if it has ended.
    fn reap(&self) -> Option<Ended> {
        match self.wait(libc::WNOWAIT) {
            Ok(None) => None,
            Ok(Some(_)) => {
                // As long as it is not reaped its number is nobody else's, and its group's neither.
                self.kill_group();
                Some(self.wait(0).ok().flatten().unwrap_or(Ended::Unknown))
            }
            // The child is not ours to wait for any more.
            Err(_) => Some(Ended::Unknown),
        }
    }

    fn kill_group(&self) -> bool {
        // SAFETY: no pointers. The callers have just seen that the child is not reaped, so the group is its own.
        unsafe { libc::kill(-self.pid, libc::SIGKILL) == 0 }
    }

    /// Until it has ended, or some of the time has passed: the caller looks again.
    fn wait_a_while(&self, timeout: Duration) {
        match &self.pidfd {
            Some(pidfd) => wait_readable(pidfd.as_raw_fd(), timeout),
            None => std::thread::sleep(timeout.min(LOOK)),
        }
    }

    fn wait(&self, options: libc::c_int) -> io::Result<Option<Ended>> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = options | libc::WEXITED | libc::WNOHANG;
        let (kind, id) = match &self.pidfd {
            Some(pidfd) => (libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t),
            None => (libc::P_PID, self.pid as libc::id_t),
        };
        // SAFETY: `info` is large enough and lives through the call.
        check(unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options) })?;
        // SAFETY: waitid has filled it in, or left it zeroed, which is valid as well.
        let info = unsafe { info.assume_init() };
        // SAFETY: these fields are a child's; they are zero if there was none.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let ended = if info.si_code == libc::CLD_EXITED { Ended::Status(status) } else { Ended::Signal(status) };
        Ok((pid != 0).then_some(ended))
    }
}

/// Without a descriptor it is looked so often whether the process has ended.
const LOOK: Duration = Duration::from_millis(1);

fn stragglers() -> MutexGuard<'static, Vec<Handle>> {
    STRAGGLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bury_stragglers() {
    let mut stragglers = stragglers();
    stragglers.retain(|handle| handle.reap().is_none());
    if stragglers.is_empty() {
        // A library that is unloaded leaves no memory behind.
        *stragglers = Vec::new();
    }
}

/// A descriptor for a child that is not reaped; `None`: the kernel has no such thing.
fn open_pidfd(pid: libc::pid_t) -> io::Result<Option<OwnedFd>> {
    // Asked once: valgrind complains each time.
    static MISSING: AtomicBool = AtomicBool::new(false);
    if MISSING.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // SAFETY: no pointers. The child is not reaped, so the number is its own.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) } as libc::c_int;
    match owned(pidfd) {
        Err(why) if why.raw_os_error() == Some(libc::ENOSYS) => {
            MISSING.store(true, Ordering::Relaxed);
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Leaves the terminal, and what the application has open, to the application.
fn detach() {
    // SAFETY: no pointers. It cannot fail in a process that has just been forked.
    unsafe { libc::setsid() };
    // Before Linux 5.11 what the application did not mark close-on-exec is inherited.
    // SAFETY: no pointers. Descriptors are only marked.
    unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_long, i64::from(u32::MAX), CLOSE_RANGE_CLOEXEC) };
    let mut none = MaybeUninit::uninit();
    // The thread that starts it may have blocked signals, the library's own has blocked all: SIGPIPE has to end the child
    // when the application is gone.
    // SAFETY: the set is filled before it is used; nobody wants the one before.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// linux/close_range.h.
const CLOSE_RANGE_CLOEXEC: libc::c_long = 4;

fn keep_over_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::sys::thread::Thread;

    #[test]
    fn a_child_blocks_no_signals_though_its_starter_does() {
        let (sender, told) = std::sync::mpsc::channel();
        let start = move || {
            let null = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
            let streams = Streams { input: None, output: null(), errors: null() };
            let child = Process::start(Command::new("sleep").arg("60"), streams, &[]).unwrap();
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.handle.pid)).unwrap();
            sender.send(status).unwrap();
        };
        Thread::spawn_without_signals(start).unwrap().join();
        let status = told.recv().unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        assert_eq!(blocked.trim().trim_start_matches('0'), "", "{status}");
    }
}
