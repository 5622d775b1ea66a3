//! What virsh prints when something failed, as our errors. It has no numbers, only texts: English ones, as virsh runs in
//! the C locale (libvirt: src/util/virerror.c, virErrorMsg, and tools/virsh-util.c).

use crate::error::{Code, Delivery, Error};

use super::running::End;

use Delivery::{Answered, NotSent, Unknown};

/// virsh does not say why it got none.
const NO_DOMAIN: &str = "failed to get domain";
/// Much longer than any text of libvirt's.
const LONGEST_TEXT: usize = 1000;
/// No errors at all: that it is back, and that it finds no place for its history, which it is given none for.
const CHATTER: [&str; 2] = ["Reconnected to the hypervisor", "Failed to create '/dev/null/"];

/// Parts of texts, what they mean, and how far the request got. The first that is met counts.
const MEANINGS: [(&str, Code, Delivery); 32] = [
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
    ("CA certificate", Code::Auth, NotSent),
    // ssh's own words, which virsh passes on.
    ("Permission denied (", Code::Auth, NotSent),
    ("Host key verification failed", Code::Auth, NotSent),
    ("Too many authentication failures", Code::Auth, NotSent),
    ("Failed to connect socket", Code::Connect, NotSent),
    ("unable to connect to server", Code::Connect, NotSent),
    ("Failed to reconnect to the hypervisor", Code::Connect, NotSent),
    // Behind these: what is told when a connection that was there is lost. First by a command that may have gone out on it.
    ("End of file while reading data", Code::Disconnected, Unknown),
    ("Cannot write data", Code::Disconnected, Unknown),
    // Then by one that came too late for it.
    ("no valid connection", Code::Disconnected, NotSent),
    ("Disconnected from", Code::Disconnected, Unknown),
    ("client socket is closed", Code::Disconnected, NotSent),
    (NO_DOMAIN, Code::NotFound, NotSent),
    ("Domain not found", Code::NotFound, NotSent),
    ("domain is not running", Code::NotRunning, NotSent),
    ("cannot acquire state change lock", Code::Timeout, NotSent),
    ("Unable to read from monitor", Code::Disconnected, Unknown),
    ("Unable to write to monitor", Code::Disconnected, Unknown),
    ("domain is no longer running", Code::Disconnected, Unknown),
    ("End of file from qemu monitor", Code::Disconnected, Unknown),
    ("Missing monitor reply object", Code::Disconnected, Unknown),
    ("not supported by the connection driver", Code::Unsupported, NotSent),
    ("no connection driver available", Code::Connect, NotSent),
    // Whatever the reason is: over libvirt's own protocol it is the same.
    ("failed to connect to the hypervisor", Code::Connect, NotSent),
];

/// The error that the text on virsh's standard error means.
pub(super) fn of(text: &str) -> Error {
    let complaints = complaints(text);
    let has = |part: &str| complaints.iter().any(|line| line.contains(part));
    let known = |line: &&str| MEANINGS.iter().position(|(part, ..)| line.contains(part));
    let meaning = complaints.iter().filter_map(known).min().and_then(|at| MEANINGS.get(at));
    let (mut code, mut delivery) = meaning.map_or((Code::System, Unknown), |(_, code, delivery)| (*code, *delivery));
    if code == Code::Disconnected && has(NO_DOMAIN) {
        // The connection went while the domain was looked up: the command was never on its way.
        delivery = NotSent;
    }
    if code == Code::Connect && has("Disconnected from") {
        (code, delivery) = (Code::Disconnected, NotSent);
    }
    if complaints.is_empty() {
        return Error::new(code, format!("virsh failed and {}", last_words(text))).with_delivery(delivery);
    }
    // What is shown has the domain's name in it.
    let said = shortened(&lines(text).collect::<Vec<_>>().join("; "));
    Error::new(code, format!("virsh: {said}")).with_delivery(delivery).with_desc(said)
}

/// The error of a process that ended like this, with this text on its standard error.
pub(super) fn of_process(end: End, text: &str) -> Error {
    if !complaints(text).is_empty() {
        return of(text);
    }
    // It may be a program around virsh that speaks here.
    let (code, how) = match end {
        End::Status(status) => (Code::Connect, format!("virsh ended with status {status}")),
        End::Signal(signal) => (Code::Disconnected, format!("signal {signal} ended virsh")),
        End::Unknown => (Code::Disconnected, "virsh ended".to_owned()),
    };
    Error::new(code, format!("{how} and {}", last_words(text))).with_delivery(Unknown)
}

/// May trying again later be of use?
pub(super) fn is_temporary(error: &Error) -> bool {
    let said = error.detail().desc.as_deref().unwrap_or_default();
    error.code() == Code::Connect && ["No such file", "refused", "temporarily"].iter().any(|part| said.contains(part))
        || error.code() == Code::Disconnected
}

/// The texts of the error lines, as far as their meaning goes.
pub(super) fn complaints(text: &str) -> Vec<&str> {
    // A domain may be called like any of virsh's texts.
    lines(text).map(|line| if line.starts_with(NO_DOMAIN) { NO_DOMAIN } else { line }).collect()
}

