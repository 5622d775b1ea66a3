"""include/libqmp.h in ctypes' words: its constants, its types and its functions, and nothing else.

`tests/test_header.py` reads the header and fails when the two say different things.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

# The version of the header that this file was written from.
LIBQMP_VERSION_MAJOR = 0
LIBQMP_VERSION_MINOR = 1
LIBQMP_VERSION_PATCH = 0

# The number in the name of the shared library: it changes when programs have to be compiled again.
SOVERSION = 0

CONSTANTS = {
    "QMP_TIMEOUT_FOREVER": -1,
    "QMP_TIMEOUT_DEFAULT": -2,
    "QMP_CODE_OK": 0,
    "QMP_CODE_INVALID_ARGUMENT": 1,
    "QMP_CODE_CONNECT": 2,
    "QMP_CODE_AUTH": 3,
    "QMP_CODE_NOT_FOUND": 4,
    "QMP_CODE_NOT_RUNNING": 5,
    "QMP_CODE_STATE": 6,
    "QMP_CODE_TIMEOUT": 7,
    "QMP_CODE_DISCONNECTED": 8,
    "QMP_CODE_CANCELED": 9,
    "QMP_CODE_PROTOCOL": 10,
    "QMP_CODE_LIMIT": 11,
    "QMP_CODE_COMMAND": 12,
    "QMP_CODE_UNSUPPORTED": 13,
    "QMP_CODE_SYSTEM": 14,
    "QMP_CODE_INTERNAL": 15,
    "QMP_DELIVERY_NOT_SENT": 0,
    "QMP_DELIVERY_UNKNOWN": 1,
    "QMP_DELIVERY_ANSWERED": 2,
    "QMP_STATE_NEW": 0,
    "QMP_STATE_CONNECTING": 1,
    "QMP_STATE_CONNECTED": 2,
    "QMP_STATE_DISCONNECTED": 3,
}


# The objects of the library, whose insides are its own: a structure each, so that ctypes tells their pointers apart.
class qmp_buffer(ctypes.Structure):
    """JSON text that the caller owns."""


class qmp_credentials(ctypes.Structure):
    """A name and a password, to be filled by a callback."""


class qmp_error(ctypes.Structure):
    """Why a call failed."""


class qmp_events(ctypes.Structure):
    """A stream of events to pull from."""


class qmp_monitor(ctypes.Structure):
    """One QEMU monitor."""


class qmp_reactor(ctypes.Structure):
    """One epoll instance, and any number of monitors on it."""


BUFFER = POINTER(qmp_buffer)
CREDENTIALS = POINTER(qmp_credentials)
ERROR = POINTER(qmp_error)
EVENTS = POINTER(qmp_events)
MONITOR = POINTER(qmp_monitor)
REACTOR = POINTER(qmp_reactor)
# Where a call that fails puts its error.
ERR = POINTER(ERROR)
FDS = POINTER(c_int32)

# A `const char *` that comes in is copied into bytes by ctypes; that it ends at its NUL is right, because the library's
# texts hold no other.
CALLBACKS: dict[str, Any] = {
    "qmp_done_cb": ctypes.CFUNCTYPE(None, c_void_p, MONITOR, ERROR),
    "qmp_free_cb": ctypes.CFUNCTYPE(None, c_void_p),
    "qmp_credentials_cb": ctypes.CFUNCTYPE(c_int32, c_void_p, MONITOR, CREDENTIALS),
    "qmp_reply_cb": ctypes.CFUNCTYPE(None, c_void_p, MONITOR, ERROR, c_char_p, c_size_t),
    "qmp_event_cb": ctypes.CFUNCTYPE(None, c_void_p, MONITOR, c_char_p, c_char_p, c_size_t),
}
DONE_CB = CALLBACKS["qmp_done_cb"]
FREE_CB = CALLBACKS["qmp_free_cb"]
CREDENTIALS_CB = CALLBACKS["qmp_credentials_cb"]
REPLY_CB = CALLBACKS["qmp_reply_cb"]
EVENT_CB = CALLBACKS["qmp_event_cb"]

# A line each: what it returns, what it takes; in the order of the header.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "qmp_version": (c_uint32, []),
    "qmp_version_string": (c_char_p, []),
    "qmp_error_code": (c_int32, [ERROR]),
    "qmp_error_message": (c_char_p, [ERROR]),
    "qmp_error_desc": (c_char_p, [ERROR]),
    "qmp_error_libvirt": (c_int32, [ERROR]),
    "qmp_error_copy": (ERROR, [ERROR]),
    "qmp_error_class": (c_char_p, [ERROR]),
    "qmp_error_reply": (c_char_p, [ERROR]),
    "qmp_error_errno": (c_int32, [ERROR]),
    "qmp_error_delivery": (c_int32, [ERROR]),
    "qmp_error_free": (None, [ERROR]),
    "qmp_buffer_data": (c_char_p, [BUFFER]),
    "qmp_buffer_len": (c_size_t, [BUFFER]),
    "qmp_buffer_free": (None, [BUFFER]),
    "qmp_reactor_new": (REACTOR, [ERR]),
    "qmp_reactor_fd": (c_int32, [REACTOR]),
    "qmp_reactor_turn": (c_int32, [REACTOR, c_int32, ERR]),
    "qmp_reactor_start": (c_int32, [REACTOR, ERR]),
    "qmp_reactor_stop": (c_int32, [REACTOR, ERR]),
    "qmp_reactor_wake": (None, [REACTOR]),
    "qmp_reactor_free": (None, [REACTOR]),
    "qmp_monitor_new": (MONITOR, [REACTOR, c_char_p, ERR]),
    "qmp_monitor_set": (c_int32, [MONITOR, c_char_p, c_char_p, ERR]),
    "qmp_monitor_connect": (c_int32, [MONITOR, c_int32, ERR]),
    "qmp_monitor_connect_start": (c_int32, [MONITOR, c_int32, DONE_CB, c_void_p, FREE_CB, ERR]),
    "qmp_monitor_open": (MONITOR, [REACTOR, c_char_p, c_int32, ERR]),
    "qmp_monitor_disconnect": (c_int32, [MONITOR, ERR]),
    "qmp_monitor_free": (None, [MONITOR]),
    "qmp_monitor_reactor": (REACTOR, [MONITOR]),
    "qmp_monitor_target": (c_char_p, [MONITOR]),
    "qmp_monitor_state": (c_int32, [MONITOR]),
    "qmp_monitor_greeting": (BUFFER, [MONITOR, ERR]),
    "qmp_monitor_supports": (c_int32, [MONITOR, c_char_p]),
    "qmp_monitor_domains": (BUFFER, [MONITOR, c_int32, ERR]),
    "qmp_monitor_set_credentials": (c_int32, [MONITOR, CREDENTIALS_CB, c_void_p, FREE_CB, ERR]),
    "qmp_credentials_set": (c_int32, [CREDENTIALS, c_char_p, c_char_p]),
    "qmp_monitor_run": (BUFFER, [MONITOR, c_char_p, c_int32, ERR]),
    "qmp_monitor_execute": (BUFFER, [MONITOR, c_char_p, c_char_p, c_int32, ERR]),
    "qmp_monitor_run_with_fds": (BUFFER, [MONITOR, c_char_p, FDS, c_size_t, c_int32, ERR]),
    "qmp_monitor_start": (c_uint64, [MONITOR, c_char_p, c_int32, REPLY_CB, c_void_p, FREE_CB, ERR]),
    "qmp_monitor_start_with_fds": (
        c_uint64,
        [MONITOR, c_char_p, FDS, c_size_t, c_int32, REPLY_CB, c_void_p, FREE_CB, ERR],
    ),
    "qmp_monitor_cancel": (c_int32, [MONITOR, c_uint64]),
    "qmp_monitor_subscribe": (c_uint64, [MONITOR, c_char_p, EVENT_CB, c_void_p, FREE_CB, ERR]),
    "qmp_monitor_unsubscribe": (c_int32, [MONITOR, c_uint64]),
    "qmp_monitor_events": (EVENTS, [MONITOR, c_char_p, ERR]),
    "qmp_events_next": (BUFFER, [EVENTS, c_int32, ERR]),
    "qmp_events_fd": (c_int32, [EVENTS, ERR]),
    "qmp_events_close": (c_int32, [EVENTS]),
    "qmp_events_free": (None, [EVENTS]),
}


def declare(library: ctypes.CDLL) -> None:
    """Tells ctypes what each function returns and takes. AttributeError if the library has not got one."""
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
