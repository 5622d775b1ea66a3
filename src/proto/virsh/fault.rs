//! What virsh prints when something failed, as our errors. It has no numbers, only texts: English ones, as virsh runs in
//! the C locale (libvirt: src/util/virerror.c, virErrorMsg, and tools/virsh-util.c).

use crate::error::{Code, Delivery, Error};

use Delivery::{Answered, NotSent, Unknown};

/// Parts of texts, what they mean, and how far the request got. The first that is met counts.
const MEANINGS: [(&str, Code, Delivery); 24] = [
    // Of a socket that carries none; libvirt's client then hangs up, and says so as well.
    ("Sending file descriptors is not supported", Code::Unsupported, NotSent),
    // The daemon says this of its reply: a request that is too long never gets as far as virsh.
    ("Unable to encode message payload", Code::Limit, Answered),
    ("Unable to decode message payload", Code::Limit, Answered),
    ("authentication failed", Code::Auth, NotSent),
    ("authentication cancelled", Code::Auth, NotSent),
    ("authentication unavailable", Code::Auth, NotSent),
    ("access denied", Code::Auth, NotSent),
    ("operation forbidden", Code::Auth, NotSent),
    ("Failed to connect socket", Code::Connect, NotSent),
    ("unable to connect to server", Code::Connect, NotSent),
    ("Failed to reconnect to the hypervisor", Code::Connect, NotSent),
    // Behind these: what is told when a connection that was there is lost.
    ("error: Disconnected from", Code::Disconnected, Unknown),
    ("End of file while reading data", Code::Disconnected, Unknown),
    ("Cannot write data", Code::Disconnected, Unknown),
    ("client socket is closed", Code::Disconnected, NotSent),
    ("failed to get domain", Code::NotFound, NotSent),
    ("Domain not found", Code::NotFound, NotSent),
    ("domain is not running", Code::NotRunning, NotSent),
    ("cannot acquire state change lock", Code::Timeout, NotSent),
    ("Unable to read from monitor", Code::Disconnected, Unknown),
    ("Unable to write to monitor", Code::Disconnected, Unknown),
    ("domain is no longer running", Code::Disconnected, Unknown),
    ("not supported by the connection driver", Code::Unsupported, NotSent),
    ("no connection driver available", Code::Unsupported, NotSent),
];

/// The error that the text on virsh's standard error means; `what` failed.
pub(super) fn of(text: &str, what: &str) -> Error {
    let meaning = MEANINGS.iter().find(|(part, ..)| text.contains(part));
    let (mut code, mut delivery) = meaning.map_or((Code::System, Unknown), |(_, code, delivery)| (*code, *delivery));
    if code == Code::Disconnected && text.contains("failed to get domain") {
        // The connection went while the domain was looked up: the command was never on its way.
        delivery = NotSent;
    }
    if code == Code::Connect && text.contains("error: Disconnected from") {
        (code, delivery) = (Code::Disconnected, NotSent);
    }
    let errors = errors(text);
    let said = if errors.is_empty() { "virsh failed and gave no reason".to_owned() } else { errors.join("; ") };
    let error = Error::new(code, format!("{what}: {said}")).with_delivery(delivery);
    if errors.is_empty() { error } else { error.with_desc(said) }
}

/// May trying again later be of use?
pub(super) fn is_temporary(error: &Error) -> bool {
    error.code() == Code::Connect
        && ["No such file", "refused", "temporarily"].iter().any(|part| error.detail().text.contains(part))
        || error.code() == Code::Disconnected
}

/// The texts of the error lines. Others are virsh's log and chatter.
fn errors(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("error: "))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_meanings() {
        let table = [
            ("error: failed to get domain 'x'\n", Code::NotFound, NotSent),
            ("error: Requested operation is not valid: domain is not running\n", Code::NotRunning, NotSent),
            (
                "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': No such file or directory\n",
                Code::Connect,
                NotSent,
            ),
            (
                "error: Disconnected from qemu:///x due to end of file\nerror: failed to get domain 'x'\n",
                Code::Disconnected,
                NotSent,
            ),
            (
                "error: Disconnected from qemu:///x due to end of file\nerror: End of file while reading data: Input/output error\n",
                Code::Disconnected,
                Unknown,
            ),
            (
                "error: Failed to reconnect to the hypervisor\nerror: Failed to connect socket to '/x': Connection refused\n",
                Code::Connect,
                NotSent,
            ),
            ("error: Unable to encode message payload\n", Code::Limit, Answered),
            (
                "error: Disconnected from x due to I/O error\nerror: internal error: Sending file descriptors is not supported on this socket\n",
                Code::Unsupported,
                NotSent,
            ),
            ("error: Unable to read from monitor: Connection reset by peer\n", Code::Disconnected, Unknown),
            (
                "error: operation forbidden: read only access prevents virDomainQemuMonitorCommand\n",
                Code::Auth,
                NotSent,
            ),
            ("error: something new\n", Code::System, Unknown),
            ("", Code::System, Unknown),
        ];
        for (text, code, delivery) in table {
            let error = of(text, "query-status");
            assert_eq!((error.code(), error.delivery()), (code, delivery), "{text}");
        }
        let noisy = "2026-01-01: info : libvirt version\nerror: one\nchatter\nerror: two\n";
        let error = of(noisy, "list");
        assert_eq!(error.to_string(), "list: one; two");
        assert_eq!(error.detail().desc.as_deref(), Some("one; two"));
    }
}
