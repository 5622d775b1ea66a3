//! Monitors: making, setting, connecting, asking, freeing.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::buffer::{give, qmp_buffer};
use super::callback::{done_handler, qmp_done_cb, qmp_free_cb};
use super::error::qmp_error;
use super::reactor::qmp_reactor;
use super::{enter, shared, text, timeout};
use crate::error::Result;
use crate::monitor::{Monitor, Reactor};
use crate::sys::user_data::UserData;

/// One QEMU monitor.
#[allow(non_camel_case_types)]
pub struct qmp_monitor(());

/// Never connected.
pub const QMP_STATE_NEW: i32 = 0;
/// A link is on its way.
pub const QMP_STATE_CONNECTING: i32 = 1;
/// There is a link.
pub const QMP_STATE_CONNECTED: i32 = 2;
/// There was a link, or an attempt at one.
pub const QMP_STATE_DISCONNECTED: i32 = 3;

/// Makes a monitor for a target, without any I/O. Targets: "unix:PATH", "unix:@NAME" (abstract), "tcp:HOST:PORT" (an
/// IPv6 address in brackets), "fd:N" (a connected stream socket; it is duplicated, the caller closes his own; the open
/// file that both share becomes non-blocking, and the end of the link shuts it down), and libvirt URIs with a domain,
/// "qemu:///system#DOMAIN", "qemu:///session#DOMAIN", "qemu+unix:///system?socket=PATH#DOMAIN",
/// "qemu+tls://HOST/system#DOMAIN", "qemu+tcp://HOST:PORT/system#DOMAIN", "qemu+ssh://USER@HOST/system#DOMAIN" (runs
/// the program ssh, which asks nobody for a password), "qemu+ext:///system?command=PROGRAM#DOMAIN", or "ALIAS#DOMAIN"
/// with an alias of libvirt's configuration, or none for its default; and "virsh:URI#DOMAIN", where the program virsh
/// is given URI as it stands (two processes a monitor, which end with its link). DOMAIN is a UUID, a name
/// (percent-decoded: a # in it is %23) or id:N; without it the monitor is the hypervisor's, and runs no commands.
/// Monitors of one reactor with the same URI share a connection. `reactor_or_null` drives it; with NULL it gets a
/// reactor of its own (qmp_monitor_reactor). Returns a monitor that the caller owns and frees by qmp_monitor_free, or
/// NULL and an error (INVALID_ARGUMENT). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_new(
    reactor_or_null: *mut qmp_reactor,
    target: *const c_char,
    err: *mut *mut qmp_error,
) -> *mut qmp_monitor {
    enter(err, || make(reactor_or_null, target).map(|monitor| Arc::into_raw(monitor).cast_mut().cast()))
}

/// Sets an option. "timeout": milliseconds for QMP_TIMEOUT_DEFAULT, -1 for no limit (30000); "max-message": bytes of
/// the largest message in either direction (67108864); "max-events", "max-event-bytes": the bounds of each
/// subscription's and stream's queue (16384 events, 33554432 bytes); "busy-poll": microseconds, to 1000000, for which a
/// thread that waits for I/O polls before it sleeps: quicker answers for a core that is kept busy meanwhile (0; the
/// reactor takes the largest of its monitors); "listen": "on" to wait for QEMU to dial in
/// ("off"); "oob": "off" to do without out-of-band execution ("on"). For libvirt: "keepalive-interval": milliseconds of
/// silence after which the daemon is sent a ping, 0 for never (5000); "keepalive-count": pings that may stay without an
/// answer (5); "max-links": connections to one daemon, 1 to 8, of which more than one are used when machines leave
/// commands without an answer (4); "allow-programs": "on" to run programs that the target names (command=, netcat=,
/// qemu+ext), without which connecting to such a target is INVALID_ARGUMENT ("off"); "socket-fd": a connected socket to
/// the daemon, which is duplicated and connects once; "username", "password": who logs in, if the daemon asks for SASL
/// (qmp_monitor_set_credentials has other ways; no message shows a password). For virsh: "virsh-path": the program, a
/// path or a name on PATH ("virsh"); "virsh-session": "off" to start one virsh a command rather than to keep one
/// ("on"). "timeout", "max-events", "max-event-bytes" and "busy-poll" may be set at any time, the others only without a link
/// (STATE). Returns 0, or -1 and an error (INVALID_ARGUMENT names the options there are). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_set(
    monitor: *mut qmp_monitor,
    option: *const c_char,
    value: *const c_char,
    err: *mut *mut qmp_error,
) -> i32 {
    enter(err, || on(monitor, "", |monitor| monitor.set(text(option, "option")?, text(value, "value")?).map(|()| 0)))
}

