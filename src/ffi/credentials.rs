//! Credentials: what a callback is asked for while connecting.

use std::ffi::{c_char, c_void};

use super::callback::{credentials_handler, qmp_credentials_cb, qmp_free_cb};
use super::error::qmp_error;
use super::monitor::{on, qmp_monitor};
use super::{enter, null, text};
use crate::monitor::login::Given;
use crate::sys::user_data::UserData;

/// A name and a password, to be filled by a callback.
#[allow(non_camel_case_types)]
pub struct qmp_credentials(());

/// Has `callback` asked who logs in at a libvirt daemon, at each qmp_monitor_connect and qmp_monitor_connect_start
/// where the option "username" is not set: before it is known whether the daemon wants to know. The order is: the
/// options, this callback, libvirt's files (auth.conf), which are also read if it returns 0 without setting anything.
/// Monitors share a connection only if it gives them the same. Only while the monitor has no link (STATE); a second
/// call replaces the first. qmp_monitor_open makes a monitor of its own, and asks nobody. `free` runs when the callback
/// is replaced or the monitor freed, which waits for a callback that is running in another thread. Returns 0, or -1 and
/// an error: then only `free` has run. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_set_credentials(
    monitor: *mut qmp_monitor,
    callback: qmp_credentials_cb,
    user_data: *mut c_void,
    free: qmp_free_cb,
    err: *mut *mut qmp_error,
) -> i32 {
    // SAFETY: the caller's promise (qmp_free_cb).
    let user = unsafe { UserData::new(user_data, free) };
    enter(err, move || {
        on(monitor, "credentials", |monitor| {
            let handler = credentials_handler(user, callback)?;
            monitor.set_credentials(handler).map(|()| 0)
        })
    })
}

/// Inside a qmp_credentials_cb: sets the "username" or the "password", both of which have to be set, to a UTF-8 text that
/// is copied. No message ever shows it. Returns 0, or -1 for NULL, an unknown name, or a text that is not UTF-8.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_credentials_set(
    credentials: *mut qmp_credentials,
    name: *const c_char,
    value: *const c_char,
) -> i32 {
    enter(std::ptr::null_mut(), || {
        // SAFETY: the caller passes NULL or what his callback was lent, which nobody else uses meanwhile.
        let given = unsafe { credentials.cast::<Given>().as_mut() }.ok_or_else(|| null("credentials"))?;
        given.set(text(name, "name")?, text(value, "value")?).map(|()| 0)
    })
}
