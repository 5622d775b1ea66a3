//! Reactors.

use std::sync::Arc;

use super::error::qmp_error;
use super::{enter, shared, timeout};
use crate::monitor::Reactor;
use crate::sys::keeping_errno;

/// One epoll instance, and any number of monitors on it.
#[allow(non_camel_case_types)]
pub struct qmp_reactor(());

/// Makes a reactor. Returns one that the caller owns and frees by qmp_reactor_free, or NULL and an error (SYSTEM).
/// Makes no thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_new(err: *mut *mut qmp_error) -> *mut qmp_reactor {
    enter(err, || Reactor::new().map(|reactor| Arc::into_raw(reactor).cast_mut().cast()))
}

/// A descriptor for a foreign event loop (poll, epoll, GLib, libuv, asyncio) to watch for reading. It is readable exactly
/// while qmp_reactor_turn(reactor, 0) would find something to do: input or a deadline that no thread is waiting for, or
/// a callback that is queued (while requests are open it may show once, too, for the deadline of one that is answered).
/// Deadlines are inside: no other timer is needed. It belongs to the reactor: never read, write or close it. It is made
/// by the first call. Returns it, or -1 for NULL, and where the system gives no descriptor (its limit is reached).
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_fd(reactor: *const qmp_reactor) -> i32 {
    enter(std::ptr::null_mut(), || shared(reactor.cast::<Reactor>(), "reactor")?.fd())
}

/// Does one round of I/O, waiting for something to do for at most `timeout_ms` milliseconds (0: not at all,
/// QMP_TIMEOUT_FOREVER: as long as it takes), and runs the callbacks that are queued by then, in this thread. Returns
/// how many ran; 0 after the timeout or qmp_reactor_wake; -1 on misuse alone (INVALID_ARGUMENT, STATE in a callback
/// and on a started reactor): a monitor's failure is the monitor's. Any thread; a second turn at the same time waits
/// for the first. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_turn(reactor: *mut qmp_reactor, timeout_ms: i32, err: *mut *mut qmp_error) -> i32 {
    enter(err, || {
        let ran = shared(reactor.cast::<Reactor>(), "reactor")?.turn(timeout(timeout_ms)?)?;
        Ok(i32::try_from(ran).unwrap_or(i32::MAX))
    })
}

/// Lets a thread of the library turn the reactor until qmp_reactor_stop or qmp_reactor_free; callbacks then run on that
/// thread. It blocks all signals. Returns 0, or -1 and an error (STATE if it is started already, SYSTEM). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_start(reactor: *mut qmp_reactor, err: *mut *mut qmp_error) -> i32 {
    enter(err, || shared(reactor.cast::<Reactor>(), "reactor")?.start().map(|()| 0))
}

/// Stops that thread and waits until it has ended, with the callback that it is in; without one does nothing. In a
/// callback on that thread it only asks: the next stop or free from outside waits. Call it before exit(3). Returns 0, or
/// -1 and an error. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_stop(reactor: *mut qmp_reactor, err: *mut *mut qmp_error) -> i32 {
    enter(err, || shared(reactor.cast::<Reactor>(), "reactor")?.stop().map(|()| 0))
}

/// Ends the turn that runs, or the next one. Blocking calls do not take notice. Any thread, and also a signal handler.
/// NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_wake(reactor: *const qmp_reactor) {
    // A NULL is told nobody, and making an error would allocate: not in a signal handler.
    if !reactor.is_null() {
        keeping_errno(|| {
            let _ = shared(reactor.cast::<Reactor>(), "reactor").map(|reactor| reactor.wake());
        });
    }
}

/// Stops the reactor's thread, if it has one, and gives up the caller's share: the reactor itself lives as long as its
/// monitors, which may be freed before or after. NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_reactor_free(reactor: *mut qmp_reactor) {
    if !reactor.is_null() {
        enter(std::ptr::null_mut(), || {
            // SAFETY: the pointer came from qmp_reactor_new, and the caller gives it up.
            unsafe { Arc::from_raw(reactor.cast_const().cast::<Reactor>()) }.release();
            Ok(0)
        });
    }
}