/// Connects and negotiates capabilities; QEMU's greeting is part of the deadline. While the socket does not exist yet
/// or refuses, it is tried again until then; ssh and other programs are run once. QEMU serves one client a socket: a
/// second one gets no greeting (TIMEOUT). Over libvirt a domain that is shut off is connected to as well: its events
/// come when it is started. Returns 0, or -1 and an error (CONNECT, TIMEOUT, DISCONNECTED, PROTOCOL, AUTH, NOT_FOUND
/// for a domain that is not there, STATE if connected already, UNSUPPORTED for a descriptor the second time, CANCELED
/// by qmp_monitor_disconnect, qmp_monitor_free or a callback for credentials that gives up). Looking up a host's name
/// is part of the deadline. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_connect(
    monitor: *mut qmp_monitor,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> i32 {
    enter(err, || on(monitor, "connect", |monitor| monitor.connect(timeout(timeout_ms)?).map(|()| 0)))
}

/// Begins to connect and returns at once; `callback` runs once, in a turn, when it has ended. Returns 0, or -1 and an
/// error: then only `free` has run. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_connect_start(
    monitor: *mut qmp_monitor,
    timeout_ms: i32,
    callback: qmp_done_cb,
    user_data: *mut c_void,
    free: qmp_free_cb,
    err: *mut *mut qmp_error,
) -> i32 {
    // SAFETY: the caller's promise (qmp_free_cb).
    let user = unsafe { UserData::new(user_data, free) };
    enter(err, move || {
        on(monitor, "connect", |monitor| {
            let handler = done_handler(user, callback)?;
            monitor.connect_start(timeout(timeout_ms)?, handler).map(|()| 0)
        })
    })
}

/// qmp_monitor_new and qmp_monitor_connect in one. Events before its return are missed; to miss none, make the monitor,
/// subscribe, and connect. Returns a monitor that the caller owns, or NULL and an error. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_open(
    reactor_or_null: *mut qmp_reactor,
    target: *const c_char,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_monitor {
    enter(err, || {
        let monitor = make(reactor_or_null, target)?;
        let connected = timeout(timeout_ms).and_then(|timeout| monitor.connect(timeout));
        match connected.map_err(|why| monitor.named(why, "connect")) {
            Ok(()) => Ok(Arc::into_raw(monitor).cast_mut().cast()),
            Err(why) => {
                monitor.free();
                Err(why)
            }
        }
    })
}

/// Ends the link without waiting for QEMU: open requests end with DISCONNECTED, LIBQMP_DISCONNECTED is told. Without a
/// link it does nothing. The monitor can connect again. Returns 0, or -1 and an error. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_disconnect(monitor: *mut qmp_monitor, err: *mut *mut qmp_error) -> i32 {
    enter(err, || of(monitor)?.disconnect().map(|()| 0))
}

/// Frees a monitor: waits for a callback of it that runs in another thread, and, before it runs any itself, for one of
/// another monitor of the reactor (hold no lock that they take); ends open requests with CANCELED, runs their callbacks
/// and every free callback in this thread, and returns: nothing of the monitor runs afterwards. Inside a callback, of
/// any reactor, it waits for nothing: the rest runs in a turn of the monitor's own reactor. Calls of other threads that
/// are inside end with CANCELED. NULL is allowed. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_free(monitor: *mut qmp_monitor) {
    if !monitor.is_null() {
        enter(std::ptr::null_mut(), || {
            // SAFETY: the pointer came from qmp_monitor_new or qmp_monitor_open, and the caller gives it up.
            unsafe { Arc::from_raw(monitor.cast_const().cast::<Monitor>()) }.free();
            Ok(0)
        });
    }
}

