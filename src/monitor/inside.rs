//! Where a thread is: in a callback of ours, or not.

use std::cell::Cell;

thread_local! {
    // No destructor: a library with one could not be unloaded while the thread lives.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Is this thread running a callback, of any reactor?
pub fn in_callback() -> bool {
    DEPTH.get() > 0
}

/// Tells this thread from every other one that is alive.
pub fn this_thread() -> usize {
    DEPTH.with(|depth| std::ptr::from_ref(depth) as usize)
}

/// Runs a callback, so that [`in_callback`] is true meanwhile.
pub fn callback<R>(run: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _leave = Leave;
    run()
}
