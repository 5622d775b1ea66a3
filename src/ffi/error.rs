//! Errors as the caller owns them: texts with a NUL behind them.

use std::ffi::{CString, c_char};

use super::enter;
use crate::error::Error;

/// Success.
pub const QMP_CODE_OK: i32 = 0;
/// An argument cannot be right; the message says what was expected.
pub const QMP_CODE_INVALID_ARGUMENT: i32 = 1;
/// No link came about.
pub const QMP_CODE_CONNECT: i32 = 2;
/// The other side did not let us in, or is not who it should be.
pub const QMP_CODE_AUTH: i32 = 3;
/// There is no such domain.
pub const QMP_CODE_NOT_FOUND: i32 = 4;
/// The domain is shut off.
pub const QMP_CODE_NOT_RUNNING: i32 = 5;
/// The right call at the wrong moment: connecting twice, setting an option while connected, turning in a callback.
pub const QMP_CODE_STATE: i32 = 6;
/// The deadline passed.
pub const QMP_CODE_TIMEOUT: i32 = 7;
/// There is no link, or it was lost.
pub const QMP_CODE_DISCONNECTED: i32 = 8;
/// The request was cancelled, the stream closed, or the monitor freed.
pub const QMP_CODE_CANCELED: i32 = 9;
/// The other side broke the protocol; the link is closed.
pub const QMP_CODE_PROTOCOL: i32 = 10;
/// A message is over its size limit.
pub const QMP_CODE_LIMIT: i32 = 11;
/// QEMU answered with an error: see qmp_error_class, qmp_error_desc and qmp_error_reply.
pub const QMP_CODE_COMMAND: i32 = 12;
/// This driver, or this other side, cannot do it.
pub const QMP_CODE_UNSUPPORTED: i32 = 13;
/// The operating system refused: see qmp_error_errno.
pub const QMP_CODE_SYSTEM: i32 = 14;
/// A bug in this library.
pub const QMP_CODE_INTERNAL: i32 = 15;

/// Nothing of the request was written, or libvirt did not hand it to QEMU: it is not carried out.
pub const QMP_DELIVERY_NOT_SENT: i32 = 0;
/// Some or all of the request was written; whether QEMU carried it out, or will, is not known.
pub const QMP_DELIVERY_UNKNOWN: i32 = 1;
/// QEMU answered.
pub const QMP_DELIVERY_ANSWERED: i32 = 2;

/// Why a call failed. Not bound to a thread.
#[allow(non_camel_case_types)]
#[derive(Clone)]
pub struct qmp_error {
    code: i32,
    delivery: i32,
    errno: i32,
    libvirt: i32,
    message: CString,
    desc: Option<CString>,
    class: Option<CString>,
    reply: Option<CString>,
}

/// What kind of failure it was: QMP_CODE_*. QMP_CODE_OK for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_code(error: *const qmp_error) -> i32 {
    // SAFETY: the caller passes NULL or an error that is not freed.
    unsafe { error.as_ref() }.map_or(QMP_CODE_OK, |error| error.code)
}

/// What went wrong, for people: names the target and the command. Valid until the error is freed. "no error" for NULL.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_message(error: *const qmp_error) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that is not freed.
    unsafe { error.as_ref() }.map_or(c"no error".as_ptr(), |error| error.message.as_ptr())
}

/// QEMU's or the daemon's own text alone, or NULL. Made for people: do not parse it. Valid until the error is freed.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_desc(error: *const qmp_error) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that is not freed.
    pointer(unsafe { error.as_ref() }, |error| &error.desc)
}

/// libvirt's error number (virErrorNumber), or 0. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_libvirt(error: *const qmp_error) -> i32 {
    // SAFETY: the caller passes NULL or an error that is not freed.
    unsafe { error.as_ref() }.map_or(0, |error| error.libvirt)
}

/// A copy, owned by the caller: keeps an error beyond the callback that lent it. NULL for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_copy(error: *const qmp_error) -> *mut qmp_error {
    enter(std::ptr::null_mut(), || {
        // SAFETY: the caller passes NULL or an error that is not freed.
        let copy = unsafe { error.as_ref() }.map(|error| Box::into_raw(Box::new(error.clone())));
        Ok(copy.unwrap_or(std::ptr::null_mut()))
    })
}

/// The QMP error class ("CommandNotFound"; qmp-spec, "Error"), or NULL if QEMU did not answer. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_class(error: *const qmp_error) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that is not freed.
    pointer(unsafe { error.as_ref() }, |error| &error.class)
}

/// QEMU's whole error reply, with the caller's id in it, or NULL. Valid until the error is freed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_reply(error: *const qmp_error) -> *const c_char {
    // SAFETY: the caller passes NULL or an error that is not freed.
    pointer(unsafe { error.as_ref() }, |error| &error.reply)
}

/// The operating system's error number (errno.h), or 0. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_errno(error: *const qmp_error) -> i32 {
    // SAFETY: the caller passes NULL or an error that is not freed.
    unsafe { error.as_ref() }.map_or(0, |error| error.errno)
}

/// How far the request got before it failed: QMP_DELIVERY_*. QMP_DELIVERY_NOT_SENT for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_delivery(error: *const qmp_error) -> i32 {
    // SAFETY: the caller passes NULL or an error that is not freed.
    unsafe { error.as_ref() }.map_or(QMP_DELIVERY_NOT_SENT, |error| error.delivery)
}

/// Frees an error. NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_error_free(error: *mut qmp_error) {
    if !error.is_null() {
        // SAFETY: the pointer came from `give` or from qmp_error_copy, and the caller gives it up.
        drop(unsafe { Box::from_raw(error) });
    }
}

impl qmp_error {
    /// The C form of an error.
    pub(super) fn new(error: &Error) -> Self {
        let detail = error.detail();
        let optional = |text: &Option<String>| text.as_ref().map(|text| c_text(text.as_bytes()));
        qmp_error {
            code: detail.code as i32,
            delivery: detail.delivery as i32,
            errno: detail.errno,
            libvirt: detail.libvirt,
            message: c_text(error.to_string().as_bytes()),
            desc: optional(&detail.desc),
            class: optional(&detail.class),
            reply: detail.reply.as_ref().map(|reply| c_text(reply)),
        }
    }

    /// Hands an error to the caller.
    pub(super) fn give(error: Error) -> *mut qmp_error {
        Box::into_raw(Box::new(qmp_error::new(&error)))
    }

    /// QEMU's whole error reply, if it answered.
    pub(super) fn reply(&self) -> Option<&CString> {
        self.reply.as_ref()
    }
}

/// A text that C can read: JSON escapes may stand for a NUL, which ends a C string.
fn c_text(text: &[u8]) -> CString {
    let text: Vec<u8> = text.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    CString::new(text).unwrap_or_default()
}

fn pointer(error: Option<&qmp_error>, field: impl Fn(&qmp_error) -> &Option<CString>) -> *const c_char {
    error.and_then(|error| field(error).as_ref()).map_or(std::ptr::null(), |text| text.as_ptr())
}