/// The texts of the error lines. Others are chatter, and the log for which the process for events is asked.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::trim);
    lines.filter(|line| !line.is_empty() && !CHATTER.iter().any(|chatter| line.starts_with(chatter)))
}

/// What else it had to say.
fn last_words(text: &str) -> String {
    let chatter = |line: &str| !line.starts_with("error: ") && !line.contains(": info : ");
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty() && chatter(line));
    last.map_or_else(|| "gave no reason".to_owned(), |line| format!("said: {}", shortened(line)))
}

/// What is shown in an error.
fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
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
            ("error: no valid connection\n", Code::Disconnected, NotSent),
            (
                "error: End of file while reading data: Input/output error\nerror: no valid connection\n",
                Code::Disconnected,
                Unknown,
            ),
            (
                "error: Disconnected from x due to end of file\nerror: no valid connection\n",
                Code::Disconnected,
                NotSent,
            ),
            ("error: Unable to encode message payload\n", Code::Limit, Answered),
            (
                "error: Disconnected from x due to I/O error\nerror: internal error: Sending file descriptors is not supported on this socket\n",
                Code::Unsupported,
                NotSent,
            ),
            ("error: Unable to read from monitor: Connection reset by peer\n", Code::Disconnected, Unknown),
            ("error: internal error: End of file from qemu monitor\n", Code::Disconnected, Unknown),
            ("error: internal error: Missing monitor reply object\n", Code::Disconnected, Unknown),
            (
                "error: operation forbidden: read only access prevents virDomainQemuMonitorCommand\n",
                Code::Auth,
                NotSent,
            ),
            ("error: failed to connect to the hypervisor\nerror: something new\n", Code::Connect, NotSent),
            (
                "error: failed to connect to the hypervisor\nerror: Cannot read CA certificate '/x': No such file or directory\n",
                Code::Auth,
                NotSent,
            ),
            (
                "error: failed to connect to the hypervisor\nerror: Cannot recv data: Host key verification failed.: Connection reset by peer\n",
                Code::Auth,
                NotSent,
            ),
            (
                "error: failed to connect to the hypervisor\nerror: End of file while reading data: u@h: Permission denied (publickey).: Input/output error\n",
                Code::Auth,
                NotSent,
            ),
            (
                "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': Permission denied\n",
                Code::Connect,
                NotSent,
            ),
            ("error: something new\n", Code::System, Unknown),
            ("", Code::System, Unknown),
            ("error: failed to get domain 'authentication failed'\n", Code::NotFound, NotSent),
            ("error: Reconnected to the hypervisor\nerror: something new\n", Code::System, Unknown),
        ];
        for (text, code, delivery) in table {
            let error = of(text);
            assert_eq!((error.code(), error.delivery()), (code, delivery), "{text}");
        }
        let noisy = "2026-01-01: info : libvirt version\nerror: one\nchatter\nerror: two\n";
        let error = of(noisy);
        assert_eq!(error.to_string(), "virsh: one; two");
        assert_eq!(error.detail().desc.as_deref(), Some("one; two"));
        let chatter =
            "error: Reconnected to the hypervisor\n\nerror: \nerror: Failed to create '/dev/null/x': Not a directory\n";
        assert!(complaints(chatter).is_empty());
        let among = format!("error: failed to connect to the hypervisor\nerror: invalid argument: x\n{chatter}");
        assert_eq!(
            of(&among).detail().desc.as_deref(),
            Some("failed to connect to the hypervisor; invalid argument: x")
        );
    }

    #[test]
    fn texts_are_not_endless() {
        let long = "é".repeat(70_000);
        for text in [format!("error: {long}"), long] {
            assert!(of(&text).to_string().len() < 2500 && of_process(End::Unknown, &text).to_string().len() < 2500);
        }
    }

    #[test]
    fn ends_have_meanings() {
        let info = "2026-01-01: 1: info : libvirt version\n";
        let table = [
            (End::Status(1), "error: failed to get domain 'x'\n", Code::NotFound, "failed to get domain 'x'"),
            (End::Status(1), "sudo: a password is required\n\n", Code::Connect, "status 1 and said: sudo: a password"),
            (End::Status(0), info, Code::Connect, "status 0 and gave no reason"),
            (End::Signal(9), "", Code::Disconnected, "signal 9 ended virsh and gave no reason"),
            (End::Unknown, "", Code::Disconnected, "virsh ended"),
        ];
        for (end, text, code, part) in table {
            let error = of_process(end, text);
            assert_eq!(error.code(), code, "{text}");
            assert!(error.to_string().contains(part), "{error}");
        }
        // A wrapper's own words are no reason to try again.
        assert!(!is_temporary(&of_process(End::Status(127), "sh: virsh: No such file or directory\n")));
        assert!(is_temporary(&of("error: Failed to connect socket to '/x': No such file or directory\n")));
    }
}
