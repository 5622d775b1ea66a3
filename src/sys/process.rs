//! Child processes that end with their owner, and are reaped by their own number alone.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{check, owned, wait_readable};

/// So long a killed process has to go: it takes a moment, unless the kernel holds it.
const LONGEST_END: Duration = Duration::from_secs(1);

/// A running child in a process group of its own. Dropping it kills the group and reaps the child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    reaped: bool,
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
    /// Starts the program. It inherits `kept` under their own numbers, and no other descriptor.
    pub fn start(command: &mut Command, streams: Streams, kept: &[OwnedFd]) -> io::Result<Process> {
        command.stdin(streams.input.map_or_else(Stdio::null, Stdio::from));
        command.stdout(streams.output).stderr(streams.errors).process_group(0);
        if !kept.is_empty() {
            let kept: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
            let keep = move || kept.iter().try_for_each(|fd| keep_over_exec(*fd));
            // SAFETY: between fork and exec it makes system calls alone, without an allocation.
            unsafe { command.pre_exec(keep) };
        }
        let child = command.spawn()?;
        let pid = libc::c_long::from(child.id() as libc::pid_t);
        // SAFETY: no pointers. The child is not reaped, so the number is its own.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as libc::c_int;
        match owned(pidfd) {
            Ok(pidfd) => Ok(Process { child, pidfd, reaped: false }),
            Err(why) => {
                let mut child = child;
                let _ = child.kill();
                let _ = child.wait();
                Err(why)
            }
        }
    }

    /// If it has ended: its exit status, or `None` if a signal ended it.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                self.reaped = true;
                Some(status.code())
            }
            Err(_) => {
                // Somebody else has reaped it.
                self.reaped = true;
                Some(None)
            }
        }
    }
}

impl AsRawFd for Process {
    /// Readable once the process has ended.
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = self.child.id() as libc::pid_t;
        if self.reaped {
            return;
        }
        // SAFETY: no pointers. The child is not reaped, so the group is its own.
        let killed = unsafe { libc::kill(-group, libc::SIGKILL) } == 0;
        // What may not be killed (it may have become another user's) ends when its input does; it cannot be waited for.
        let deadline = Instant::now() + if killed { LONGEST_END } else { Duration::ZERO };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.ended().is_some() || left.is_zero() {
                return;
            }
            wait_readable(self.pidfd.as_raw_fd(), left);
        }
    }
}

fn keep_over_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}
