//! Callbacks of the application, and the `user_data` that goes with them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::credentials::qmp_credentials;
use super::error::qmp_error;
use super::monitor::qmp_monitor;
use super::null;
use crate::error::{Error, Result};
use crate::monitor::login::CredentialsHandler;
use crate::monitor::{DoneHandler, EventHandler, Monitor, ReplyHandler};
use crate::sys::text::Text;

/// Called with an event: its name and its whole JSON (`len` bytes and a NUL), borrowed until the callback returns.
#[allow(non_camel_case_types)]
pub type qmp_event_cb = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        monitor: *mut qmp_monitor,
        event: *const c_char,
        json: *const c_char,
        len: usize,
    ),
>;

/// Called once with the answer to a request. `error_or_null` is NULL on success. `json` is the whole reply (`len` bytes
/// and a NUL) whenever QEMU answered, by an error too, else NULL. All are borrowed until the callback returns;
/// qmp_error_copy keeps an error.
#[allow(non_camel_case_types)]
pub type qmp_reply_cb = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        monitor: *mut qmp_monitor,
        error_or_null: *const qmp_error,
        json: *const c_char,
        len: usize,
    ),
>;

/// Called once when connecting has ended. `error_or_null` is NULL on success, and borrowed until the callback returns.
#[allow(non_camel_case_types)]
pub type qmp_done_cb =
    Option<unsafe extern "C" fn(user_data: *mut c_void, monitor: *mut qmp_monitor, error_or_null: *const qmp_error)>;

/// Called while connecting to a libvirt daemon, before anything is connected, in the thread that connects and with no lock
/// held; in several threads at once, if several connect. It fills `credentials` (borrowed until it returns) by
/// qmp_credentials_set and returns 0, or -1 to give up: connecting then ends with CANCELED.
#[allow(non_camel_case_types)]
pub type qmp_credentials_cb = Option<
    unsafe extern "C" fn(user_data: *mut c_void, monitor: *mut qmp_monitor, credentials: *mut qmp_credentials) -> i32,
>;

/// Called exactly once for each `user_data`, after the last call of the callback that it belongs to, also when the
/// registering call fails. May be NULL.
#[allow(non_camel_case_types)]
pub type qmp_free_cb = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The application's `user_data`: never looked at, given up by `free` when this is dropped.
pub(super) struct UserData {
    data: *mut c_void,
    free: qmp_free_cb,
}

// SAFETY: to us it is a number; the header says on which threads callbacks run.
unsafe impl Send for UserData {}
// SAFETY: as above; the one callback that may run in several threads at once says so in the header.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(data: *mut c_void, free: qmp_free_cb) -> Self {
        UserData { data, free }
    }

    /// The handler of a subscription.
    pub(super) fn event_handler(self, call: qmp_event_cb) -> Result<EventHandler> {
        let call = call.ok_or_else(|| null("callback"))?;
        Ok(Box::new(move |monitor, event, json| {
            let user = &self;
            // SAFETY: the application's function; the texts outlive the call.
            unsafe { call(user.data, handle(monitor), event.as_ptr(), json.as_ptr(), json.as_bytes().len()) };
        }))
    }

    /// The handler of a request.
    pub(super) fn reply_handler(self, call: qmp_reply_cb) -> Result<ReplyHandler> {
        let call = call.ok_or_else(|| null("callback"))?;
        Ok(Box::new(move |monitor, outcome| {
            let user = &self;
            let error = outcome.as_ref().err().map(qmp_error::new);
            let text = match (&outcome, &error) {
                (Ok(text), _) => Some(*text),
                (_, Some(error)) => error.reply().map(|reply| Text::new(reply.as_bytes_with_nul())),
                _ => None,
            };
            let json = text.map_or(std::ptr::null(), Text::as_ptr);
            let len = text.map_or(0, |text| text.as_bytes().len());
            // SAFETY: the application's function; error and text outlive the call.
            unsafe { call(user.data, handle(monitor), as_pointer(error.as_ref()), json, len) };
        }))
    }

    /// The handler of a connect.
    pub(super) fn done_handler(self, call: qmp_done_cb) -> Result<DoneHandler> {
        let call = call.ok_or_else(|| null("callback"))?;
        Ok(Box::new(move |monitor, outcome| {
            let user = &self;
            let error = outcome.err().map(|why: Error| qmp_error::new(&why));
            // SAFETY: the application's function; the error outlives the call.
            unsafe { call(user.data, handle(monitor), as_pointer(error.as_ref())) };
        }))
    }
}

impl UserData {
    /// The handler that is asked for credentials.
    pub(super) fn credentials_handler(self, call: qmp_credentials_cb) -> Result<CredentialsHandler> {
        let call = call.ok_or_else(|| null("callback"))?;
        Ok(Arc::new(move |monitor, given| {
            let user = &self;
            // SAFETY: the application's function; what it fills outlives the call.
            unsafe { call(user.data, handle(monitor), std::ptr::from_mut(given).cast()) == 0 }
        }))
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

fn handle(monitor: &Arc<Monitor>) -> *mut qmp_monitor {
    Arc::as_ptr(monitor).cast_mut().cast()
}

fn as_pointer(error: Option<&qmp_error>) -> *const qmp_error {
    error.map_or(std::ptr::null(), std::ptr::from_ref)
}
