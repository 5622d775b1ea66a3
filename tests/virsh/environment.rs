//! What the parent has set, and what the children leave alone. Each in a process of its own.

use std::fs;
use std::io::Read;
use std::process::Command;

use qmp::error::Code;
use qmp::monitor::Timeout;
use serde_json::json;

use super::alone::{alone, start, told};
use super::children::{Kind, Program, field, signal};
use super::libvirtd::{Domain, Libvirtd, until};
use super::scenario::SOON;
use super::{STATUS, execute, names_until, new, next_name, open, target, uuid_of, watching};

/// Errors, names and events are read whatever the parent's language is, and whatever it has virsh say besides.
#[test]
fn the_parents_language_and_logs_play_no_part() {
    let log = std::env::temp_dir().join(format!("libqmp-log-{}", std::process::id()));
    let log = log.to_str().unwrap();
    let variables = [
        ("LC_ALL", "de_DE.UTF-8"),
        ("LANG", "de_DE.UTF-8"),
        ("LANGUAGE", "de"),
        ("TERM", "xterm-256color"),
        ("VIRSH_DEBUG", "0"),
        ("VIRSH_LOG_FILE", log),
        ("VIRSH_HISTSIZE", "7"),
        ("VIRSH_DEFAULT_CONNECT_URI", "test:///default"),
        ("LIBVIRT_DEBUG", "1"),
        ("LIBVIRT_LOG_FILTERS", "1:*"),
        ("LIBVIRT_LOG_OUTPUTS", "1:stderr"),
        ("INPUTRC", log),
    ];
    if told().is_none() {
        fs::write(log, "\"e\": \"BOOM\"\nset editing-mode vi\n").unwrap();
    }
    if !alone("environment::the_parents_language_and_logs_play_no_part", &variables) {
        let text = fs::read_to_string(log).unwrap();
        fs::remove_file(log).unwrap();
        assert_eq!(text, "\"e\": \"BOOM\"\nset editing-mode vi\n", "virsh has written to the parent's files");
        return;
    }
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "sprache né");
    for session in ["on", "off"] {
        let options = [("virsh-session", session)];
        let (monitor, events) = watching(&target(&domain), &options);
        assert_eq!(uuid_of(&monitor), domain.uuid());
        execute(&monitor, "stop");
        assert_eq!(next_name(&events), "STOP");
        let list = String::from_utf8(monitor.domains(SOON).unwrap().as_bytes().to_vec()).unwrap();
        assert!(list.contains("\"paused\"") && list.contains("sprache né"), "{list}");
        domain.destroy();
        assert_eq!(monitor.run(STATUS, &[], SOON).unwrap_err().code(), Code::NotRunning);
        domain.start();
        monitor.free();
        let missing = new(&format!("virsh:{}#nobody", daemon.unix()), &options);
        assert_eq!(missing.connect(SOON).unwrap_err().code(), Code::NotFound);
        missing.free();
    }
}

/// Interactive virsh keeps its lines in a file of the user's. Ours neither writes nor shortens it, however it ends.
#[test]
fn the_history_of_the_user_is_left_alone() {
    const LINES: &str = "list --all\ndominfo x\n";
    let cases = [("cache", "XDG_CACHE_HOME", ""), ("home", "HOME", ".cache/")];
    if told().is_none() {
        for (case, variable, below) in cases {
            for with_runtime_dir in [true, false] {
                let folder =
                    std::env::temp_dir().join(format!("libqmp-{case}-{with_runtime_dir}-{}", std::process::id()));
                let history = folder.join(below).join("libvirt/virsh/history");
                fs::create_dir_all(history.parent().unwrap()).unwrap();
                fs::write(&history, LINES).unwrap();
                let path = folder.to_str().unwrap();
                // An empty variable is like none.
                let runtime = if with_runtime_dir { path } else { "" };
                let variables = [
                    ("HOME", path),
                    ("XDG_CACHE_HOME", if variable == "HOME" { "" } else { path }),
                    ("XDG_RUNTIME_DIR", runtime),
                ];
                alone("environment::the_history_of_the_user_is_left_alone", &variables);
                assert_eq!(fs::read_to_string(&history).unwrap(), LINES, "{case}, {with_runtime_dir}");
                fs::remove_dir_all(&folder).unwrap();
            }
        }
        return;
    }
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "history");
    let program = Program::real(&daemon, "history");
    // It ends by its input, as it does when the parent dies: nothing that is left of the parent kills it then.
    let monitor = open(&target(&domain), &[("virsh-path", &program.path)]);
    assert_eq!(execute(&monitor, "query-status")["running"], json!(true));
    let session = program.the(Kind::Session);
    let input = fs::read_link(format!("/proc/{session}/fd/0")).unwrap();
    assert!(input.to_str().unwrap().starts_with("socket:"), "{input:?}");
    shut_down_input_of(session);
    until("the end of the session", || field(session, 0).is_none_or(|state| state == "Z"));
    assert_eq!(uuid_of(&monitor), domain.uuid());
    monitor.free();
    program.gone();
}