/// The reactor that drives the monitor, borrowed from it: do not free it. NULL for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_reactor(monitor: *mut qmp_monitor) -> *mut qmp_reactor {
    enter(std::ptr::null_mut(), || Ok(Arc::as_ptr(of(monitor)?.reactor()).cast_mut().cast()))
}

/// The target as it was given, borrowed from the monitor. It holds no secret. NULL for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_target(monitor: *const qmp_monitor) -> *const c_char {
    enter(std::ptr::null_mut(), || Ok(of(monitor)?.target().as_ptr()))
}

/// How far the monitor is: QMP_STATE_*. -1 for NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_state(monitor: *const qmp_monitor) -> i32 {
    enter(std::ptr::null_mut(), || Ok(of(monitor)?.state() as i32))
}

/// QEMU's greeting as it came ({"QMP": {"version": ..., "capabilities": [...]}}; qmp-spec, "Server Greeting"). Over libvirt,
/// which keeps it to itself, it is put together from the answer to query-version: then this waits like
/// qmp_monitor_execute with the default timeout, and fails like it. Returns a buffer that the caller owns, or NULL and an
/// error (DISCONNECTED without a link). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_greeting(monitor: *mut qmp_monitor, err: *mut *mut qmp_error) -> *mut qmp_buffer {
    enter(err, || of(monitor)?.greeting().map(give))
}

/// Can the link that there is do this? "events": it tells events; "fds": it passes descriptors; "oob": out-of-band
/// execution is enabled. Returns 1 or 0 (0 also without a link and for an unknown name), -1 if an argument is NULL or
/// not UTF-8. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_supports(monitor: *mut qmp_monitor, feature: *const c_char) -> i32 {
    enter(std::ptr::null_mut(), || Ok(i32::from(of(monitor)?.supports(text(feature, "feature")?))))
}

/// The domains of the hypervisor, running or not, as a JSON array of objects, sorted by name: "name", "uuid", "id" (-1
/// while it is shut off), "state" (libvirt's: "running", "blocked", "paused", "shutdown", "shutoff", "crashed",
/// "pmsuspended", "nostate"). The target may name a domain or none. Through virsh it takes a few commands, and one or
/// two more for each domain that is not shut off. Returns a buffer that the caller owns, or NULL and an error
/// (UNSUPPORTED for QEMU's own sockets, DISCONNECTED without a link, TIMEOUT, LIMIT). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qmp_monitor_domains(
    monitor: *mut qmp_monitor,
    timeout_ms: i32,
    err: *mut *mut qmp_error,
) -> *mut qmp_buffer {
    enter(err, || on(monitor, "domains", |monitor| monitor.domains(timeout(timeout_ms)?)).map(give))
}

/// Does something with the caller's monitor: an error that names nothing yet names its target, and this command.
pub(super) fn on<T>(
    monitor: *const qmp_monitor,
    command: &str,
    body: impl FnOnce(&Arc<Monitor>) -> Result<T>,
) -> Result<T> {
    let monitor = of(monitor)?;
    body(&monitor).map_err(|why| monitor.named(why, command))
}

/// A share of our own in the caller's monitor.
pub(super) fn of(monitor: *const qmp_monitor) -> Result<Arc<Monitor>> {
    shared(monitor.cast::<Monitor>(), "monitor")
}

fn make(reactor_or_null: *mut qmp_reactor, target: *const c_char) -> Result<Arc<Monitor>> {
    let target = text(target, "target")?;
    if reactor_or_null.is_null() {
        return Monitor::new(None, target);
    }
    Monitor::new(Some(&shared(reactor_or_null.cast::<Reactor>(), "reactor")?), target)
}
