//! Programs that are not virsh, or do not do what virsh does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use qmp::error::{Code, Delivery, Error};
use qmp::monitor::{State, Timeout};
use serde_json::json;

use super::alone::alone;
use super::children::{Kind, Program, resident};
use super::libvirtd::{Domain, Libvirtd};
use super::scenario::SOON;
use super::{AT_ONCE, STATUS, execute, new, open, target, uuid_of};

/// Longer than anything takes here that goes on.
const SHORTLY: Timeout = Timeout::Millis(1000);

/// Connecting fails, at once.
fn refused(target: &str, path: &str, session: &str) -> Error {
    let monitor = new(target, &[("virsh-path", path), ("virsh-session", session)]);
    let begun = Instant::now();
    let error = monitor.connect(SOON).unwrap_err();
    assert!(begun.elapsed() < AT_ONCE, "{:?}: {error}", begun.elapsed());
    assert_eq!((error.delivery(), monitor.state()), (Delivery::NotSent, State::Disconnected), "{error}");
    monitor.free();
    error
}

#[test]
fn a_program_that_cannot_be_run_is_told_at_once() {
    let folder = std::env::temp_dir().join(format!("libqmp-no-virsh-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::write(at("plain"), "#!/bin/sh\n").unwrap();
    fs::write(at("garbage"), [0x7f, b'E', b'L', b'F', 9, 9, 9]).unwrap();
    fs::set_permissions(at("garbage"), fs::Permissions::from_mode(0o755)).unwrap();
    let cases = [
        (at("missing"), libc::ENOENT, "is not there"),
        ("libqmp-no-such-virsh".to_owned(), libc::ENOENT, "PATH"),
        (at("plain"), libc::EACCES, "may not be run"),
        (at(""), libc::EACCES, "may not be run"),
        (at("plain/virsh"), libc::ENOTDIR, "cannot be started"),
    ];
    for (path, errno, part) in &cases {
        for session in ["on", "off"] {
            let error = refused("virsh:qemu:///system#x", path, session);
            assert_eq!((error.code(), error.detail().errno), (Code::Connect, *errno), "{error}");
            assert!(error.to_string().contains(part) && error.to_string().contains(path.as_str()), "{error}");
        }
    }
    let error = refused("virsh:qemu:///system#x", &at("garbage"), "on");
    assert_eq!(error.code(), Code::Connect, "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

/// Of a wrapper that does not get as far as virsh its last words are shown.
#[test]
fn a_program_that_ends_at_once_is_told_at_once() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let cases = [
        ("nothing", "exit 0", "status 0"),
        ("failing", "exit 3", "status 3"),
        ("wrapper", "echo 'sudo: a password is required' >&2\nexit 1", "sudo: a password is required"),
        ("missing", "exec /nonexistent/virsh \"$@\"", "status 127"),
    ];
    for (name, script, part) in cases {
        let program = Program::script(&daemon, name, script);
        let error = refused("virsh:qemu:///system#x", &program.path, "on");
        assert_eq!(error.code(), Code::Connect, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        if name != "nothing" {
            let error = refused("virsh:qemu:///system#x", &program.path, "off");
            assert_eq!(error.code(), Code::Connect, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        program.gone();
    }
}

#[test]
fn a_program_that_does_nothing_times_out() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let program = Program::script(&daemon, "idle", "exec sleep 1000");
    for session in ["on", "off"] {
        let monitor = new("virsh:qemu:///system#x", &[("virsh-path", &program.path), ("virsh-session", session)]);
        let error = monitor.connect(SHORTLY).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Timeout, Delivery::NotSent), "{error}");
        monitor.free();
        program.gone();
    }
}

#[test]
fn garbage_is_no_answer() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "garbage");
    let mumble = Program::script(&daemon, "mumble", "while read -r line; do echo nonsense; done");
    let monitor = new(&target(&domain), &[("virsh-path", &mumble.path)]);
    assert_eq!(monitor.connect(SHORTLY).unwrap_err().code(), Code::Timeout);
    monitor.free();
    let no_uuid = Program::script(&daemon, "no-uuid", "echo nonsense");
    let error = refused(&target(&domain), &no_uuid.path, "off");
    assert_eq!(error.code(), Code::Protocol, "{error}");
    assert!(error.to_string().contains("nonsense"), "{error}");
    // Instead of a reply. What it did with the request nobody knows, but it has answered.
    let script = "case $4 in qemu-monitor-command) echo nonsense ;; *) exec \"$VIRSH\" \"$@\" ;; esac";
    let no_reply = Program::script(&daemon, "no-reply", script);
    let monitor = open(&target(&domain), &[("virsh-path", &no_reply.path), ("virsh-session", "off")]);
    for _ in 0..2 {
        let error = monitor.run(STATUS, &[], SOON).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Protocol, Delivery::Answered), "{error}");
    }
    monitor.free();
}