/// Its socket pair says that nothing more will come: what the kernel does when the other end is closed.
fn shut_down_input_of(pid: i32) {
    // SAFETY: numbers and no pointers; each result is checked.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        assert!(process >= 0, "{}", std::io::Error::last_os_error());
        let input = libc::syscall(libc::SYS_pidfd_getfd, process, 0, 0) as i32;
        assert!(input >= 0, "{}", std::io::Error::last_os_error());
        assert_eq!(libc::shutdown(input, libc::SHUT_RD), 0);
        libc::close(input);
        libc::close(process);
    }
}

/// No terminal to ask at, no key that ends them, nothing of the parent's but what they are given.
#[test]
fn children_have_no_terminal_and_no_descriptors_of_the_parent() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "apart");
    let program = Program::real(&daemon, "apart");
    // Somebody forgot to mark this one.
    let file = fs::File::open("/dev/null").unwrap();
    // SAFETY: the descriptor is open.
    let leaky = unsafe { libc::dup(std::os::fd::AsRawFd::as_raw_fd(&file)) };
    let monitor = open(&target(&domain), &[("virsh-path", &program.path)]);
    for process in program.processes() {
        let pid = process.pid.to_string();
        let fields: Vec<_> = (2..5).map(|number| field(process.pid, number).unwrap()).collect();
        assert_eq!(fields, [pid.as_str(), &pid, "0"], "group, session and terminal of {process:?}");
        let inherited = fs::read_link(format!("/proc/{pid}/fd/{leaky}"));
        assert!(!inherited.is_ok_and(|path| path.as_path() == "/dev/null"), "{process:?} has inherited {leaky}");
        let input = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
        let expected = if process.kind == Kind::Session { "socket:" } else { "/dev/null" };
        assert!(input.to_str().unwrap().starts_with(expected), "the input of {process:?} is {input:?}");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
        assert!(blocked.chars().all(|digit| digit == '0'), "{process:?} blocks {blocked}");
    }
    // SAFETY: it is this test's own.
    unsafe { libc::close(leaky) };
    monitor.free();
    program.gone();
}

/// The session ends with the parent, at once; the process for events at the latest with its next event.
#[test]
fn children_end_with_a_parent_that_is_killed() {
    const SELF: &str = "environment::children_end_with_a_parent_that_is_killed";
    if let Some(told) = told() {
        let (target, path) = told.split_once('\n').unwrap();
        let monitor = open(target, &[("virsh-path", path)]);
        println!("ready");
        // Until the end.
        let _ = std::io::stdin().read(&mut [0]);
        monitor.free();
        return;
    }
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "orphans");
    let program = Program::real(&daemon, "orphans");
    let (mut parent, _output) = start(SELF, &format!("{}\n{}", target(&domain), program.path));
    let (session, watcher) = (program.the(Kind::Session), program.the(Kind::Events));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let ended = |pid: i32| field(pid, 0).is_none_or(|state| state == "Z");
    until("the end of the session", || ended(session));
    let second = open(&domain.second(), &[]);
    execute(&second, "stop");
    until("the end of the process for events", || ended(watcher));
    for orphan in [session, watcher] {
        // SAFETY: waitpid may get no place for the status. They are this process's own by now, if anybody's.
        unsafe { libc::waitpid(orphan, std::ptr::null_mut(), 0) };
    }
    second.free();
}

/// An application may reap all its children, or none: then nobody knows how a virsh has ended.
#[test]
fn an_application_that_ignores_its_children_works() {
    if !alone("environment::an_application_that_ignores_its_children_works", &[]) {
        return;
    }
    let Some(daemon) = Libvirtd::own() else { return };
    let domain = Domain::running(&daemon, "ignored");
    let program = Program::real(&daemon, "ignored");
    // SAFETY: no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    for session in ["on", "off"] {
        let options = [("virsh-path", program.path.as_str()), ("virsh-session", session)];
        let (monitor, events) = watching(&target(&domain), &options);
        assert_eq!(uuid_of(&monitor), domain.uuid());
        let error = monitor.execute("no-such-thing", None, SOON).unwrap_err();
        assert_eq!(error.code(), Code::Command, "{error}");
        signal(program.the(Kind::Events), libc::SIGKILL);
        assert_eq!([next_name(&events), next_name(&events)], ["LIBQMP_EVENTS_LOST"; 2]);
        execute(&monitor, "stop");
        assert_eq!(names_until(&events, "STOP"), ["STOP"]);
        execute(&monitor, "cont");
        let missing = new(&format!("virsh:{}#nobody", daemon.unix()), &options);
        assert_eq!(missing.connect(SOON).unwrap_err().code(), Code::NotFound);
        missing.free();
        monitor.free();
        program.gone();
    }
    // SAFETY: no handler. The daemon's keeper is waited for.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// The library waits for its own children alone.
#[test]
fn nobody_elses_children_are_reaped() {
    let Some(daemon) = Libvirtd::shared() else { return };
    let domain = Domain::running(&daemon, "others");
    let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    let pid = child.id() as i32;
    until("a child that has ended", || field(pid, 0).as_deref() == Some("Z"));
    for session in ["on", "off"] {
        let monitor = open(&target(&domain), &[("virsh-session", session)]);
        execute(&monitor, "query-status");
        monitor.reactor().turn(Timeout::Millis(0)).unwrap();
        monitor.free();
    }
    assert_eq!(child.wait().unwrap().code(), Some(7));
}
