//! The application's `user_data`, which goes with each of its callbacks.

use std::ffi::c_void;

/// A pointer that is never looked at, given up by `free` when this is dropped.
pub struct UserData {
    data: *mut c_void,
    free: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
}

// SAFETY: to us it is a number; the header says on which threads callbacks run.
unsafe impl Send for UserData {}
// SAFETY: as above; the one callback that may run in several threads at once says so in the header.
unsafe impl Sync for UserData {}

impl UserData {
    /// What the application gave.
    ///
    /// # Safety
    ///
    /// `free` may be called with `data`, once, in any thread.
    pub unsafe fn new(data: *mut c_void, free: Option<unsafe extern "C" fn(user_data: *mut c_void)>) -> Self {
        UserData { data, free }
    }

    /// The pointer.
    pub fn as_ptr(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the application's function, called once, because a value is dropped once.
            unsafe { free(self.data) };
        }
    }
}
