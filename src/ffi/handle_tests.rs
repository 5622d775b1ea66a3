//! Handles without a link: who frees what, in which order, and what waits inside meanwhile. No sockets, so that Miri runs
//! these too (`make miri`); tests/c has the same over real ones.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::buffer::*;
use super::command::*;
use super::credentials::*;
use super::error::*;
use super::events::*;
use super::monitor::*;
use super::reactor::*;
use crate::sys::buffer::Buffer;

const FOREVER: i32 = -1;
const TARGET: &CStr = c"unix:/nowhere";

/// A handle that threads pass around, as C programs do.
struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: the header allows calls from any thread.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    fn get(self) -> *mut T {
        self.0
    }
}

unsafe extern "C" fn count(user_data: *mut c_void) {
    // SAFETY: every registration here passes a share of a counter that the test keeps.
    unsafe { &*user_data.cast::<AtomicUsize>() }.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn on_event(_: *mut c_void, _: *mut qmp_monitor, _: *const c_char, _: *const c_char, _: usize) {}

unsafe extern "C" fn on_reply(_: *mut c_void, _: *mut qmp_monitor, _: *const qmp_error, _: *const c_char, _: usize) {}

unsafe extern "C" fn on_asked(_: *mut c_void, _: *mut qmp_monitor, _: *mut qmp_credentials) -> i32 {
    -1
}

/// The code of an error, which is freed.
fn code(err: *mut qmp_error) -> i32 {
    // SAFETY: an error that a call has just given, and that is freed once.
    unsafe {
        assert!(!CStr::from_ptr(qmp_error_message(err)).is_empty());
        let code = qmp_error_code(err);
        qmp_error_free(err);
        code
    }
}

fn new_monitor(reactor: *mut qmp_reactor) -> *mut qmp_monitor {
    // SAFETY: NULL or a reactor that lives, and a C string.
    let monitor = unsafe { qmp_monitor_new(reactor, TARGET.as_ptr(), null_mut()) };
    assert!(!monitor.is_null());
    monitor
}

#[test]
fn the_order_of_freeing_is_free() {
    for order in ["rme", "rem", "mre", "mer", "erm", "emr"] {
        let freed = AtomicUsize::new(0);
        let user_data = (&raw const freed).cast_mut().cast();
        // SAFETY: each handle is freed once and not used afterwards; the counter outlives them.
        unsafe {
            let reactor = qmp_reactor_new(null_mut());
            let monitor = new_monitor(reactor);
            let events = qmp_monitor_events(monitor, c"STOP".as_ptr(), null_mut());
            assert_ne!(qmp_monitor_subscribe(monitor, null(), Some(on_event), user_data, Some(count), null_mut()), 0);
            assert_eq!(qmp_reactor_turn(reactor, 0, null_mut()), 0);
            for step in order.chars() {
                match step {
                    'r' => qmp_reactor_free(reactor),
                    'e' => qmp_events_free(events),
                    _ => {
                        assert_eq!(CStr::from_ptr(qmp_monitor_target(monitor)), TARGET);
                        assert_eq!(qmp_monitor_state(monitor), QMP_STATE_NEW);
                        assert_eq!(freed.load(Ordering::Relaxed), 0);
                        qmp_monitor_free(monitor);
                        assert_eq!(freed.load(Ordering::Relaxed), 1);
                    }
                }
            }
        }
        assert_eq!(freed.load(Ordering::Relaxed), 1, "{order}");
    }
}

#[test]
fn user_data_is_freed_exactly_once() {
    let freed = AtomicUsize::new(0);
    let data: *mut c_void = (&raw const freed).cast_mut().cast();
    let so_far = || freed.load(Ordering::Relaxed);
    let query = c"{\"execute\": \"query-status\"}".as_ptr();
    let mut err = null_mut();
    // SAFETY: the monitor and each error are freed once; the counter outlives them.
    unsafe {
        let monitor = new_monitor(null_mut());
        // Without a link, and without a callback.
        assert_eq!(qmp_monitor_start(monitor, query, FOREVER, Some(on_reply), data, Some(count), &raw mut err), 0);
        assert_eq!((code(err), so_far()), (QMP_CODE_DISCONNECTED, 1));
        assert_eq!(qmp_monitor_start(monitor, query, FOREVER, None, data, Some(count), &raw mut err), 0);
        assert_eq!((code(err), so_far()), (QMP_CODE_INVALID_ARGUMENT, 2));
        assert_eq!(qmp_monitor_subscribe(null_mut(), null(), Some(on_event), data, Some(count), &raw mut err), 0);
        assert_eq!((code(err), so_far()), (QMP_CODE_INVALID_ARGUMENT, 3));
        assert_eq!(qmp_monitor_connect_start(monitor, FOREVER, None, data, Some(count), &raw mut err), -1);
        assert_eq!((code(err), so_far()), (QMP_CODE_INVALID_ARGUMENT, 4));
        // A subscription that is ended, one that is not, and credentials that are replaced.
        let first = qmp_monitor_subscribe(monitor, null(), Some(on_event), data, Some(count), null_mut());
        assert_ne!(qmp_monitor_subscribe(monitor, null(), Some(on_event), data, Some(count), null_mut()), 0);
        assert_eq!((qmp_monitor_unsubscribe(monitor, first), so_far()), (0, 5));
        assert_eq!((qmp_monitor_unsubscribe(monitor, first), so_far()), (-1, 5));
        for replaced in [0, 1] {
            let set = qmp_monitor_set_credentials(monitor, Some(on_asked), data, Some(count), null_mut());
            assert_eq!((set, so_far()), (0, 5 + replaced));
        }
        qmp_monitor_free(monitor);
    }
    assert_eq!(so_far(), 8);
}

#[test]
fn errors_outlive_what_made_them() {
    let mut err = null_mut();
    // SAFETY: each handle is freed once; texts are read before their error is freed.
    unsafe {
        let monitor = new_monitor(null_mut());
        assert!(qmp_monitor_run(monitor, c"{".as_ptr(), FOREVER, &raw mut err).is_null());
        qmp_monitor_free(monitor);
        let copy = qmp_error_copy(err);
        let message = CStr::from_ptr(qmp_error_message(err)).to_owned();
        assert!(message.to_bytes().windows(TARGET.count_bytes()).any(|part| part == TARGET.to_bytes()), "{message:?}");
        assert_eq!((qmp_error_delivery(err), qmp_error_errno(err)), (QMP_DELIVERY_NOT_SENT, 0));
        assert!(qmp_error_class(err).is_null() && qmp_error_reply(err).is_null() && qmp_error_desc(err).is_null());
        assert_eq!(code(err), QMP_CODE_INVALID_ARGUMENT);
        assert_eq!(CStr::from_ptr(qmp_error_message(copy)), message.as_c_str());
        assert_eq!(code(copy), QMP_CODE_INVALID_ARGUMENT);
        assert!(qmp_error_copy(null()).is_null());
        qmp_error_free(null_mut());
    }
}

#[test]
fn buffers_end_in_nul_and_are_the_callers() {
    for text in [&b""[..], b"{}", &[b'x'; 300]] {
        let mut vec = b"before".to_vec();
        vec.extend_from_slice(text);
        vec.extend_from_slice(b"after");
        for made in [Buffer::concat(&[text]), Buffer::from_vec(vec, 6..6 + text.len())] {
            let raw = Shared(give(made));
            // Another thread may free it.
            thread::scope(|scope| {
                scope.spawn(move || {
                    // SAFETY: the buffer is freed here and nowhere else.
                    unsafe {
                        assert_eq!(CStr::from_ptr(qmp_buffer_data(raw.get())).to_bytes(), text);
                        assert_eq!(qmp_buffer_len(raw.get()), text.len());
                        qmp_buffer_free(raw.get());
                    }
                });
            });
        }
    }
}

/// Who waits in a stream or a turn has a share of his own in what is closed or freed.
#[test]
fn threads_that_wait_are_let_go() {
    // SAFETY: handles are freed once, after the threads that may still use them have ended, or as the header allows.
    unsafe {
        let reactor = Shared(qmp_reactor_new(null_mut()));
        let monitor = new_monitor(reactor.get());
        let events = [null(), c"STOP".as_ptr()].map(|name| Shared(qmp_monitor_events(monitor, name, null_mut())));
        let waiting = events.map(|stream| {
            thread::spawn(move || {
                let mut err = null_mut();
                assert!(qmp_events_next(stream.get(), FOREVER, &raw mut err).is_null());
                code(err)
            })
        });
        // Beside them a turn, which somebody wakes.
        let turning = thread::spawn(move || qmp_reactor_turn(reactor.get(), FOREVER, null_mut()));
        qmp_reactor_wake(reactor.get());
        assert_eq!(turning.join().unwrap(), 0);
        assert_eq!(qmp_events_close(events[0].get()), 0);
        qmp_monitor_free(monitor);
        for outcome in waiting.map(|thread| thread.join().unwrap()) {
            assert!([QMP_CODE_CANCELED, QMP_CODE_DISCONNECTED].contains(&outcome), "{outcome}");
        }
        events.iter().for_each(|stream| qmp_events_free(stream.get()));
        qmp_reactor_free(reactor.get());
    }
}

/// Calls on one monitor from many threads, and one that frees it when they are through.
#[test]
fn many_threads_use_one_monitor() {
    let freed = Arc::new(AtomicUsize::new(0));
    let monitor = Shared(new_monitor(null_mut()));
    let data = Shared(Arc::as_ptr(&freed).cast_mut());
    let threads: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(move || {
                // SAFETY: the monitor and the counter live until these threads are joined; the stream is freed once.
                unsafe {
                    let (monitor, data) = (monitor.get(), data.get().cast::<c_void>());
                    let events = qmp_monitor_events(monitor, null(), null_mut());
                    let id = qmp_monitor_subscribe(monitor, null(), Some(on_event), data, Some(count), null_mut());
                    assert_eq!(qmp_monitor_set(monitor, c"max-events".as_ptr(), c"7".as_ptr(), null_mut()), 0);
                    assert!(qmp_events_next(events, 0, null_mut()).is_null());
                    assert_eq!(qmp_monitor_unsubscribe(monitor, id), 0);
                    qmp_events_free(events);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // SAFETY: nobody uses it any more.
    unsafe { qmp_monitor_free(monitor.get()) };
    assert_eq!(freed.load(Ordering::Relaxed), 3);
}