/// Memory stays within the option's limit, whatever is printed.
#[test]
fn printing_without_end_costs_no_memory() {
    if !alone("programs::printing_without_end_costs_no_memory", &[]) {
        return;
    }
    const LIMIT: &str = "1000000";
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "endless");
    let endless = "tr '\\0' x </dev/zero";
    // Before any mark: no answer. Behind one: an answer that is too long.
    let always = Program::script(&daemon, "always", &format!("exec {endless}"));
    let errors = Program::script(&daemon, "errors", &format!("{endless} >&2"));
    let marked = format!("read -r line\nkey=${{line#*\\'B\\'}}\nprintf 'virsh # \\nB%s' \"${{key%%;*}}\"\n{endless}");
    let marked = Program::script(&daemon, "marked", &marked);
    let before = resident();
    for (program, session, code) in [
        (&always, "on", Code::Timeout),
        (&always, "off", Code::Limit),
        (&errors, "on", Code::Timeout),
        (&errors, "off", Code::Timeout),
        (&marked, "on", Code::Limit),
    ] {
        let options = [("virsh-path", program.path.as_str()), ("virsh-session", session), ("max-message", LIMIT)];
        let monitor = new(&target(&domain), &options);
        let error = monitor.connect(SHORTLY).unwrap_err();
        assert_eq!(error.code(), code, "{} {session}: {error}", program.path);
        monitor.free();
        program.gone();
    }
    let script = format!("case $4 in qemu-monitor-command) exec {endless} ;; *) exec \"$VIRSH\" \"$@\" ;; esac");
    let reply = Program::script(&daemon, "reply", &script);
    let options = [("virsh-path", reply.path.as_str()), ("virsh-session", "off"), ("max-message", LIMIT)];
    let monitor = open(&target(&domain), &options);
    let error = monitor.run(STATUS, &[], SOON).unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Limit, Delivery::Answered), "{error}");
    monitor.free();
    let grown = resident() - before;
    assert!(grown < 16_000, "{grown} KiB more");
}

/// Without readline, which would echo, virsh cuts long lines: it gets one process a command instead.
#[test]
fn a_virsh_without_readline_gets_one_process_a_command() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "no-readline");
    let script = "[ $KIND = session ] || exec \"$VIRSH\" \"$@\"\n\
                  while read -r line; do key=${line#*\\'B\\'}; key=${key%%;*}; printf 'virsh # B%sE%s' $key $key; done";
    let program = Program::script(&daemon, "no-readline", script);
    let monitor = open(&target(&domain), &[("virsh-path", &program.path)]);
    assert_eq!(uuid_of(&monitor), domain.uuid());
    // More than its line would hold.
    let long = "x".repeat(5000);
    let error = monitor.execute(&long, None, SOON).unwrap_err();
    assert_eq!(error.detail().class.as_deref(), Some("CommandNotFound"));
    let kinds: Vec<_> = program.processes().iter().map(|process| process.kind).collect();
    assert_eq!(kinds, [Kind::Events]);
    monitor.free();
    program.gone();
}

/// A program around virsh, as sudo rules make it, whose child virsh is.
#[test]
fn a_wrapper_works_and_its_child_ends_with_it() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "wrapped");
    let inner = Program::real(&daemon, "inner");
    let wrapper = Program::script(&daemon, "wrapper-around", &format!("{} \"$@\"\nexit $?", inner.path));
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-path", &wrapper.path), ("virsh-session", session)]);
        assert_eq!(uuid_of(&monitor), domain.uuid());
        assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
        assert!(!inner.processes().is_empty());
        monitor.free();
        wrapper.gone();
        inner.gone();
    }
}
