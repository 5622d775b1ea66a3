//! What goes through virsh unharmed, and what does not fit through.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Instant;

use qmp::error::{Code, Delivery};
use qmp::monitor::Timeout;
use serde_json::{Value, json};

use super::libvirtd::{Domain, Libvirtd};
use super::scenario::{SOON, parsed};
use super::{AT_ONCE, STATUS, execute, open, target};

/// The same JSON from every driver, once parsed.
#[test]
fn replies_equal_those_of_the_socket_driver() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "same-replies");
    let second = open(&domain.second(), &[]);
    let requests = [
        r#"{"execute":"query-version"}"#,
        r#"{"execute":"query-cpus-fast","id":0.5}"#,
        r#"{"execute":"query-migrate-parameters","id":"\u0000"}"#,
        r#"{"execute":"query-qmp-schema"}"#,
        r#"{"execute":"qom-list","arguments":{"path":"/machine"},"id":[]}"#,
        r#"{"execute":"human-monitor-command","arguments":{"command-line":"info né \u00e9 \ud83d\ude00 \"\\"}}"#,
        r#"{"execute":"qom-set","arguments":{"path":"/né\u0001","property":"x","value":18446744073709551615}}"#,
        r#"{"execute":"qom-get","arguments":{"path":"/machine","property":"né"}}"#,
    ];
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        for request in requests {
            let [over_virsh, over_socket] = [&monitor, &second].map(|monitor| {
                parsed(&match monitor.run(request.as_bytes(), &[], SOON) {
                    Ok(reply) => reply.as_bytes().to_vec(),
                    Err(error) => {
                        assert_eq!(error.code(), Code::Command, "{error}");
                        error.detail().reply.clone().unwrap()
                    }
                })
            });
            assert_eq!(over_virsh, over_socket, "{request}");
        }
        monitor.free();
    }
    second.free();
}

/// There and back again, in the words that QEMU has for a device that it does not know.
#[test]
fn every_kind_of_content_passes() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "contents");
    let mut contents: Vec<String> = [
        "it's 'quoted' \"twice\" '\"'\"'",
        "back\\slashes \\\\ \\' \\\" \\n at the end \\",
        "semi;colons; list; echo x;",
        "$HOME ${HOME} $(id) `id` !! !x # % { ( ~ * ? [a] & | < >",
        "# begins like a comment",
        "  blanks   within  and without  ",
        "--help",
        "line\nend\r\nand\ttab",
        "\u{1}\u{2}\u{3}\u{4}\u{7}\u{8}\u{b}\u{c}\u{f}\u{12}\u{13}\u{15}\u{16}\u{17}\u{19}\u{1b}[A\u{1f}\u{7f}",
        "n\u{e9}\u{80}\u{ff}\u{100}\u{2028}\u{fffd}",
        "\u{10000}\u{1f600}\u{10fffd}",
        "event STOP at 1.000001 for domain 'x': <null>",
        "\"}\n{\"return\": {}}\n",
        "virsh # echo 'B'x;",
    ]
    .map(str::to_owned)
    .to_vec();
    contents.push((1..=255u8).map(char::from).collect());
    contents.push("\u{1f600}'\"\\;".repeat(2000));
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        for content in &contents {
            // As serde writes it, and with everything that JSON allows to be an escape as one.
            let escaped: String = content.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            for text in [serde_json::to_string(content).unwrap(), format!("\"{escaped}\"")] {
                let request = format!("{{\"execute\":\"device_del\",\"arguments\":{{\"id\":{text}}},\"id\":{text}}}");
                let error = monitor.run(request.as_bytes(), &[], SOON).unwrap_err();
                let detail = error.detail();
                assert_eq!(detail.class.as_deref(), Some("DeviceNotFound"), "{error}");
                assert_eq!(detail.desc, Some(format!("Device '{content}' not found")));
                assert_eq!(parsed(detail.reply.as_ref().unwrap())["id"], Value::from(content.as_str()));
            }
        }
        monitor.free();
    }
}

/// readline reads byte by byte, and QEMU too: it takes its time, and arrives.
#[test]
fn a_request_of_a_mebibyte_passes() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "large-request");
    // Longer than one argument of a process may be: there it is cut at blanks.
    let content = "0123456 89abcd'\\".repeat((1 << 20) / 16);
    let text = Value::from(content.as_str());
    let request = format!("{{\"execute\":\"device_del\",\"arguments\":{{\"id\":{text}}}}}");
    assert!(request.len() > 1 << 20);
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        let error = monitor.run(request.as_bytes(), &[], Timeout::Millis(120_000)).unwrap_err();
        assert_eq!(error.code(), Code::Command, "{:.300}", error.to_string());
        assert!(error.detail().desc == Some(format!("Device '{content}' not found")), "it came back changed");
        monitor.free();
    }
}

