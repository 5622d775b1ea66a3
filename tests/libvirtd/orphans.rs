//! libvirt starts QEMU as nobody's child, and takes it for ended when it is gone from the process table. Where process 1
//! buries its children late or never, as in many containers, that takes seconds or fails: here the test buries them.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// From now on orphans among the descendants of this process become its children, and QEMUs among them are buried.
pub fn adopt() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: this prctl only takes numbers.
        let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
        assert_eq!(result, 0, "PR_SET_CHILD_SUBREAPER: {}", io::Error::last_os_error());
        thread::spawn(bury);
    });
}

fn bury() {
    loop {
        match next_dead() {
            Some(pid) if is_qemu(pid) => {
                // SAFETY: waitpid may get no place for the status.
                unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
            }
            // A child that the test itself started, and waits for; or none at all.
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A child that has ended and is not buried yet.
fn next_dead() -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the place for the answer is large enough and lives as long as the call.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
    // SAFETY: waitid has filled it in, or left it zeroed, which is valid as well.
    (result == 0).then(|| unsafe { info.assume_init().si_pid() })
}

fn is_qemu(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu-system"))
}
