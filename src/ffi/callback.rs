//! Callbacks of the application, and the `user_data` that goes with them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::credentials::qmp_credentials;
use super::error::qmp_error;
use super::monitor::qmp_monitor;
use super::null;
use crate::error::{Error, Result};
use crate::monitor::login::CredentialsHandler;
use crate::monitor::receiver::{Foreign, Function, Receiver};
use crate::monitor::{DoneHandler, EventHandler, Monitor};
use crate::sys::text::Text;
use crate::sys::user_data::UserData;

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

/// The handler of a subscription.
pub(super) fn event_handler(user: UserData, call: qmp_event_cb) -> Result<EventHandler> {
    let call = call.ok_or_else(|| null("callback"))?;
    Ok(Box::new(move |monitor, event, json| {
        let user = &user;
        // SAFETY: the application's function; the texts outlive the call.
        unsafe { call(user.as_ptr(), handle(monitor), event.as_ptr(), json.as_ptr(), json.as_bytes().len()) };
    }))
}

/// Who is told the answer to a request.
pub(super) fn reply_receiver(user: UserData, call: qmp_reply_cb) -> Result<Receiver> {
    let function = call.ok_or_else(|| null("callback"))?;
    // SAFETY: both are pointers to functions; `tell_reply` gives this one its type back.
    let function = unsafe { std::mem::transmute::<ReplyFunction, Function>(function) };
    Ok(Receiver::Foreign(Foreign { call: tell_reply, function, user }))
}

type ReplyFunction = unsafe extern "C" fn(*mut c_void, *mut qmp_monitor, *const qmp_error, *const c_char, usize);

fn tell_reply(foreign: &Foreign, monitor: &Arc<Monitor>, outcome: Result<Text<'_>>) {
    let error = outcome.as_ref().err().map(qmp_error::new);
    let text = match (&outcome, &error) {
        (Ok(text), _) => Some(*text),
        (_, Some(error)) => error.reply().map(|reply| Text::new(reply.as_bytes_with_nul())),
        _ => None,
    };
    let json = text.map_or(std::ptr::null(), Text::as_ptr);
    let len = text.map_or(0, |text| text.as_bytes().len());
    let (user, error) = (foreign.user.as_ptr(), as_pointer(error.as_ref()));
    // SAFETY: the application's function, whose type `reply_receiver` took away; error and text outlive the call.
    unsafe {
        std::mem::transmute::<Function, ReplyFunction>(foreign.function)(user, handle(monitor), error, json, len)
    };
}

/// The handler of a connect.
pub(super) fn done_handler(user: UserData, call: qmp_done_cb) -> Result<DoneHandler> {
    let call = call.ok_or_else(|| null("callback"))?;
    Ok(Box::new(move |monitor, outcome| {
        let user = &user;
        let error = outcome.err().map(|why: Error| qmp_error::new(&why));
        // SAFETY: the application's function; the error outlives the call.
        unsafe { call(user.as_ptr(), handle(monitor), as_pointer(error.as_ref())) };
    }))
}

/// The handler that is asked for credentials.
pub(super) fn credentials_handler(user: UserData, call: qmp_credentials_cb) -> Result<CredentialsHandler> {
    let call = call.ok_or_else(|| null("callback"))?;
    Ok(Arc::new(move |monitor, given| {
        let user = &user;
        // SAFETY: the application's function; what it fills outlives the call.
        unsafe { call(user.as_ptr(), handle(monitor), std::ptr::from_mut(given).cast()) == 0 }
    }))
}

fn handle(monitor: &Arc<Monitor>) -> *mut qmp_monitor {
    Arc::as_ptr(monitor).cast_mut().cast()
}

fn as_pointer(error: Option<&qmp_error>) -> *const qmp_error {
    error.map_or(std::ptr::null(), std::ptr::from_ref)
}
