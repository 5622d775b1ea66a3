//! What goes through libvirt unharmed, and what does not fit through.

use qmp::error::{Code, Delivery};
use serde_json::json;

use super::libvirtd::{Domain, Libvirtd};
use super::scenario::{SOON, parsed};
use super::{execute, open};

/// The same JSON from every driver, once parsed.
#[test]
fn replies_equal_those_of_the_socket_driver() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "same-replies");
    let monitors = [domain.unix(), domain.tcp(), domain.second()].map(|target| open(&target));
    let requests = [
        r#"{"execute":"query-version"}"#,
        r#"{"execute":"query-cpus-fast","id":0.5}"#,
        r#"{"execute":"query-migrate-parameters","id":"\u0000"}"#,
        r#"{"execute":"query-qmp-schema"}"#,
        r#"{"execute":"query-machines"}"#,
        r#"{"execute":"qom-list","arguments":{"path":"/machine"},"id":[]}"#,
        r#"{"execute":"query-command-line-options"}"#,
        r#"{"execute":"human-monitor-command","arguments":{"command-line":"info né \u00e9 \ud83d\ude00 \"\\"}}"#,
        r#"{"execute":"device_del","arguments":{"id":"né\ud83d\ude00\t\u007f"},"id":"é"}"#,
        r#"{"execute":"qom-set","arguments":{"path":"/né\u0001","property":"x","value":18446744073709551615}}"#,
        r#"{"execute":"qom-get","arguments":{"path":"/machine","property":"né"}}"#,
    ];
    for request in requests {
        let texts = monitors.each_ref().map(|monitor| match monitor.run(request.as_bytes(), &[], SOON) {
            Ok(reply) => reply.as_bytes().to_vec(),
            Err(error) => {
                assert_eq!(error.code(), Code::Command, "{error}");
                error.detail().reply.clone().unwrap()
            }
        });
        let [over_unix, over_tcp, over_socket] = texts.map(|text| parsed(&text));
        assert_eq!(over_unix, over_socket, "{request}");
        assert_eq!(over_tcp, over_socket, "{request}");
    }
}

#[test]
fn a_reply_over_libvirts_limit_is_told_as_that() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "large-reply");
    let monitor = open(&domain.unix());
    // A dump of memory: some 7.6 bytes a byte. Below the limit it arrives whole.
    let dump = |bytes: u32| format!("{{\"command-line\":\"xp /{bytes}xb 0\"}}");
    let execute_dump = |bytes| monitor.execute("human-monitor-command", Some(dump(bytes).as_bytes()), SOON);
    let whole = execute_dump(540_000).unwrap();
    assert!(whole.as_bytes().len() > 4_000_000, "{}", whole.as_bytes().len());
    let error = execute_dump(600_000).unwrap_err();
    assert_eq!((error.code(), error.detail().libvirt), (Code::Limit, 39), "{error}");
    assert_eq!(error.delivery(), Delivery::Answered, "{error}");
    let text = error.to_string();
    assert!(text.contains("libvirt") && text.contains("4194304"), "{text}");
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    monitor.free();
}

#[test]
fn a_request_over_libvirts_limit_is_not_sent() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "large-request");
    let monitor = open(&domain.tcp());
    let request = |len: usize| format!("{{\"execute\":\"{}\"}}", "x".repeat(len - 14));
    let error = monitor.run(request((4 << 20) + 1).as_bytes(), &[], SOON).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::NotSent), "{error}");
    let text = error.to_string();
    assert!(text.contains("libvirt") && text.contains("4194304"), "{text}");
    // A long one that fits goes through.
    let error = monitor.run(request(200_000).as_bytes(), &[], SOON).unwrap_err();
    assert_eq!(error.detail().class.as_deref(), Some("CommandNotFound"));
    monitor.free();
}
