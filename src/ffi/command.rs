//! Requests.

use std::ffi::{c_char, c_void};

use super::buffer::{give, qmp_buffer};
use super::callback::{qmp_free_cb, qmp_reply_cb, reply_receiver};
use super::error::qmp_error;
use super::monitor::{of, on, qmp_monitor};
use super::{bytes, descriptors, enter, text, timeout};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::sys::user_data::UserData;

/// Sends a whole QMP command, {"execute": "query-status"} (members execute or exec-oob, arguments, id; qmp-spec,
/// "Issuing Commands"), and waits for the whole reply. The request's id, any JSON value, comes back in it byte for byte;
/// without one the reply has none. The request is checked first: a bad one is INVALID_ARGUMENT, and QEMU sees nothing.
/// Returns a buffer that the caller owns, or NULL and an error: COMMAND if QEMU answered by one, TIMEOUT after
/// `timeout_ms` milliseconds (QEMU may still carry the command out: qmp_error_delivery; 0: at once, and nothing is
/// sent), DISCONNECTED, CANCELED, LIMIT, PROTOCOL. Any thread, any number at once, and inside callbacks. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_run(
    monitor: *mut qmp_monitor,
    request: *const c_char,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_buffer {
    enter(err, || ask(monitor, request, |monitor, request| monitor.run(request, &[], timeout(timeout_ms)?).map(give)))
}

/// Sends a command by its name, with arguments that are one JSON object or NULL, and waits for the value of "return".
/// Otherwise like qmp_monitor_run. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_execute(
    monitor: *mut qmp_monitor,
    command: *const c_char,
    arguments_or_null: *const c_char,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_buffer {
    enter(err, || {
        let command = text(command, "command");
        on(monitor, command.as_deref().unwrap_or_default(), |monitor| {
            let arguments =
                (!arguments_or_null.is_null()).then(|| bytes(arguments_or_null, "arguments")).transpose()?;
            monitor.execute(command.clone()?, arguments, timeout(timeout_ms)?).map(give)
        })
    })
}

/// Like qmp_monitor_run, with descriptors attached to the command (getfd, add-fd), over UNIX sockets (else UNSUPPORTED).
/// They are duplicated before the call returns: the caller closes his own. QEMU takes one a command, and a socket at
/// most 16 at once. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_run_with_fds(
    monitor: *mut qmp_monitor,
    request: *const c_char,
    fds: *const i32,
    n_fds: usize,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_buffer {
    enter(err, || {
        ask(monitor, request, |monitor, request| {
            monitor.run(request, descriptors(fds, n_fds)?, timeout(timeout_ms)?).map(give)
        })
    })
}

/// Sends a whole QMP command and returns at once; `callback` runs once, in a turn, with the answer or an error. Commands
/// are carried out in the order in which they were started (out-of-band ones apart). What a callback starts is written
/// when the callbacks of its turn have run, or when one of them makes a blocking call. Returns an id for
/// qmp_monitor_cancel, or 0 and an error: then only `free` has run. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_start(
    monitor: *mut qmp_monitor,
    request: *const c_char,
    timeout_ms: i32,
    callback: qmp_reply_cb,
    user_data: *mut c_void,
    free: qmp_free_cb,
    err: *mut *mut qmp_error,
) -> u64 {
    // SAFETY: no descriptors, the rest as the caller passed it.
    unsafe {
        let none = std::ptr::null();
        qmp_monitor_start_with_fds(monitor, request, none, 0, timeout_ms, callback, user_data, free, err)
    }
}

/// Like qmp_monitor_start, with descriptors as in qmp_monitor_run_with_fds. Since 0.1.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn qmp_monitor_start_with_fds(
    monitor: *mut qmp_monitor,
    request: *const c_char,
    fds: *const i32,
    n_fds: usize,
    timeout_ms: i32,
    callback: qmp_reply_cb,
    user_data: *mut c_void,
    free: qmp_free_cb,
    err: *mut *mut qmp_error,
) -> u64 {
    // SAFETY: the caller's promise (qmp_free_cb).
    let user = unsafe { UserData::new(user_data, free) };
    enter(err, move || {
        ask(monitor, request, |monitor, request| {
            let receiver = reply_receiver(user, callback)?;
            monitor.start_for(receiver, request, descriptors(fds, n_fds)?, timeout(timeout_ms)?)
        })
    })
}

/// Ends an open request with CANCELED; its callback still comes, once. QEMU is not told and may carry it out: the late
/// reply is dropped. `id` 0 ends every open request of the monitor, blocked calls included. Never waits. Returns 0, or
/// -1 if the request is not open any more. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_cancel(monitor: *mut qmp_monitor, id: u64) -> i32 {
    enter(std::ptr::null_mut(), || of(monitor)?.cancel(id).map(|()| 0))
}

/// Does something with a request: an error names the target and the request's command, as far as it can be told.
fn ask<T>(
    monitor: *const qmp_monitor,
    request: *const c_char,
    body: impl FnOnce(&Monitor, &[u8]) -> Result<T>,
) -> Result<T> {
    on(monitor, "", |monitor| {
        let request = bytes(request, "request")?;
        body(monitor, request).map_err(|why| monitor.named_request(why, request))
    })
}
