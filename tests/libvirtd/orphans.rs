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
        if await_death() {
            for pid in dead_children().into_iter().filter(|pid| is_qemu(*pid)) {
                // SAFETY: waitpid may get no place for the status.
                unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
            }
        }
        // What is left are children that the test itself started, and waits for, or other orphans.
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a child has ended and is not buried. There may be none at all.
fn await_death() -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the place for the answer is large enough and lives as long as the call.
    unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) == 0 }
}

/// All of them: the system's own answer would be the same one again, for as long as it is not buried.
fn dead_children() -> Vec<i32> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<i32> = lists.flat_map(|list| list.split(' ').flat_map(str::parse).collect::<Vec<_>>()).collect();
    all.into_iter().filter(|pid| is_dead(*pid)).collect()
}

fn is_dead(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat"));
    state.is_ok_and(|text| text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

fn is_qemu(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu-system"))
}
