//! A thread that never takes a signal from the application, and leaves nothing behind in the one that made it.
//!
//! `std::thread` keeps a thread-local with a destructor in the thread that spawns: while that thread lives, glibc would
//! not unload the library.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A running thread. Dropping this lets it go on alone.
#[derive(Debug)]
pub struct Thread {
    id: libc::pthread_t,
    joined: bool,
}

type Body = Box<dyn FnOnce() + Send>;

impl Thread {
    /// Starts a thread with every signal blocked: the application's handlers keep running on the application's threads.
    pub fn spawn_without_signals(run: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let body: Box<Body> = Box::new(Box::new(run));
        let body = Box::into_raw(body);
        let before = block_all_signals();
        let mut id = MaybeUninit::uninit();
        // SAFETY: `id` is written on success; `begin` takes the body over, which lives until then.
        let errno = unsafe { libc::pthread_create(id.as_mut_ptr(), std::ptr::null(), begin, body.cast()) };
        restore_signals(&before);
        if errno != 0 {
            // SAFETY: no thread took the body.
            drop(unsafe { Box::from_raw(body) });
            return Err(io::Error::from_raw_os_error(errno));
        }
        // SAFETY: pthread_create has written it.
        let id = unsafe { id.assume_init() };
        // SAFETY: the thread is not joined, and the name is a C string of at most 15 bytes.
        unsafe { libc::pthread_setname_np(id, c"libqmp".as_ptr()) };
        Ok(Thread { id, joined: false })
    }

    /// Waits until the thread has ended.
    pub fn join(mut self) {
        self.joined = true;
        // SAFETY: the thread is neither joined nor detached yet. It cannot be this one: see the caller.
        unsafe { libc::pthread_join(self.id, std::ptr::null_mut()) };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if !self.joined {
            // SAFETY: the thread is neither joined nor detached yet.
            unsafe { libc::pthread_detach(self.id) };
        }
    }
}

extern "C" fn begin(body: *mut c_void) -> *mut c_void {
    // SAFETY: spawn_without_signals gave it up to this thread.
    let body = unsafe { Box::from_raw(body.cast::<Body>()) };
    // A panic has been printed by the hook; there is nobody to hand it to, and it must not cross into C.
    let _ = catch_unwind(AssertUnwindSafe(*body));
    std::ptr::null_mut()
}

// The new thread inherits the mask of the thread that makes it, so the mask is set around the making.
fn block_all_signals() -> libc::sigset_t {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: sigfillset fills `all`, pthread_sigmask fills `before`; neither can fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: `before` is a mask that pthread_sigmask gave.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}
