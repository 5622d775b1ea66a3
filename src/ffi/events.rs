//! Subscriptions and streams.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::buffer::{give, qmp_buffer};
use super::callback::{event_handler, qmp_event_cb, qmp_free_cb};
use super::error::qmp_error;
use super::monitor::{of, on, qmp_monitor};
use super::{enter, shared, text_or_null, timeout};
use crate::events::Events;
use crate::sys::user_data::UserData;

/// A stream of events to pull from.
#[allow(non_camel_case_types)]
pub struct qmp_events(());

/// Calls `callback`, in a turn, with each event of this name, or with every event if it is NULL; LIBQMP_* events always
/// come. Subscribe before connecting to miss nothing; a subscription stays when the link is lost. Returns an id for
/// qmp_monitor_unsubscribe, or 0 and an error: then only `free` has run. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_subscribe(
    monitor: *mut qmp_monitor,
    event_or_null: *const c_char,
    callback: qmp_event_cb,
    user_data: *mut c_void,
    free: qmp_free_cb,
    err: *mut *mut qmp_error,
) -> u64 {
    // SAFETY: the caller's promise (qmp_free_cb).
    let user = unsafe { UserData::new(user_data, free) };
    enter(err, move || {
        on(monitor, "subscribe", |monitor| {
            let handler = event_handler(user, callback)?;
            monitor.subscribe(text_or_null(event_or_null, "event")?, handler)
        })
    })
}

/// Ends a subscription. Never waits: in another thread the callback may still be running, and `free` runs after it; if
/// it is not running, `free` runs in this call. Returns 0, or -1 if there is no such subscription. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_unsubscribe(monitor: *mut qmp_monitor, id: u64) -> i32 {
    enter(std::ptr::null_mut(), || of(monitor)?.unsubscribe(id).map(|()| 0))
}

/// Makes a stream of the events of this name, or of every event if it is NULL; LIBQMP_* events always come. It holds
/// what comes from now on, within the options "max-events" and "max-event-bytes". Returns a stream that the caller owns
/// and frees by qmp_events_free, or NULL and an error. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_events(
    monitor: *mut qmp_monitor,
    event_or_null: *const c_char,
    err: *mut *mut qmp_error,
) -> *mut qmp_events {
    enter(err, || {
        let events = on(monitor, "events", |monitor| monitor.events(text_or_null(event_or_null, "event")?))?;
        Ok(Arc::into_raw(events).cast_mut().cast())
    })
}

/// The next event, waiting for it at most `timeout_ms` milliseconds (0: only look). Returns its JSON in a buffer that the
/// caller owns, or NULL and an error: TIMEOUT if there is none yet, DISCONNECTED if there is none and no link, CANCELED
/// if the stream is closed or its monitor freed, and nothing is left. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_events_next(
    events: *mut qmp_events,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_buffer {
    enter(err, || {
        let events = shared(events.cast::<Events>(), "events")?;
        timeout(timeout_ms).and_then(|timeout| events.next(timeout)).map(give).map_err(|why| events.named(why))
    })
}

/// A descriptor to watch for reading: it is readable while qmp_events_next(events, 0) would return at once with
/// something other than TIMEOUT. Somebody must turn the reactor. It belongs to the stream: never read or close it.
/// Returns it, or -1 and an error (SYSTEM). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_events_fd(events: *mut qmp_events, err: *mut *mut qmp_error) -> i32 {
    enter(err, || shared(events.cast::<Events>(), "events")?.fd())
}

/// Closes a stream: qmp_events_next gives what is queued, then CANCELED, in every thread. To end a thread that waits in
/// it, close the stream, join the thread, then free the stream. Returns 0, or -1 for NULL. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_events_close(events: *mut qmp_events) -> i32 {
    enter(std::ptr::null_mut(), || {
        shared(events.cast::<Events>(), "events")?.close();
        Ok(0)
    })
}

/// Frees a stream, before or after its monitor. NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_events_free(events: *mut qmp_events) {
    if !events.is_null() {
        enter(std::ptr::null_mut(), || {
            // SAFETY: the pointer came from qmp_monitor_events, and the caller gives it up.
            unsafe { Arc::from_raw(events.cast_const().cast::<Events>()) }.free();
            Ok(0)
        });
    }
}