#[test]
fn a_request_over_libvirts_limit_is_refused_at_once() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "too-large-request");
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        // The second one is small, but not in the spelling that virsh takes.
        for text in ["x".repeat(4 << 20), "é".repeat((4 << 20) / 6)] {
            let begun = Instant::now();
            let request = format!("{{\"execute\":\"{text}\"}}");
            let error = monitor.run(request.as_bytes(), &[], SOON).unwrap_err();
            assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::NotSent));
            assert!(error.to_string().contains("4194304"), "{:.300}", error.to_string());
            assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        }
        assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
        monitor.free();
    }
}

/// What is longer than the arguments of a process may be needs a session.
#[test]
fn a_request_that_no_process_takes_is_refused_at_once() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "no-process");
    let monitor = open(&target(&domain), &[("virsh-session", "off")]);
    for text in ["x".repeat(140_000), "x ".repeat(1 << 20)] {
        let begun = Instant::now();
        let error = monitor.run(format!("{{\"execute\":\"{text}\"}}").as_bytes(), &[], SOON).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::NotSent), "{:.300}", error.to_string());
        assert!(error.to_string().contains("virsh-session"), "{:.300}", error.to_string());
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    monitor.free();
}

/// A reply over libvirt's limit is libvirt's to refuse.
#[test]
fn a_reply_over_libvirts_limit_is_told_as_that() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "large-reply");
    let monitor = open(&target(&domain), &[]);
    let dump = |bytes: u32| format!("{{\"command-line\":\"xp /{bytes}xb 0\"}}");
    let execute_dump = |bytes| monitor.execute("human-monitor-command", Some(dump(bytes).as_bytes()), SOON);
    let whole = execute_dump(540_000).unwrap();
    assert!(whole.as_bytes().len() > 4_000_000, "{}", whole.as_bytes().len());
    let error = execute_dump(600_000).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::Answered), "{error}");
    assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
    monitor.free();
}

/// More than the option allows: that command alone fails.
#[test]
fn a_reply_over_the_options_limit_is_refused() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "limited-reply");
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session), ("max-message", "10000")]);
        let error = monitor.execute("query-qmp-schema", None, SOON).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::Answered), "{error}");
        assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
        monitor.free();
    }
}

/// One descriptor goes with a command, as QEMU takes it.
#[test]
fn descriptors_are_passed() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "descriptors");
    let file = File::open("/dev/null").unwrap();
    let fds = [file.as_raw_fd(); 2];
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        assert!(monitor.supports("fds"));
        let named = br#"{"execute":"getfd","arguments":{"fdname":"it's"},"id":1}"#;
        assert_eq!(parsed(monitor.run(named, &fds[..1], SOON).unwrap().as_bytes()), json!({"return": {}, "id": 1}));
        monitor.run(br#"{"execute":"closefd","arguments":{"fdname":"it's"}}"#, &[], SOON).unwrap();
        let set = br#"{"execute":"add-fd","arguments":{"fdset-id":3}}"#;
        let added = parsed(monitor.run(set, &fds[..1], SOON).unwrap().as_bytes());
        assert_eq!(added["return"]["fdset-id"], json!(3));
        monitor.run(br#"{"execute":"remove-fd","arguments":{"fdset-id":3}}"#, &[], SOON).unwrap();
        let refused = monitor.run(named, &fds, SOON).unwrap_err();
        assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
        // Without one QEMU says that it misses it; with one that it does not take, nothing is wrong.
        assert_eq!(monitor.run(named, &[], SOON).unwrap_err().code(), Code::Command);
        monitor.run(STATUS, &fds[..1], SOON).unwrap();
        monitor.free();
    }
    assert!(file.metadata().is_ok(), "the caller's own descriptor was closed");
}

/// Over other sockets than UNIX ones libvirt carries none.
#[test]
fn descriptors_over_tcp_are_refused() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::paused(&daemon, "descriptors-tcp");
    let monitor = open(&format!("virsh:{}", domain.tcp()), &[]);
    let file = File::open("/dev/null").unwrap();
    let request = br#"{"execute":"getfd","arguments":{"fdname":"x"}}"#;
    let refused = monitor.run(request, &[file.as_raw_fd()], SOON).unwrap_err();
    assert_eq!((refused.code(), refused.delivery()), (Code::Unsupported, Delivery::NotSent), "{refused}");
    assert_eq!(execute(&monitor, "query-status")["running"], json!(false));
    monitor.free();
}
