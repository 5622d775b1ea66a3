//! libvirt's errors as ours: a code that programs can go by, the daemon's text and number beside it.

use crate::error::{Code, Delivery, Error};
use crate::proto::rpc::{RemoteError, VIR_ERR_SYSTEM_ERROR};
use crate::proto::xdr::MAX_STRING;

/// The error domain of polkit's D-Bus calls (virterror.h, VIR_FROM_DBUS): what polkit says has no code of its own.
const FROM_DBUS: i32 = 47;
const FROM_POLKIT: i32 = 60;

const VIR_ERR_RPC: i32 = 39;
/// What it says, with numbers that mean anything, of a machine that has ended under the command.
const GONE: [&str; 3] =
    ["domain is no longer running", "End of file from qemu monitor", "Missing monitor reply object"];
const ECONNRESET: i32 = 104;
const EPIPE: i32 = 32;

/// What a daemon's error means, whatever was asked (virterror.h, virErrorNumber). `None`: it depends.
fn code_of(error: &RemoteError) -> Option<Code> {
    Some(match error.code {
        42 => Code::NotFound,
        // Denied (to read-only links, or by an access driver), failed, cancelled or unavailable authentication.
        29 | 45 | 79 | 88 | 94 => Code::Auth,
        3 | 67 | 74 | 84 => Code::Unsupported,
        68 => Code::Timeout,
        _ if matches!(error.domain, FROM_DBUS | FROM_POLKIT) => Code::Auth,
        _ => return None,
    })
}

/// The error of a step of the opening, `what` being that step.
pub(super) fn of_opening(error: &RemoteError, what: &str) -> Error {
    build(code_of(error).unwrap_or(Code::Connect), error, format!("libvirt refused {what}: {}", error.message))
}

/// The error of a login, by this method. Why it failed is in the daemon's log alone.
pub(super) fn of_login(error: &RemoteError, method: &str) -> Error {
    build(Code::Auth, error, format!("libvirt refused to let us in ({method}): {}", error.message))
}

/// The error of a monitor command; `with_fd`: it came with a descriptor.
pub(super) fn of_command(error: &RemoteError, with_fd: bool) -> Error {
    let mut text = format!("libvirt: {}", error.message);
    let gone = error.code == VIR_ERR_SYSTEM_ERROR && matches!(error.errno, ECONNRESET | EPIPE)
        || GONE.iter().any(|part| error.message.contains(part));
    let code = match error.code {
        55 => Code::NotRunning,
        // The daemon's own protocol is in the way. Old ones do not know the procedure that passes descriptors; any
        // has a limit on a string, which a reply is.
        VIR_ERR_RPC if with_fd => Code::Unsupported,
        VIR_ERR_RPC => {
            text += &format!(" (a reply that libvirt hands over has at most {MAX_STRING} bytes)");
            Code::Limit
        }
        _ if gone => Code::Disconnected,
        _ => code_of(error).unwrap_or(Code::System),
    };
    build(code, error, text).with_delivery(match code {
        // QEMU went away in the middle, or something went wrong that says nothing of how far it got.
        Code::Disconnected | Code::System => Delivery::Unknown,
        // The daemon refused before it turned to QEMU.
        Code::NotRunning | Code::NotFound | Code::Auth | Code::Unsupported | Code::Timeout => Delivery::NotSent,
        _ => Delivery::Answered,
    })
}

/// The error of anything else that was asked.
pub(super) fn of_call(error: &RemoteError) -> Error {
    let text = format!("libvirt: {}", error.message);
    build(code_of(error).unwrap_or(Code::System), error, text).with_delivery(Delivery::Answered)
}

fn build(code: Code, error: &RemoteError, text: String) -> Error {
    let text = format!("{text} (libvirt's error {})", error.code);
    Error::new(code, text).with_errno(error.errno).with_libvirt(error.code).with_desc(error.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_command_leaves_open_is_told() {
        let table = [
            (55, 0, "domain is not running", Code::NotRunning, Delivery::NotSent),
            (38, ECONNRESET, "Unable to read from monitor", Code::Disconnected, Delivery::Unknown),
            (9, 0, "operation failed: domain is no longer running", Code::Disconnected, Delivery::Unknown),
            (1, 0, "internal error: End of file from qemu monitor", Code::Disconnected, Delivery::Unknown),
            (1, 0, "internal error: Missing monitor reply object", Code::Disconnected, Delivery::Unknown),
            (1, 0, "internal error: something new", Code::System, Delivery::Unknown),
            (VIR_ERR_RPC, 0, "Unable to encode message payload", Code::Limit, Delivery::Answered),
        ];
        for (code, errno, message, expected, delivery) in table {
            let error = RemoteError { code, domain: 10, message: message.to_owned(), errno };
            let error = of_command(&error, false);
            assert_eq!((error.code(), error.delivery()), (expected, delivery), "{message}");
        }
    }
}
